"""Room on the disk for a worktree: made by giving back those of finished tasks, or waited for."""

from __future__ import annotations

import asyncio
import fcntl
import os
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final

from aurora_spawner.runs.leftovers import living_runs
from aurora_spawner.tasks import run_events
from aurora_spawner.workspaces.errors import WorkspaceError

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner.runs.run_context import RunContext
    from aurora_spawner.workspaces.errors import DiskCapError
    from aurora_spawner.workspaces.run_worktrees import RunWorktrees

_PAUSE_S: Final = 0.2
_LOOK_S: Final = 5.0
"""The time between two looks at what other runs have given back."""


async def has_room_now(run: RunContext, task_id: str, full: DiskCapError) -> bool:
    """Makes room for the worktree of a task, or waits until there may be some.

    Returns:
        False if nobody will give any back, or the task is to end.
    """
    worktrees = run.worktrees
    assert worktrees is not None
    assert worktrees.disk is not None
    if await asyncio.to_thread(_give_one_back, run, worktrees):
        worktrees.disk.forget()
        return True
    helping = _helping(run)
    if not helping:
        return False
    run.notifier.emit(run_events.TaskWaitsForRoom(task_id=task_id, reason=full.taken, others=helping))
    waited = 0.0
    with ExitStack() as held:
        is_said = False
        while not run.stopping(task_id) and waited < _LOOK_S and _helping(run) == helping:
            is_said = is_said or (not _own_helping(run) and _say_waiting(worktrees.workspaces.folder, held))
            await asyncio.sleep(_PAUSE_S)
            waited += _PAUSE_S
    worktrees.disk.forget()
    return not run.stopping(task_id)


def _helping(run: RunContext) -> tuple[str, ...]:
    """Returns who will give worktrees back at its end: running tasks with one, and other runs of the repository.

    Of runs that only wait for each other, the youngest gives up first, and so helps the older ones.
    """
    assert run.worktrees is not None
    folder, living = run.worktrees.workspaces.folder, living_runs(run.options.state_dir)
    there = folder.parent.iterdir() if folder.parent.is_dir() else ()
    others = sorted(
        each.name
        for each in there
        if each.name in living and each != folder and (each.name > folder.name or not _only_waits(each))
    )
    return (*_own_helping(run), *(f"run {name}" for name in others))


def _own_helping(run: RunContext) -> tuple[str, ...]:
    """Returns the running tasks with a worktree; a candidate that waits for the others helps none of them."""
    return tuple(
        f"task {task_id}"
        for task_id, flight in run.tasks.in_flight.items()
        if flight.worktree is not None and flight.offered is None
    )


def _say_waiting(folder: Path, held: ExitStack) -> bool:
    """Tells other runs, by a lock on the folder of its worktrees, that a run only waits; a death takes it back.

    Returns:
        False if that cannot be told now, since another task of the run has done so, or somebody looks.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:  # it has no worktree yet, so nobody waits for it
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return False
    held.callback(os.close, descriptor)
    return True


def _only_waits(folder: Path) -> bool:
    """Returns True if a run says that it only waits; see `_say_waiting`."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:  # it is just given back
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _give_one_back(run: RunContext, worktrees: RunWorktrees) -> bool:
    """Removes the worktree of a finished task whose branch has all of its work; the branch stays."""
    for task_id, result in list(run.tasks.results.items()):
        done = result.success and result.work is not None and run.task(task_id).candidate_of is None
        if done and worktrees.path_of(task_id).exists():
            with suppress(WorkspaceError):  # it holds something, or another task has just done it
                if worktrees.workspaces.give_back(worktrees.find(task_id)):
                    return True
    return False
