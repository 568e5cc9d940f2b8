"""The merge of a run's work: onto its integration branch, to the target if wanted, then the worktrees go."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from aurora_spawner.tasks.result import TaskState
from aurora_spawner.tasks.work import Delivery, MergeOutcome, RunDelivery, RunMerge, TaskMerge
from aurora_spawner.workspaces.conflicts.resolution import resolved_by
from aurora_spawner.workspaces.delivery import files_in_the_way
from aurora_spawner.workspaces.errors import WorkspaceError
from aurora_spawner.workspaces.merge_queue import MergeQueue, Work
from aurora_spawner.workspaces.merging import is_ancestor
from aurora_spawner.workspaces.names import slug
from aurora_spawner.workspaces.starting_point import starting_point
from aurora_spawner.workspaces.unsaved import unsaved

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aurora_spawner.tasks.resolved import ResolvedFile
    from aurora_spawner.tasks.result import SpawnResult
    from aurora_spawner.tasks.work import TaskWork
    from aurora_spawner.workspaces.checks import CommandCheck
    from aurora_spawner.workspaces.conflicts.merger import ConflictMerger
    from aurora_spawner.workspaces.git import Git
    from aurora_spawner.workspaces.merge_queue import Check, Merged
    from aurora_spawner.workspaces.merging import TreeMerge
    from aurora_spawner.workspaces.run_worktrees import RunWorktrees
    from aurora_spawner.workspaces.worktrees import Worktree

    MayDeliver = Callable[[Mapping[str, TaskMerge]], str]
    """Returns why merged work may not be brought to its target; "" if it may."""

_AT_ONCE: Final = 4
"""Worktrees that are removed side by side."""

_NONE: Final[Mapping[str, str]] = MappingProxyType({})
_NONE_KNOWN: Final[Mapping[str, TaskMerge]] = MappingProxyType({})
_HOW_IT_WENT: Final = {
    TaskState.FAILED: "failed",
    TaskState.CANCELLED: "was cancelled",
    TaskState.SKIPPED: "was skipped",
}


def deliverable(_merged: Mapping[str, TaskMerge]) -> str:
    """Lets any work be delivered."""
    return ""


def merge_run(
    worktrees: RunWorktrees,
    works: Mapping[str, TaskWork],
    *,
    deliver: bool,
    agents: Mapping[str, str],
    check: CommandCheck | None = None,
    merger: ConflictMerger | None = None,
    resolutions: Mapping[str, str] = _NONE,
    known: Mapping[str, TaskMerge] = _NONE_KNOWN,
    checked: dict[str, Check] | None = None,
    stopped: Callable[[], bool] = lambda: False,
    may_deliver: MayDeliver = deliverable,
) -> RunMerge:
    """Merges the work of a run's tasks. What was merged before stays so; a second call goes on where one was killed.

    Args:
        works: Of the tasks that succeeded, in the order of the run.
        deliver: Bring the merged work to the target branch, and to the user's checkout if that is clean.
        agents: The agent of each task.
        check: Says if a commit is good; None takes everything that can be merged.
        merger: Merges two commits; git alone if None.
        resolutions: Tasks among them that have resolved a conflict, each with the task whose work conflicted; of
            several for one task the last counts.
        known: Earlier merges of the tasks; what resolved their files is told again.
        checked: Earlier answers of the check, by tree; those of this merge join them.
        stopped: Asked between two steps; True ends the merge, which a second call then completes.
        may_deliver: Called with the merged work before the target moves; a text keeps the target as it is, and says
            why.
    """
    git, isolation = worktrees.workspaces.git, worktrees.isolation
    changed = {task_id: work for task_id, work in works.items() if work.commit is not None}
    delivery = RunDelivery(branch=worktrees.integration, commit=isolation.base, target=isolation.target)
    merged: dict[str, TaskMerge] = {}
    try:
        finished = _finished(worktrees, changed, agents, resolutions)
        queue = MergeQueue(
            git=git,
            run_id=worktrees.workspaces.run_id,
            branches=isolation.branches,
            target=isolation.target or "",
            base=starting_point(worktrees, [work.commit for work in finished]),
            check=None if check is None else _careful(check, worktrees, stopped),
            own_files=isolation.own_files,
            merger=merger,
            checked={} if checked is None else checked,
        )
        if finished:  # else there would be a branch without anything on it
            _go_on(git, stopped)
            batch = queue.merge(finished)
            head = queue.head
            told = partial(_resolved, merger=merger, known=known, resolutions=resolutions, agents=agents)
            merged = {each.work.task_id: _task_merge(each, told(each, head)) for each in batch.merged}
            merged |= _resolvers(git, head, changed, resolutions)
            delivery = replace(delivery, commit=head, flaky=batch.flaky, base_fails=batch.base_fails)
        if isolation.target is not None and _any_merged(merged):
            _go_on(git, stopped)
            target = f"refs/heads/{isolation.target}"
            arrived = is_ancestor(git, queue.head, target)
            if not deliver:
                delivery = replace(delivery, outcome=Delivery.UP_TO_DATE if arrived else None)
            elif not arrived and files_in_the_way(git, target, queue.head, own_files=isolation.own_files):
                delivery = replace(delivery, outcome=Delivery.CHECKED_OUT)  # nobody is asked about what cannot be
            elif not arrived and (refusal := may_deliver(merged)):
                delivery = replace(delivery, outcome=Delivery.REFUSED, refusal=refusal)
            else:
                with worktrees.workspaces.delivering():
                    outcome = queue.deliver(update_checkout=True)
                delivery = replace(delivery, commit=queue.head, outcome=outcome)
        delivery = _with_target(delivery, queue.with_target)
    except WorkspaceError as error:
        delivery = replace(delivery, problem=str(error))
    return RunMerge(tasks=merged, delivery=replace(delivery, check_output=check.failure if check else ""))


def _resolved(
    merged: Merged,
    head: str,
    *,
    merger: ConflictMerger | None,
    known: Mapping[str, TaskMerge],
    resolutions: Mapping[str, str],
    agents: Mapping[str, str],
) -> tuple[ResolvedFile, ...]:
    """Returns what has merged the files of a work that git alone could not merge."""
    work = merged.work
    before = known.get(work.task_id)
    if merged.resolved or merged.outcome is not MergeOutcome.MERGED:
        found = merged.resolved
    else:
        found = before.resolved if before is not None and before.commit == work.commit else ()
    if merger is None or work.resolution is None or not is_ancestor(merger.git, work.resolution, head):
        return found
    by = [each for each, task_id in resolutions.items() if task_id == work.task_id][-1]
    return resolved_by(merger, work.resolution, f"{agents.get(by, 'an agent')} (task {by})")


def _resolvers(
    git: Git, head: str, works: Mapping[str, TaskWork], resolutions: Mapping[str, str]
) -> dict[str, TaskMerge]:
    """Returns the merges of tasks that have resolved a conflict, whose work is merged with that of others."""
    return {
        task_id: TaskMerge(
            task_id=task_id, branch=works[task_id].branch, commit=works[task_id].head, outcome=MergeOutcome.MERGED
        )
        for task_id in resolutions
        if task_id in works and is_ancestor(git, works[task_id].head, head)
    }


def _with_target(delivery: RunDelivery, merge: TreeMerge | None) -> RunDelivery:
    """Adds to a delivery what became of the target's new commits, if there were any."""
    if merge is None:
        return delivery
    return replace(delivery, files=merge.conflicts, files_problem=merge.problem, resolved=merge.resolved)


