"""The worktrees of all runs of a repository: the state of each, and why it must stay."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import list_runs, load_attempts, load_tasks
from aurora_spawner.runs.leftovers import find_leftovers, living_runs
from aurora_spawner.tasks.work import is_branch_of_run
from aurora_spawner.workspaces.attic import list_attic
from aurora_spawner.workspaces.errors import ForeignWorktreeError, WorkspaceError
from aurora_spawner.workspaces.git import Git
from aurora_spawner.workspaces.merging import is_ancestor
from aurora_spawner.workspaces.names import slug
from aurora_spawner.workspaces.ours import disk_use, find_ours
from aurora_spawner.workspaces.supported import first_of
from aurora_spawner.workspaces.unsaved import Unsaved, unsaved
from aurora_spawner.workspaces.worktrees import Workspaces

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aurora_spawner.journal.views import RunRow, TaskRow
    from aurora_spawner.workspaces.attic import AtticEntry
    from aurora_spawner.workspaces.isolation import Isolation
    from aurora_spawner.workspaces.ours import Ours


class WorktreeState(StrEnum):
    """The state of a worktree."""

    RUNNING = "running"
    """A process works on its run, or its agent still runs."""
    UNCOMMITTED = "uncommitted files"
    UNMERGED = "unmerged"
    """Its commits are on neither the target nor the attic."""
    MERGED = "merged"
    """The target has its commits."""
    UNCHANGED = "unchanged"
    """It has no commits of its own."""
    DISCARDED = "discarded"
    """The attic has its commits."""
    GONE = "gone"
    """Its folder was removed; its branch or git's entry is left."""
    CHECK = "check"
    """The checkout of a check that was killed; it holds no work."""
    BROKEN = "broken"
    """Its folder and the repository do not know each other any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorktreeStatus:
    """A worktree of ours, or what is left of it."""

    ours: Ours
    task_id: str
    """Its slug if the journal does not have the run."""
    state: WorktreeState
    size: int
    """Bytes on the disk."""
    keep: str | None
    """The reason for which it must stay; None if a clean-up removes it."""


def list_worktrees(
    journal: Path, repository: Path, *, ignored_too: bool = False, state_dir: Path | None = None
) -> list[WorktreeStatus]:
    """Returns the worktrees of all runs of a repository, those of crashed and of forgotten runs included.

    Args:
        journal: Need not exist.
        repository: A folder in the user's checkout.
        ignored_too: Files that `.gitignore` hides are no reason to keep a worktree.
        state_dir: The user's folder, by which the runs of other projects in the repository are known while they run.

    Raises:
        WorkspaceError: The folder is in no git repository, or git failed.
        JournalError: The journal cannot be read.
        AttemptRecordError: A note of a run cannot be read.
    """
    survey = Survey.of(journal, Git.of_checkout(repository), state_dir=state_dir)
    return [survey.status(each, ignored_too=ignored_too) for each in survey.ours]


@dataclass(frozen=True)
class Survey:
    """One look at the worktrees of a repository, and at the runs that they belong to."""

    git: Git
    runs: Mapping[str, KnownRun]
    ours: tuple[Ours, ...]
    running: frozenset[str] = frozenset()
    """Runs that a process works on, or whose agents still run, by the notes of their coordinators; those of other
    projects in the repository included, whose journals are not read."""
    opened: dict[tuple[str, Path], Workspaces] = field(default_factory=dict)

    @classmethod
    def of(cls, journal: Path, git: Git, *, state_dir: Path | None = None) -> Survey:
        """Reads the journal and the repository; arguments and errors as `list_worktrees`."""
        runs = known_runs(journal)
        folders = [row.worktree for run in runs.values() for row in run.rows.values() if row.worktree is not None]
        beginnings = {run_id: run.isolation.branches for run_id, run in runs.items()}
        ours = tuple(find_ours(git, runs=beginnings, folders=folders))
        return cls(git, runs, ours, running=_running(state_dir))

    @cached_property
    def _attic(self) -> tuple[AtticEntry, ...]:
        return tuple(list_attic(self.git))

    def _is_discarded(self, ours: Ours, commit: str) -> bool:
        """Returns True if the attic has a commit as a head of this branch: what an agent lost is no decision."""
        return any(entry.commit == commit and entry.is_of(ours.branch) for entry in self._attic)

    def status(self, ours: Ours, *, ignored_too: bool) -> WorktreeStatus:
        """Returns the state of one, and why it must stay."""
        run = self.runs.get(ours.run_id)
        row = run.rows.get(ours.name) if run else None
        state, keep = self._state(ours, run, row, ignored_too=ignored_too)
        return WorktreeStatus(
            ours=ours,
            task_id=row.task_id if row else ours.name,
            state=state,
            size=disk_use(ours.path) if ours.path is not None and ours.there else 0,
            keep=keep,
        )

    def _state(
        self, ours: Ours, run: KnownRun | None, row: TaskRow | None, *, ignored_too: bool
    ) -> tuple[WorktreeState, str | None]:
        held = run is not None and (run.is_held or (row is not None and row.task_id in run.busy))
        if held or (run is None and ours.run_id in self.running):
            return WorktreeState.RUNNING, "a process works on its run, or its agent still runs"
        if ours.is_check:
            return WorktreeState.CHECK, None
        state, keep = self._of_commits(ours, run)
        if row and not row.state.settled:
            keep = keep or f"its task has not ended; resume the run: aur resume {ours.run_id}"
        if ours.locked_by_others:
            keep = f"another program has locked it: {ours.listed.lock if ours.listed else ''}"
        if ours.is_integration:
            return state, keep
        if not ours.there:
            return WorktreeState.GONE, keep
        return self._of_files(ours, state, keep, ignored_too=ignored_too)

    def _of_commits(self, ours: Ours, run: KnownRun | None) -> tuple[WorktreeState, str | None]:
        """Returns the state by the commits alone."""
        own = ours.commits - {ours.base}  # which may be a snapshot, or a merge of other tasks' work, on no branch
        unheld = [commit for commit in own if not self._is_delivered(commit, run)]
        if not unheld:
            return WorktreeState.MERGED if own else WorktreeState.UNCHANGED, None
        if all(self._is_discarded(ours, commit) for commit in unheld):
            return WorktreeState.DISCARDED, None
        target = f"on {run.isolation.target}" if run and run.isolation.target else "on a branch of yours"
        then = f"; merge them: aur merge {ours.run_id}" if run else ""
        return WorktreeState.UNMERGED, f"its commits on {ours.branch} are not {target}{then}"

    def _is_delivered(self, commit: str, run: KnownRun | None) -> bool:
        """Returns True if the target has a commit; without a known target, if any branch that is not ours has it."""
        target = run.isolation.target if run else None
        if target is not None:
            there = self.git.commit_of(f"refs/heads/{target}")
            return bool(there) and is_ancestor(self.git, commit, there)
        holders = self.git.text("for-each-ref", "--contains", commit, "--format=%(refname)", "refs/heads/")
        return any(not is_branch_of_run(holder.removeprefix("refs/heads/")) for holder in holders.splitlines())

    def _of_files(
        self, ours: Ours, state: WorktreeState, keep: str | None, *, ignored_too: bool
    ) -> tuple[WorktreeState, str | None]:
        try:
            found = self._unsaved(ours)
        except ForeignWorktreeError as error:
            return WorktreeState.BROKEN, f"it {error.problem}; look at its files before you delete it"
        except WorkspaceError as error:
            return state, f"git cannot look at it: {error}"
        if found.changed:
            return WorktreeState.UNCOMMITTED, f"it holds uncommitted files: {first_of(found.changed)}"
        if found.ignored and not ignored_too:
            keep = keep or f"it holds ignored files, which --ignored removes: {first_of(found.ignored)}"
        return state, keep

    def _unsaved(self, ours: Ours) -> Unsaved:
        """Returns the files of a worktree that no commit has.

        Raises:
            ForeignWorktreeError: It is no worktree of this repository any more.
            WorkspaceError: Git failed, or does not tell all of such a repository.
        """
        path = ours.path
        if path is None or ours.listed is None:
            raise ForeignWorktreeError(path or self.git.folder, "is not listed by git any more")
        self.workspaces(ours, path)  # it refuses a repository of which git does not tell all
        return unsaved(ours.worktree(path).git)

    def workspaces(self, ours: Ours, path: Path) -> Workspaces:
        """Returns the worktrees of the run that one belongs to; opened once for each run.

        Raises:
            WorkspaceError: The repository is one that worktrees cannot be made of.
        """
        key = (ours.run_id, path.parents[2])
        if key not in self.opened:
            self.opened[key] = Workspaces(self.git.folder, home=path.parents[2], run_id=ours.run_id)
        return self.opened[key]


def _running(state_dir: Path | None) -> frozenset[str]:
    if state_dir is None:
        return frozenset()
    return living_runs(state_dir) | {left.run_id for left in find_leftovers(state_dir)}


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRun:
    """A run with worktrees that the journal has."""

    run: RunRow
    isolation: Isolation
    rows: Mapping[str, TaskRow]
    """By slug."""
    busy: frozenset[str]
    """Tasks whose agents run, with or without a coordinator."""

    @property
    def is_held(self) -> bool:
        """True if a living process works on it."""
        return self.run.holder is not None and self.run.holder.alive()


def known_runs(journal: Path) -> dict[str, KnownRun]:
    """Returns the runs with worktrees, by name; none if there is no journal.

    Raises:
        JournalError: The journal cannot be read.
    """
    if not journal.exists():
        return {}
    with Journal(journal) as store:
        found = [_known_run(store, run) for run in list_runs(store)]
    return {known.run.run_id: known for known in found if known is not None}


def _known_run(store: Journal, run: RunRow) -> KnownRun | None:
    isolation = run.options.isolation if run.options else None
    if isolation is None:
        return None
    attempts = load_attempts(store, run.run_id, open_only=True)
    running = {each.task_id for each in attempts if each.supervisor and each.supervisor.alive()}
    rows = {slug(row.task_id): row for row in load_tasks(store, run.run_id)}
    return KnownRun(run=run, isolation=isolation, rows=rows, busy=frozenset(running))


def work_left(store: Journal, run: RunRow) -> str | None:
    """Returns why a run must not be forgotten: what is left of its work in the repository; None if nothing is."""
    known = _known_run(store, run)
    if known is None:
        return None
    folders = [row.worktree for row in known.rows.values() if row.worktree is not None and row.worktree.is_dir()]
    try:
        git = Git.of_checkout(known.isolation.repository)
        left = find_ours(git, runs={run.run_id: known.isolation.branches}, folders=folders)
        survey = Survey(git, {run.run_id: known}, tuple(each for each in left if each.run_id == run.run_id))
        statuses = [survey.status(each, ignored_too=True) for each in survey.ours]
    except WorkspaceError as error:  # the repository is gone: what is left of the work is in the folders
        return (
            f"its worktrees are still in {folders[0].parent}, and git cannot be asked: {error}" if folders else None
        )
    unmerged = [each for each in statuses if each.keep is not None]
    if unmerged:
        return f"{unmerged[0].task_id}: {unmerged[0].keep}"
    return "its worktrees are still there; remove them first: aur worktrees clean" if statuses else None
