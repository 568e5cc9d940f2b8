"""The work of a task that the user does not want: moved to the attic, its worktree removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_spawner.control.file_claims import built_on
from aurora_spawner.control.run_work import is_on_target
from aurora_spawner.control.work_changes import held_run
from aurora_spawner.errors import NoWorkError
from aurora_spawner.journal.entries import entry_of
from aurora_spawner.journal.work_facts import WorkDiscarded
from aurora_spawner.tasks.work import MergeOutcome, TaskMerge
from aurora_spawner.workspaces.attic import AtticEntry, list_attic
from aurora_spawner.workspaces.merging import is_ancestor
from aurora_spawner.workspaces.put_away import check_out_keeping_files, commits_to_keep, put_commit

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner.control.work_changes import HeldRun
    from aurora_spawner.journal.views import TaskRow
    from aurora_spawner.workspaces.git import Git


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscardReport:
    """The discarded work of one task."""

    kept: AtticEntry
    """The head of the work, with the files that were not committed."""
    lost: tuple[AtticEntry, ...]
    """Other heads that the agent had made and left."""
    part_of: tuple[str, ...]
    """Tasks that stand on this one, so that their work contains it."""
    was_work: bool
    """False if the task had changed nothing."""


def discard_work(journal: Path, run_id: str, task_id: str) -> DiscardReport:
    """Moves the work of a task to the attic and removes its worktree; a second call goes on where one was killed.

    Files that `.gitignore` hides are not kept. An integration branch that has the work goes to the attic, too; the
    next merge makes it again without it.

    Raises:
        UnknownRunError, UnknownTaskError: There is no such run, or it has no such task.
        NoWorkError: The task has no branch, the target has its work, or its agent still runs.
        RunHeldError: Another process works on the run.
        WorkspaceError: The worktree holds what no commit can hold, or git failed.
    """
    with held_run(journal, run_id) as held:
        asked, row = task_id, held.row(held.row(task_id).worker)
        task_id = row.task_id
        _check_discardable(held, row)
        git = held.worktrees.workspaces.git
        branch = held.worktrees.branch_of(task_id)
        there = held.worktrees.path_of(task_id).exists()
        worktree = held.worktrees.find(task_id) if there else held.worktrees.gone(task_id, "")
        base = held.worktrees.workspaces.base_of(task_id)
        heads = commits_to_keep(git, worktree, there=there)
        earlier = [] if there else _earlier(git, row, heads)
        entries = earlier or [put_commit(git, branch, commit) for commit in heads]
        if not entries:
            raise NoWorkError(run_id, task_id, "its branch and its worktree are gone, so there is nothing to discard")
        merge = TaskMerge(
            task_id=task_id,
            branch=branch,
            commit=entries[0].commit,
            outcome=MergeOutcome.DISCARDED,
            attic=entries[0].ref,
        )
        for commit in heads:
            if commit != base:
                held.worktrees.leave_out(commit)
        held.append([entry_of(WorkDiscarded(merge=merge.to_json()), run_id=run_id, task_id=task_id)])
        if there:
            check_out_keeping_files(worktree, entries[0].commit)
        lost = held.worktrees.workspaces.remove(worktree, ignored_too=True)
        part_of = tuple(
            each.task_id for each in held.rows if asked in each.task.depends_on or built_on(git, each, [row])
        )
    others = (*entries[1:], *lost)
    was_work = bool(others) or entries[0].commit != base
    return DiscardReport(kept=entries[0], lost=others, part_of=part_of, was_work=was_work)


def _check_discardable(held: HeldRun, row: TaskRow) -> None:
    run_id, task_id = held.run.run_id, row.task_id
    if row.branch is None:
        raise NoWorkError(run_id, task_id, "it never had a worktree")
    if task_id in held.busy:
        raise NoWorkError(run_id, task_id, f"its agent still runs; end it first: aur cancel {run_id}/{task_id}")
    merge, isolation = row.merge, held.worktrees.isolation
    git = held.worktrees.workspaces.git
    if merge is not None and merge.outcome is MergeOutcome.MERGED and is_on_target(git, isolation, merge.commit):
        raise NoWorkError(run_id, task_id, f"its work is on {isolation.target} already; revert it there")


def _earlier(git: Git, row: TaskRow, heads: list[str]) -> list[AtticEntry]:
    """Returns where an earlier call, killed after it had removed the folder, has put these heads with all files."""
    ref = row.merge.attic if row.merge else None
    entries = [entry for entry in list_attic(git) if entry.ref == ref]
    return entries if all(is_ancestor(git, head, each.commit) for each in entries for head in heads) else []
