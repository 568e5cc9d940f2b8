"""Asks a person from inside an agent: sends the question to the coordinator of its run, and waits for the answer."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_spawner.control.own_run import request_own_run
from aurora_spawner.errors import SpawnerError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["PersonAnswer", "ask_person"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonAnswer:
    """The answer to a question of an agent.

    Attributes:
        text: None if nobody answered, and the question has no default.
        by: user, default or nobody.
    """

    text: str | None
    by: str


def ask_person(
    question: str, *, default: str | None, choices: Sequence[str], environ: Mapping[str, str] = os.environ
) -> PersonAnswer:
    """Asks a person, and returns when there is an answer; a coordinator that dies meanwhile is followed by the next.

    Raises:
        NotInsideAgentError: This process belongs to no agent of a run.
        SpawnerError: The coordinator refuses, or none can be reached.
    """
    request = {"do": "ask", "question": question, "default": default, "choices": list(choices)}
    said = request_own_run(request, what="ask", environ=environ)
    if not said.get("ok"):
        raise SpawnerError(f"the question was not asked: {said.get('error', 'refused')}")
    text = said.get("answer")
    return PersonAnswer(text=text if isinstance(text, str) else None, by=str(said.get("by")))
