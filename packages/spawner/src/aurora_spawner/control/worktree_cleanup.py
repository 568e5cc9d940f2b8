"""The clean-up of worktrees: of those whose work is on the target or in the attic, and that hold nothing else."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from aurora_spawner.control.worktrees import Survey
from aurora_spawner.workspaces.attic import KEEP_DAYS, sweep_attic
from aurora_spawner.workspaces.errors import WorkspaceError
from aurora_spawner.workspaces.git import Git
from aurora_spawner.workspaces.names import base_ref_of
from aurora_spawner.workspaces.ours import release_held, runs_that_hold
from aurora_spawner.workspaces.turns import turn_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_spawner.control.worktrees import WorktreeStatus
    from aurora_spawner.workspaces.attic import AtticEntry
    from aurora_spawner.workspaces.ours import Ours


@dataclass(frozen=True, slots=True, kw_only=True)
class WorktreeCleanup:
    """The result of a clean-up."""

    removed: tuple[WorktreeStatus, ...]
    """With a dry run, what would be removed."""
    kept: tuple[WorktreeStatus, ...]
    """Each with the reason in `keep`."""
    swept: tuple[AtticEntry, ...]
    """Discarded commits that are forgotten now; with a dry run, that would be."""


def clean_worktrees(
    journal: Path,
    repository: Path,
    *,
    ignored_too: bool = False,
    dry_run: bool = False,
    keep_days: float = KEEP_DAYS,
    state_dir: Path | None = None,
) -> WorktreeCleanup:
    """Removes worktrees and branches of ours that hold nothing that is not elsewhere, and old entries of the attic.

    Args:
        journal: Need not exist.
        repository: A folder in the user's checkout.
        ignored_too: Also remove worktrees with files that `.gitignore` hides.
        dry_run: Only say what would be removed.
        keep_days: The age at which discarded commits are forgotten.
        state_dir: The user's folder, by which the runs of other projects in the repository are known while they run.

    Raises:
        WorkspaceError: The folder is in no git repository, or git failed.
        WorkspaceLockedError: Another clean-up takes too long.
        JournalError: The journal cannot be read.
        AttemptRecordError: A note of a run cannot be read.
    """
    git = Git.of_checkout(repository)
    common = Path(git.text("rev-parse", "--path-format=absolute", "--git-common-dir"))
    with turn_in(common):  # one clean-up at a time: each tells what it has removed itself
        survey = Survey.of(journal, git, state_dir=state_dir)
        return _clean(survey, ignored_too=ignored_too, dry_run=dry_run, keep_days=keep_days)


def _clean(survey: Survey, *, ignored_too: bool, dry_run: bool, keep_days: float) -> WorktreeCleanup:
    removed: list[WorktreeStatus] = []
    kept: list[WorktreeStatus] = []
    for ours in survey.ours:
        status = survey.status(ours, ignored_too=ignored_too)
        if status.keep is None and not dry_run:
            try:
                _remove(survey, ours, ignored_too=ignored_too)
            except WorkspaceError as error:
                status = replace(status, keep=error.problem)
        (removed if status.keep is None else kept).append(status)
    if not dry_run:
        _release_held(survey, kept)
    swept = tuple(sweep_attic(survey.git, keep_days=keep_days, dry_run=dry_run))
    return WorktreeCleanup(removed=tuple(removed), kept=tuple(kept), swept=swept)


def _release_held(survey: Survey, kept: Sequence[WorktreeStatus]) -> None:
    """Lets go of the commits that a run had kept for its merge, if nothing of it is left and it cannot go on."""
    resumable = {name for name, known in survey.runs.items() if known.is_held or not known.run.state.settled}
    in_use = resumable | survey.running | {each.ours.run_id for each in kept}
    for run_id in runs_that_hold(survey.git) - in_use:
        release_held(survey.git, run_id)


def _remove(survey: Survey, ours: Ours, *, ignored_too: bool) -> None:
    """Removes one; what has changed since it was looked at keeps it.

    Raises:
        WorkspaceError: It holds work by now, or git failed.
    """
    if ours.listed is None or ours.path is None:
        _remove_refs(survey.git, ours)
        return
    if ours.is_check:
        survey.git.run("worktree", "remove", "--force", "--force", str(ours.path))
    else:
        survey.workspaces(ours, ours.path).remove(ours.worktree(ours.path), ignored_too=ignored_too)
    _remove_run_folder(ours.path.parent)


def _remove_run_folder(folder: Path) -> None:
    """Removes the folder of a run if its last worktree is gone."""
    with suppress(OSError):
        if all(path.suffix == ".lock" for path in folder.iterdir()):
            shutil.rmtree(folder)


def _remove_refs(git: Git, ours: Ours) -> None:
    """Removes the branch and the base of a worktree that is gone, unless one of them was moved meanwhile."""
    refs = {f"refs/heads/{ours.branch}": ours.head, base_ref_of(ours.run_id, ours.name): ours.base}
    lines = [f"delete {ref} {commit}\n" for ref, commit in refs.items() if commit]
    git.run("update-ref", "--stdin", stdin="".join(lines).encode())
