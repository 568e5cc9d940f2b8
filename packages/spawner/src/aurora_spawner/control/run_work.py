"""The work of a run's tasks as the journal and git have it: branches, commits, and what became of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_spawner.tasks.candidates import untaken_candidates
from aurora_spawner.workspaces.errors import WorkspaceError
from aurora_spawner.workspaces.git import Git
from aurora_spawner.workspaces.merging import is_ancestor
from aurora_spawner.workspaces.names import BASES, INTEGRATION, base_ref_of, branch_of, slug

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from aurora_spawner.journal.views import RunRow, TaskRow
    from aurora_spawner.tasks.work import RunDelivery, TaskMerge, TaskWork
    from aurora_spawner.workspaces.isolation import Isolation


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOfTask:
    """The work of one task that has, or had, a worktree."""

    task_id: str
    branch: str
    """Without `refs/heads/`."""
    base: str | None
    """The commit that it started from; None if nothing remembers it."""
    work: TaskWork | None
    """None until the task has succeeded."""
    head: str | None
    """The present commit of the branch; None if the branch is gone."""
    worktree: Path | None
    """None if it is gone."""
    merge: TaskMerge | None
    """None until its work was merged."""
    is_untaken: bool = False
    """True for a candidate beside which another one was taken."""

    @property
    def went_on(self) -> bool:
        """True if the branch has other commits than the task's result, as after a person has worked on it."""
        return self.work is not None and self.head not in (None, self.work.head)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOfRun:
    """The work of a run whose tasks have worktrees."""

    branch: str
    """The integration branch, without `refs/heads/`."""
    commit: str | None
    """The present commit of that branch; None if the branch is gone, or was never made."""
    base: str
    target: str | None
    """The branch that the work is for; None if none was checked out when the run was made."""
    delivery: RunDelivery | None
    """None until the work was merged."""
    on_target: bool
    """True if the target now has everything that was merged."""
    tasks: Mapping[str, WorkOfTask]
    """By id; tasks that never had a worktree are left out."""
    trouble: str | None = None
    """The reason for which git could not be asked; then only the journal speaks."""


def work_of_run(run: RunRow, rows: Sequence[TaskRow]) -> WorkOfRun | None:
    """Returns the work of a run; None if its tasks have no worktrees. Nothing is written."""
    isolation = run.options.isolation if run.options else None
    if isolation is None:
        return None
    branch = branch_of(isolation.branches, run.run_id, INTEGRATION)
    refs: dict[str, str] = {}
    trouble, on_target = (
        None,
        run.delivery is not None and bool(run.delivery.outcome and run.delivery.outcome.arrived),
    )
    try:
        git = Git.of_checkout(isolation.repository)
        refs = refs_of_run(git, isolation, run.run_id)
        on_target = run.delivery is not None and is_on_target(git, isolation, run.delivery.commit)
    except WorkspaceError as error:
        trouble = str(error)
    results = {row.task_id: row.result for row in rows if row.result is not None}
    untaken = untaken_candidates({row.task_id: row.task for row in rows}, results)
    return WorkOfRun(
        branch=branch,
        commit=refs.get(f"refs/heads/{branch}"),
        base=isolation.base,
        target=isolation.target,
        delivery=run.delivery,
        on_target=on_target,
        tasks={
            row.task_id: _of_task(row, run.run_id, refs, is_untaken=row.task_id in untaken)
            for row in rows
            if row.branch is not None
        },
        trouble=trouble,
    )


def refs_of_run(git: Git, isolation: Isolation, run_id: str) -> dict[str, str]:
    """Returns the commits of a run's branches, and of the refs that remember the bases of its tasks, by full name.

    Raises:
        GitError: Git failed.
    """
    places = (f"refs/heads/{isolation.branches}{run_id}/", f"{BASES}/{run_id}/")
    listing = git.text("for-each-ref", "--format=%(objectname) %(refname)", *places)
    return {name: commit for commit, _, name in (line.partition(" ") for line in listing.splitlines())}


def is_on_target(git: Git, isolation: Isolation, commit: str) -> bool:
    """Returns True if the target branch of a run has a commit.

    Raises:
        GitError: Git failed.
    """
    target = git.commit_of(f"refs/heads/{isolation.target}") if isolation.target else ""
    known = git.run("cat-file", "-e", f"{commit}^{{commit}}", accepted=(0, 1, 128)).status == 0
    return bool(target) and known and is_ancestor(git, commit, target)


def _of_task(row: TaskRow, run_id: str, refs: Mapping[str, str], *, is_untaken: bool) -> WorkOfTask:
    work = row.result.work if row.result else None
    there = row.worktree is not None and row.worktree.is_dir()
    return WorkOfTask(
        task_id=row.task_id,
        branch=str(row.branch),
        base=work.base if work else refs.get(base_ref_of(run_id, slug(row.task_id))),
        work=work,
        head=refs.get(f"refs/heads/{row.branch}"),
        worktree=row.worktree if there else None,
        merge=None if is_untaken else row.merge,
        is_untaken=is_untaken,
    )
