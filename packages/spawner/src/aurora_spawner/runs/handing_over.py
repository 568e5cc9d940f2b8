"""Reads what the latest attempt at a task has left: read from its folder and its worktree, also after a restart."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from aurora_spawner.attempts.attempt_folder import DEFAULT_CAP_BYTES, attempt_folder, kept_pieces, read_output
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.backends.base import with_events
from aurora_spawner.backends.sessions import read_session_record
from aurora_spawner.errors import AttemptRecordError
from aurora_spawner.tasks.handover import SAID_LIMIT, EarlierAttempt
from aurora_spawner.workspaces.errors import WorkspaceError
from aurora_spawner.workspaces.present import present_commit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aurora_spawner.attempts.attempt_folder import AttemptFolder, ExitRecord
    from aurora_spawner.backends.base import Backend
    from aurora_spawner.tasks.task import SpawnTask
    from aurora_spawner.workspaces.worktrees import Worktree

_COMMITS: Final = 20
_LINES: Final = 20
_WHY: Final[Mapping[str, str]] = {
    EndReason.DEADLINE: "its time limit ended it",
    EndReason.OVER_LIMIT: "it used more memory, processes or processor time than it may",
    EndReason.CANCELLED: "it was ended from outside",
    EndReason.ORPHANED: "it was cut off",
    EndReason.EXEC_FAILED: "its program could not be started",
}


def read_earlier(
    spool: Path,
    *,
    position: int,
    task: SpawnTask,
    number: int,
    backends: Mapping[str, Backend],
    worktree: Worktree | None,
    problem: str | None,
) -> EarlierAttempt | None:
    """Returns the attempt before an attempt of this number; None if it has left nothing and said nothing.

    An attempt at another text of the task, which was edited since, is none.

    Args:
        spool: The folder of the run.
        worktree: Of the task; None if it has none.
        problem: Why the attempt ended, if this process has seen it.
    """
    for each in range(number - 1, 0, -1):
        folder = attempt_folder(spool, position=position, task_id=str(task.id), number=each)
        if not folder.stdout.is_file():
            continue  # it never began
        if not _is_of(task, folder):
            return None
        record = _exit_of(folder)
        about = read_session_record(folder.path)
        left = _left_in(worktree) if worktree is not None else ""
        said = _said_in(folder, record, backends.get(about.agent) if about else None)
        if not left and not said:
            return None
        return EarlierAttempt(
            number=each,
            agent=about.agent if about else None,
            ended=problem or _why(record),
            left=left,
            said=said,
        )
    return None


def _is_of(task: SpawnTask, folder: AttemptFolder) -> bool:
    """Returns True if an attempt was given the present text of a task."""
    try:
        given = folder.prompt.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    if task.prompt_format != "json":
        return task.prompt.rstrip() in given
    try:
        found, wanted = json.loads(given), json.loads(task.prompt)
    except ValueError:
        return False
    return isinstance(found, dict) and all(name in found and found[name] == wanted[name] for name in wanted)


def _exit_of(folder: AttemptFolder) -> ExitRecord | None:
    try:
        return folder.read_exit()
    except AttemptRecordError:
        return None


def _why(record: ExitRecord | None) -> str:
    if record is None:
        return "it was cut off"
    if record.reason == EndReason.EXITED:
        return f"it exited with status {record.exit_code}"
    return _WHY.get(record.reason, "it was cut off")


def _said_in(folder: AttemptFolder, record: ExitRecord | None, backend: Backend | None) -> str:
    """Returns the last lines of what the agent said, or printed."""
    cap = record.cap_bytes if record else DEFAULT_CAP_BYTES
    speaking = None if backend is None else with_events(backend)
    if speaking is not None and speaking.dialect is not None:
        pieces = kept_pieces(folder.stdout, total=record.stdout_bytes if record else None, cap=cap)
        return _end_of(speaking.read_stream(pieces).text)
    size = record.stdout_bytes if record else folder.stdout.stat().st_size
    return _end_of(read_output(folder.stdout, total=size, cap=cap, limit=4 * SAID_LIMIT))


def _end_of(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-_LINES:])[-SAID_LIMIT:]


def _left_in(worktree: Worktree) -> str:
    """Returns the commits of a worktree and the files that differ from its base, uncommitted ones included."""
    try:
        git = worktree.git
        head = git.text("rev-parse", "--verify", "HEAD^{commit}")
        present = present_commit(worktree, "Work of an attempt that ended\n")
        log = git.text("log", f"--max-count={_COMMITS}", "--format=%h %s", f"{worktree.base}..{head}")
        how = ("--no-ext-diff", "--no-textconv", "--no-renames", "--stat=100", "--stat-count=40")
        stat = git.text("diff-tree", *how, worktree.base, present)
    except (WorkspaceError, OSError):
        return ""  # the attempt itself will say what is wrong with the worktree
    commits = f"commits:\n{log}\n" if log else ""
    uncommitted = ", with uncommitted changes" if present != head else ""
    return f"{commits}changed since the task began{uncommitted}:\n{stat}" if stat or log else ""
