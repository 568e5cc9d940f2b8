"""When a task counts as done: on evidence, not on an exit code alone."""

from __future__ import annotations

import errno
import glob
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_spawner.executor import FOLDER_REMOVED, REFUSALS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aurora_spawner.backends.base import Reply
    from aurora_spawner.executor import AttemptEnd

STDERR_LINES = 5
"""Final lines of stderr that go into the error of a failed attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether an attempt did its task; `error` says what is missing."""

    success: bool
    error: str | None = None


def judge(end: AttemptEnd, reply: Reply, *, outputs: Sequence[str], cwd: Path) -> Verdict:
    """Weigh an ended attempt.

    Done means: it ended by itself, with a terminal success event, or exit code 0 where the agent has no such events,
    said something, all of which was kept, did not itself report a failure, and every declared output exists.
    """
    complaint = (
        _ended_wrongly(end)
        or reply.failure
        or _exit_complaint(end, reply)
        or _lost_output(end)
        or (None if reply.text.strip() else "it exited without an answer")
        or _missing_outputs(outputs, cwd)
    )
    return Verdict(success=complaint is None, error=complaint)


def _ended_wrongly(end: AttemptEnd) -> str | None:
    if end.reason == "deadline":
        return f"it ran into its time limit after {end.duration_s:.1f} s"
    if end.reason == "exec_failed":
        problem = os.strerror(end.exec_errno or errno.ENOEXEC)
        return f"its program could not be started: {problem}"
    if end.reason in REFUSALS:
        return last_lines(end.stderr)
    if end.reason == "supervisor_lost":
        return "its supervisor was killed from outside, and what it said after that is lost"
    if end.reason == FOLDER_REMOVED:
        return f"{_missing(end)} was removed while it ran, and with it all that it said"
    return None if end.reason == "exited" else f"it was {end.reason}"


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
        return "it exited with code 0, but never said that it was done"
    how = "ended without an exit code" if code is None else _exit_text(code)
    tail = last_lines(end.stderr)
    return f"it {how}: {tail}" if tail else f"it {how}"


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


def _exists(output: str, cwd: Path) -> bool:
    """Whether there is a file of that name, or one that fits it as a pattern.

    `glob` answers for any text; `pathlib` raises for absolute patterns and for names that are too long.
    """
    found = (
        next(glob.iglob(pattern, root_dir=cwd, recursive=True, include_hidden=True), None)  # noqa: PTH207 -- see above
        for pattern in (glob.escape(output), output)
    )
    return any(name is not None for name in found)
