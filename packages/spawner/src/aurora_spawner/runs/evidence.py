"""Judges if a task is done: by evidence, not by an exit code alone."""

from __future__ import annotations

import errno
import glob
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_spawner.attempts.end_reason import REFUSALS, EndReason
from aurora_spawner.backends.stream import LINE_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from aurora_spawner.attempts.executor import AttemptEnd
    from aurora_spawner.backends.base import Reply

STDERR_LINES = 5
"""Final lines of stderr that go into the error of a failed attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The judgement of an attempt; `error` says what is missing."""

    success: bool
    error: str | None = None


_UNSEEN: Final = (
    r"\x00-\x20\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f"
    r"\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Controls, spaces, and what Unicode calls ignorable: characters of which nothing is seen."""
_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
"""Escape sequences that move a terminal's cursor or colour its text."""
_SEEN: Final = re.compile(f"[^{_UNSEEN}]")


def says_something(text: str) -> bool:
    """Returns True if a text has visible characters."""
    return _SEEN.search(text if "\x1b" not in text else _ESCAPES.sub("", text)) is not None


def judge(
    end: AttemptEnd, reply: Reply, *, outputs: Sequence[str], cwd: Path, began_at: float | None = None
) -> Verdict:
    """Weighs an ended attempt.

    Done means: it ended by itself, with a terminal success event, or exit code 0 where the agent has no such events,
    said something, all of which was kept, did not itself report a failure, and every declared output exists; an agent
    that tells its tool calls has made one, or a declared output has changed.

    Args:
        began_at: When the task was first attempted, in Unix time; None where that is not known.
    """
    complaint = (
        _ended_wrongly(end)
        or reply.failure
        or _exit_complaint(end, reply)
        or _lost_output(end)
        or (None if says_something(reply.text) else f"it exited without an answer{_not_read(reply)}")
        or _missing_outputs(outputs, cwd)
        or _idleness(reply, outputs, cwd, began_at)
    )
    return Verdict(success=complaint is None, error=complaint)


def _ended_wrongly(end: AttemptEnd) -> str | None:
    if end.reason == EndReason.DEADLINE:
        return f"it ran into its time limit after {end.duration_s:.1f} s"
    if end.reason == EndReason.EXEC_FAILED:
        problem = os.strerror(end.exec_errno or errno.ENOEXEC)
        return f"its program could not be started: {problem}"
    if end.reason in REFUSALS or end.reason in (EndReason.WRONG_FOLDER, EndReason.NOT_CARRIED):
        return last_lines(end.stderr)
    if end.reason == EndReason.SUPERVISOR_LOST:
        return "its supervisor was killed from outside, and what it said after that is lost"
    if end.reason == EndReason.FOLDER_REMOVED:
        return f"{_missing(end)} was removed while it ran, and its output was lost with it"
    return None if end.reason == EndReason.EXITED else end.exceeded or f"it was {end.reason}"


def _missing(end: AttemptEnd) -> str:
    """Names the outermost folder above an attempt that is not there."""
    missing = end.stdout_path.parent if end.stdout_path else None
    while missing is not None and not missing.parent.exists():
        missing = missing.parent
    return f"the folder {missing}" if missing is not None and not missing.exists() else "its folder"


def _exit_complaint(end: AttemptEnd, reply: Reply) -> str | None:
    if reply.finished or (end.exit_code == 0 and not reply.ends_with_event):
        return None
    code = end.exit_code
    if code == 0:
        return f"it exited with code 0, but never said that it was done{_not_read(reply)}"
    how = "ended without an exit code" if code is None else _exit_text(code)
    tail = last_lines(end.stderr)
    return f"it {how}: {tail}" if tail else f"it {how}"


def _not_read(reply: Reply) -> str:
    """The part of the output that was too long to be read, as the rest of a sentence."""
    if not reply.too_long_lines:
        return ""
    lines = "a line" if reply.too_long_lines == 1 else f"{reply.too_long_lines} lines"
    return f"; {lines} of more than {LINE_LIMIT >> 20} MB of its output could not be read"


def _exit_text(code: int) -> str:
    return f"was ended by signal {-code}" if code < 0 else f"exited with code {code}"


def _lost_output(end: AttemptEnd) -> str | None:
    if not end.lost_bytes:
        return None
    return f"{end.lost_bytes} bytes of what it printed are lost, the disk was full; make room and try it again"


def last_lines(text: str, count: int = STDERR_LINES) -> str:
    """The final lines that say something."""
    return "\n".join([line for line in text.splitlines() if line.strip()][-count:])


def _missing_outputs(outputs: Sequence[str], cwd: Path) -> str | None:
    missing = [output for output in outputs if not _exists(output, cwd)]
    return f"declared files are missing: {', '.join(missing)}" if missing else None


def _idleness(reply: Reply, outputs: Sequence[str], cwd: Path, began_at: float | None) -> str | None:
    """That an agent which had files to write used no tool, and they are as they were: it only talked."""
    if not outputs or began_at is None or not reply.reports_tools or reply.tool_calls:
        return None
    if any(_changed_since(found, began_at) for output in outputs for found in _found(output, cwd)):
        return None
    return f"it used no tool and changed none of the declared files: {', '.join(outputs)}"


def _changed_since(path: str, moment: float) -> bool:
    """Returns True if a file or its entry in its folder changed after a moment; allows for coarse clocks."""
    try:
        return os.stat(path).st_ctime >= moment - 1.0  # noqa: PTH116 -- as `glob` gives it
    except OSError:
        return False


def _exists(output: str, cwd: Path) -> bool:
    return next(_found(output, cwd), None) is not None


def _found(output: str, cwd: Path) -> Iterator[str]:
    """The file of that name, and those that fit it as a pattern.

    `glob` answers for any text; `pathlib` raises for absolute patterns and for names that are too long.
    """
    for pattern in (glob.escape(output), output):
        for name in glob.iglob(pattern, root_dir=cwd, recursive=True, include_hidden=True):  # noqa: PTH207 -- see above
            yield os.path.join(cwd, name)  # noqa: PTH118 -- as above
