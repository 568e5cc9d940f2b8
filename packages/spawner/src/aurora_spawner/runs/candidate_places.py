"""Places for candidates: those that may write need worktrees, or each would change the files of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_spawner.backends.model.backend import ModelBackend
from aurora_spawner.errors import TaskError
from aurora_spawner.tasks.candidates import with_candidates

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aurora_spawner.backends.base import Backend
    from aurora_spawner.tasks.task import SpawnTask


def first_task_needing_worktrees(
    tasks: Iterable[SpawnTask], *, backends: Mapping[str, Backend], default_agent: str
) -> SpawnTask | None:
    """Returns the first task with a candidate that may write; None if no task needs worktrees for its candidates."""
    expanded = {str(task.id): task for task in with_candidates(tasks)}
    for task in expanded.values():
        agents = {expanded[each].agent or default_agent for each in task.choice_of if each in expanded}
        if any(not isinstance(backends.get(agent), ModelBackend) for agent in agents):
            return task
    return None


def place_problem(task: SpawnTask, reason: str = "") -> str:
    """Says that a task cannot have candidates without worktrees, and what to do.

    Args:
        reason: Why there are none; empty if that was the user's wish.
    """
    because = f" ({reason})" if reason else ""
    return (
        f"its {len(task.choice_of)} candidates may write files and each needs a worktree of its own, but this run has"
        f" none{because}; use --isolation worktree in a git repository with a commit, or run the task once"
    )


def check_places(
    tasks: Iterable[SpawnTask], *, backends: Mapping[str, Backend], default_agent: str, isolated: bool
) -> None:
    """Refuses tasks with candidates that may write, unless each works in a worktree of its own.

    Raises:
        TaskError: There is one.
    """
    task = None if isolated else first_task_needing_worktrees(tasks, backends=backends, default_agent=default_agent)
    if task is not None:
        raise TaskError(f"task {task.id}: {place_problem(task)}", field="candidates")
