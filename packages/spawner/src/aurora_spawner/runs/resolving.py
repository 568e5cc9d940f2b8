"""Conflicts of finished work: each becomes one more task of the run, for an agent that wrote neither side."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aurora_spawner.tasks.conflict_prompt import Side, conflict_prompt
from aurora_spawner.tasks.result import TaskState
from aurora_spawner.tasks.task import SpawnTask
from aurora_spawner.tasks.work import MergeOutcome
from aurora_spawner.workspaces.conflicts.resolution import Conflict, make_conflict
from aurora_spawner.workspaces.errors import WorkspaceError
from aurora_spawner.workspaces.merging import is_ancestor

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from aurora_spawner.runs.run_context import RunContext
    from aurora_spawner.tasks.result import SpawnResult
    from aurora_spawner.tasks.work import RunMerge, TaskMerge
    from aurora_spawner.workspaces.git import Git
    from aurora_spawner.workspaces.run_worktrees import RunWorktrees

MOST_TRIES: Final = 3
"""Tasks that may be added for the conflict of one task: each merge after it can make the last one useless."""


def resolutions_of(tasks: Mapping[str, SpawnTask], results: Mapping[str, SpawnResult]) -> dict[str, str]:
    """Returns the tasks that have resolved a conflict, in their order, each with the task whose work conflicted.

    The later ones of one conflict count: what was merged before, or the work, has changed since the others.
    """
    return {
        task_id: task.resolves
        for task_id, task in tasks.items()
        if task.resolves is not None and task_id in results and results[task_id].success
    }


async def next_resolver(run: RunContext, merge: RunMerge) -> SpawnTask | None:
    """Returns a task for the first conflict that no agent has tried to resolve; None if there is none.

    One at a time: the next conflict is with what this one leaves.
    """
    worktrees = run.worktrees
    agent = worktrees.isolation.resolver if worktrees is not None else None
    if worktrees is None or agent is None or merge.delivery.problem is not None:
        return None
    for each in merge.unmerged:
        if each.outcome is MergeOutcome.CONFLICT and each.files and not each.problem and _may_try(run, each.task_id):
            try:
                task = await asyncio.to_thread(_resolver, run, worktrees, each, merge.delivery.commit, agent)
            except WorkspaceError as error:
                run.notices.append(f"the conflict of task {each.task_id} cannot be given to an agent: {error}")
                continue
            if task is not None:
                return task
    return None


def _may_try(run: RunContext, task_id: str) -> bool:
    tried = [each for each in run.tasks.tasks.values() if each.resolves == task_id]
    states = {run.scheduler.states[str(each.id)] for each in tried}
    return len(tried) < MOST_TRIES and states <= {TaskState.SUCCEEDED}


def _resolver(run: RunContext, worktrees: RunWorktrees, merge: TaskMerge, onto: str, agent: str) -> SpawnTask | None:
    """Makes the conflict a commit, and the task for it; None if nothing conflicts any longer."""
    conflict = make_conflict(worktrees.merger(), onto, merge.commit)
    if conflict is None:
        return None
    worktrees.hold(conflict.commit)
    task_id = _free_id(f"resolve-{merge.task_id}", run.tasks.tasks.keys())
    return SpawnTask(
        _prompt(run, worktrees.workspaces.git, conflict, merge.task_id),
        agent=agent,
        id=task_id,
        title=f"Resolve the conflict of task {merge.task_id}",
        resolves=merge.task_id,
        conflict=conflict.commit,
        critical=False,
        instructions=worktrees.isolation.resolver_instructions,
    )


def _free_id(name: str, taken: Collection[str]) -> str:
    return next(each for each in (name, *(f"{name}-{n}" for n in range(2, len(taken) + 3))) if each not in taken)


def _prompt(run: RunContext, git: Git, conflict: Conflict, task_id: str) -> str:
    base = git.run("merge-base", conflict.onto, conflict.theirs, accepted=(0, 1)).text or conflict.onto
    return conflict_prompt(
        conflict.files,
        Side(
            name="the work merged before",
            intents=[run.task(each).prompt for each in _merged_before(run, git, conflict, task_id)],
            diff=_diff(git, base, conflict.onto, conflict.files),
        ),
        Side(
            name=f"task {task_id}",
            intents=[run.task(task_id).prompt],
            diff=_diff(git, base, conflict.theirs, conflict.files),
        ),
        base=base,
        onto=conflict.onto,
        theirs=conflict.theirs,
    )


def _merged_before(run: RunContext, git: Git, conflict: Conflict, task_id: str) -> list[str]:
    """Returns the tasks on the other side that have changed a file in conflict."""
    found = []
    for other, result in run.tasks.results.items():
        work = result.work
        task = run.task(other)
        if other == task_id or work is None or work.commit is None or task.resolves is not None or task.choice_of:
            continue
        how = ("diff-tree", "-r", "--name-only", "--no-renames", "-z")
        changed = frozenset(git.run(*how, work.base, work.commit).fields)
        if changed & frozenset(conflict.files) and is_ancestor(git, work.commit, conflict.onto):
            found.append(other)
    return run.tasks.in_order(found)


def _diff(git: Git, base: str, commit: str, files: tuple[str, ...]) -> str:
    how = ("diff-tree", "-p", "--no-ext-diff", "--no-textconv", "--no-renames", base, commit, "--", *files)
    return git.run(*how).data.decode(errors="replace")