def _any_merged(merged: Mapping[str, TaskMerge]) -> bool:
    return any(each.outcome is MergeOutcome.MERGED for each in merged.values())


def remove_merged(worktrees: RunWorktrees, works: Mapping[str, TaskWork], merge: RunMerge) -> tuple[str, ...]:
    """Removes the worktrees of tasks that changed nothing, and of those whose work has arrived on the target.

    Only once the merge is in the journal: without the integration branch a second merge would begin anew.

    Returns:
        A sentence for each worktree or branch that stays although it could go.
    """
    arrived = merge.delivery.outcome is not None and merge.delivery.outcome.arrived
    merged = {each.task_id for each in merge.tasks.values() if arrived and each.outcome is MergeOutcome.MERGED}

    def remove(task_id: str) -> str:
        try:
            if worktrees.path_of(task_id).exists() or worktrees.has_refs(task_id):
                worktrees.workspaces.remove(worktrees.gone(task_id, works[task_id].base))
        except WorkspaceError as error:
            return f"the worktree of task {task_id} stays: {error}"
        return ""

    needless = [task_id for task_id, work in works.items() if work.commit is None or task_id in merged]
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        kept = [sentence for sentence in threads.map(remove, needless) if sentence]
    if arrived:
        kept += _remove_integration(worktrees, merge.delivery)
    return tuple(kept)


