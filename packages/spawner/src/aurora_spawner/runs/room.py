"""Room on the disk for a worktree: made by giving back those of finished tasks, or waited for."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from aurora_spawner.errors import WorkspaceError
from aurora_spawner.runs.leftovers import living_runs
from aurora_spawner.tasks import run_events

if TYPE_CHECKING:
    from aurora_spawner.errors import DiskCapError
    from aurora_spawner.runs.run_context import RunContext
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
    while not run.stopping(task_id) and waited < _LOOK_S and _helping(run) == helping:
        await asyncio.sleep(_PAUSE_S)
        waited += _PAUSE_S
    worktrees.disk.forget()
    return not run.stopping(task_id)


def _helping(run: RunContext) -> tuple[str, ...]:
    """Returns who will give worktrees back at its end: running tasks with one, and other runs of the repository."""
    assert run.worktrees is not None
    own = tuple(f"task {task_id}" for task_id, flight in run.tasks.in_flight.items() if flight.worktree is not None)
    folder, living = run.worktrees.workspaces.folder, living_runs(run.options.state_dir)
    others = sorted(each.name for each in folder.parent.iterdir() if each.name in living and each != folder)
    return (*own, *(f"run {name}" for name in others))


def _give_one_back(run: RunContext, worktrees: RunWorktrees) -> bool:
    """Removes the worktree of a finished task whose branch has all of its work; the branch stays."""
    for task_id, result in list(run.tasks.results.items()):
        done = result.success and result.work is not None and run.task(task_id).candidate_of is None
        if done and worktrees.path_of(task_id).exists():
            with suppress(WorkspaceError):  # it holds something, or another task has just done it
                if worktrees.workspaces.give_back(worktrees.find(task_id)):
                    return True
    return False
