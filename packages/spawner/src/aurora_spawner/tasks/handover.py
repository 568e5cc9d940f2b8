"""The hand-over note: what a dead attempt left, for an attempt that does not continue its session."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from aurora_spawner.tasks.prompts import quoted, shorten

LEFT_LIMIT: Final = 4_000
"""The characters of commits and changed files in a note."""
SAID_LIMIT: Final = 2_000
"""The characters of the last lines in a note."""
_ENDED_LIMIT: Final = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierAttempt:
    """An attempt that ended before its task was done."""

    number: int
    agent: str | None
    """None if that is not known any more."""
    ended: str
    """The reason why it ended."""
    left: str = ""
    """The titles of its commits, and the files that differ from the task's base; empty for none."""
    said: str = ""
    """The last lines that its agent printed."""


def handover_prompt(prompt: str, earlier: EarlierAttempt, *, as_json: bool = False) -> str:
    """Returns a task's prompt with a note about an earlier attempt, whose texts are data.

    Args:
        as_json: The prompt is a JSON object, and gets the note as `earlier_attempt`.
    """
    texts = {
        "why it ended": shorten(earlier.ended, _ENDED_LIMIT),
        "what it left": shorten(earlier.left, LEFT_LIMIT),
        "the last lines it said": earlier.said[-SAID_LIMIT:],
    }
    who = f"number {earlier.number}" + (f", agent {earlier.agent}" if earlier.agent else "")
    request = f"An earlier attempt at this task ({who}) ended before it was done."
    if earlier.left:
        request += " What it left is in your working folder: look at it, keep what is right, and finish the task."
    if as_json:
        note = {"request": request, "ended": texts["why it ended"], "left": texts["what it left"]}
        note["said"] = texts["the last lines it said"]
        return json.dumps({**json.loads(prompt), "earlier_attempt": note}, ensure_ascii=False)
    parts = [(title, text) for title, text in texts.items() if text]
    return f"{prompt.rstrip()}\n\n{request}\n\n{quoted(parts, by='that attempt')}"
