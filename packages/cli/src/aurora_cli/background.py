"""Runs in the background: a process of its own, which outlives the one that starts it, works on the run."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_cli.errors import CoordinatorLostError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aurora_soar import Aurora

__all__ = ["BackgroundRun", "answer_question", "hold_session", "start"]

START_LIMIT_S: Final = 60.0
"""Seconds until a process in the background works on its run; it checks the memory before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundRun:
    """The process that works on a run.

    Attributes:
        log: the file of what that process prints.
    """

    pid: int
    log: Path


def start(aurora: Aurora, run_id: str, *, more: Sequence[str] = ()) -> BackgroundRun:
    """Starts a process of its own that resumes a run; returns once it works on the run.

    The memory should be up to date, because that process starts with it.

    Args:
        more: arguments for that process's `aur spawn --resume`.

    Raises:
        CoordinatorLostError: the process ended before it worked on the run.
    """
    return _started(aurora, run_id, ("spawn", "--resume", run_id, *more))


def answer_question(aurora: Aurora, query_id: str, *, more: Sequence[str] = ()) -> BackgroundRun:
    """Starts a process of its own that answers a question of the journal; returns once it does.

    The memory should be up to date, because that process answers from it as it is.

    Args:
        more: arguments for that process's `aur soar --resume`.

    Raises:
        CoordinatorLostError: the process ended before it worked on the question.
    """
    return _started(aurora, query_id, ("soar", "--resume", query_id, "--no-index", *more))


def hold_session(aurora: Aurora, session_id: str) -> BackgroundRun:
    """Starts a process of its own that holds a session, for turns from elsewhere; returns once it does.

    Raises:
        CoordinatorLostError: the process ended before it held the session.
    """
    return _started(aurora, session_id, ("interact", "--resume", session_id, "--hold"))


def _started(aurora: Aurora, run_id: str, arguments: Sequence[str]) -> BackgroundRun:
    from aurora_spawner.control.steering import detach, wait_until_held
    from aurora_spawner.supervision.interpreter import python_command

    log = aurora.project.aurora_dir / "runs" / run_id / "coordinator.log"
    command = python_command("aurora_cli", *arguments, unbuffered=True)
    began_at = time.time()
    pid = detach(command, log=log, cwd=aurora.project.root)
    if not wait_until_held(aurora.project.runs_db, run_id, pid=pid, since=began_at, limit_s=START_LIMIT_S):
        raise CoordinatorLostError(run_id, log)
    return BackgroundRun(pid=pid, log=log)