def left_behind(worktrees: RunWorktrees, results: Mapping[str, SpawnResult]) -> tuple[str, ...]:
    """Returns a sentence for each task that did not succeed and has left something in its worktree.

    Raises:
        GitError: Git failed.
    """
    names = {slug(task_id): task_id for task_id in results}
    sentences = []
    for worktree in worktrees.workspaces.existing():
        task_id = names.get(worktree.path.name, worktree.path.name)
        result = results.get(task_id)
        if (result is None or not result.success) and _holds_work(worktree):
            how = "is in the run no longer" if result is None else _HOW_IT_WENT[result.state]
            where = f"{worktree.path}, on the branch {worktree.branch}"
            sentences.append(f"the work of task {task_id}, which {how}, is in {where}; a retry continues from it")
    return tuple(sentences)


def _holds_work(worktree: Worktree) -> bool:
    try:
        return bool(unsaved(worktree.git)) or worktree.git.text("rev-parse", "HEAD") != worktree.base
    except WorkspaceError:
        return True  # nobody can look into it


def _go_on(git: Git, stopped: Callable[[], bool]) -> None:
    if stopped():
        raise WorkspaceError(git.folder, "the merge was interrupted; resume the run to complete it")


def _careful(
    check: Callable[[str], Check], worktrees: RunWorktrees, stopped: Callable[[], bool]
) -> Callable[[str], Check]:
    """Returns a check that can be stopped before it begins, and whose commits a `git gc` meanwhile does not take."""

    def asked(commit: str) -> Check:
        _go_on(worktrees.workspaces.git, stopped)
        worktrees.hold(commit)
        return check(commit)

    return asked


def _finished(
    worktrees: RunWorktrees, works: Mapping[str, TaskWork], agents: Mapping[str, str], resolutions: Mapping[str, str]
) -> list[Work]:
    """Returns the work with the heads of the tasks' branches, where they go on from it: a conflict was resolved."""
    git, heads = worktrees.workspaces.git, worktrees.heads()
    finished = []
    resolved = {task_id: works[by].head for by, task_id in resolutions.items() if by in works}
    for task_id, work in works.items():
        if task_id in resolutions:
            continue
        head, commit = heads.get(work.branch), str(work.commit)
        if head is not None and head != commit and is_ancestor(git, commit, head):
            commit = head
        finished.append(
            Work(
                task_id=task_id,
                commit=commit,
                branch=work.branch,
                agent=agents.get(task_id, ""),
                resolution=resolved.get(task_id),
            )
        )
    return finished


def _task_merge(merged: Merged, resolved: tuple[ResolvedFile, ...]) -> TaskMerge:
    return TaskMerge(
        task_id=merged.work.task_id,
        branch=merged.work.branch,
        commit=merged.work.commit,
        outcome=merged.outcome,
        files=merged.files,
        clashes_with=merged.clashes_with,
        resolved=resolved,
        problem=merged.problem,
    )


def _remove_integration(worktrees: RunWorktrees, delivery: RunDelivery) -> list[str]:
    """Removes the integration branch; the target has its commits."""
    try:
        worktrees.workspaces.git.run("update-ref", "-d", f"refs/heads/{delivery.branch}", delivery.commit)
    except WorkspaceError as error:
        return [f"the branch {delivery.branch} stays: {error}"]
    return []
