"""The isolation of a run: the repository and commit that its tasks start from, and where their work goes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from aurora_spawner.storage.stored_values import Reader, StoredValueError, path, read_fields, text
from aurora_spawner.tasks.work import BRANCHES, CommitId, commit_id, is_branch_of_run
from aurora_spawner.workspaces.errors import WorkspaceError

BranchPrefix = str
"""The beginning of the names of a run's branches, with a slash at its end."""


class MergeMode(StrEnum):
    """The treatment of finished work that is on the integration branch."""

    AUTO = "auto"
    """The target branch gets it, and the user's checkout if it is clean."""
    ASK = "ask"
    """It waits for the user."""
    NEVER = "never"
    """It stays on the integration branch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """Worktrees for the tasks of one run."""

    repository: Path
    """The user's checkout, its top folder."""
    folder: str
    """The folder in which agents work, relative to it; "." for itself."""
    home: Path
    """The folder for worktrees, outside the checkout."""
    base: CommitId
    """The commit that tasks without dependencies start from."""
    head: CommitId
    """The commit that was checked out; the parent of `base` if that holds uncommitted changes."""
    target: str | None
    """The branch that the work is for; None if none was checked out."""
    merge: MergeMode = MergeMode.ASK
    own_files: tuple[str, ...] = ()
    """Files of the checkout that Aurora writes itself, relative to it: a task file whose boxes are ticked."""
    resolver: str | None = None
    """The agent that resolves conflicts of finished work; None leaves that work on its branch."""
    resolver_instructions: str | None = None
    """The role and way of working of that agent; None for none."""
    branches: BranchPrefix = BRANCHES
    """Begins the names of the branches of the run; ends with a slash."""

    def __post_init__(self) -> None:
        for name in (self.folder, *self.own_files):
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise WorkspaceError(self.repository, f"{name!r} is not in it")

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        values = {**asdict(self), "merge": self.merge.value}
        return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}


def _branch_prefix(value: object) -> BranchPrefix:
    if not is_branch_of_run(f"{text(value)}run-{'0' * 13}/task"):
        raise StoredValueError(f"must begin names of branches, not {ascii(value)[:60]}")
    return text(value)


_READERS: Final[dict[str, Reader]] = {
    "MergeMode": MergeMode,
    "Path": path,
    "CommitId": commit_id,
    "BranchPrefix": _branch_prefix,
}


def isolation_from_json(stored: object) -> Isolation:
    """Returns the isolation that `Isolation.to_json` stored.

    Raises:
        StoredValueError: The value is no stored isolation.
    """
    return Isolation(**read_fields(Isolation, stored, _READERS))


def isolation_of(
    folder: Path, *, home: Path, merge: MergeMode, own_files: tuple[Path, ...] = ()
) -> tuple[Isolation, tuple[str, ...]]:
    """Reads what a run in a folder would start from; nothing is written.

    Args:
        folder: The folder in which agents would work without isolation.
        home: A folder for worktrees, outside the repository.
        own_files: Files that Aurora writes itself; those outside the repository do not matter.

    Returns:
        The isolation, and the files of the checkout with changes that no commit has, without those of `own_files`
        and without task files in which only boxes were ticked.

    Raises:
        WorkspaceError: The folder is in no repository, or in one that worktrees cannot be made of.
        GitError: Git failed.
    """
    # Only here: every look at a journal reads isolations, and needs neither git nor worktrees for that.
    from aurora_spawner.workspaces.bases import read_base
    from aurora_spawner.workspaces.ticked import ticked_files
    from aurora_spawner.workspaces.worktrees import Workspaces

    git = Workspaces(folder, home=home, run_id="plan").git
    base = read_base(git)
    top = git.folder.resolve()
    relative = folder.resolve().relative_to(top)
    if str(relative) != "." and not git.run("ls-tree", base.commit, "--", str(relative)).text:
        raise WorkspaceError(folder, "is not in the last commit, so a worktree would lack it; commit it first")
    written = [file.resolve() for file in own_files]
    isolation = Isolation(
        repository=git.folder,
        folder=str(relative),
        home=home,
        base=base.commit,
        head=base.head,
        target=base.branch,
        merge=merge,
        own_files=tuple(str(file.relative_to(top)) for file in written if file.is_relative_to(top)),
    )
    dirty = tuple(file for file in base.dirty if file not in isolation.own_files)
    ticked = ticked_files(git, dirty)
    return isolation, tuple(file for file in dirty if file not in ticked)


def with_snapshot(isolation: Isolation) -> Isolation:
    """Makes a commit of the uncommitted changes, on no branch; the checkout and its index stay untouched.

    Returns:
        The isolation with that commit as its base; it lacks what Aurora writes itself.

    Raises:
        WorkspaceError: A file has a conflict, or another commit or branch is checked out by now.
    """
    from aurora_spawner.workspaces.bases import read_base  # as above
    from aurora_spawner.workspaces.git import Git
    from aurora_spawner.workspaces.ticked import ticked_files

    git = Git(isolation.repository)
    ticked = ticked_files(git, read_base(git).dirty)
    base = read_base(git, include_dirty=True, without=(*isolation.own_files, *sorted(ticked)))
    if (base.head, base.branch) != (isolation.head, isolation.target):
        raise WorkspaceError(isolation.repository, "another commit or branch is checked out by now; start again")
    return replace(isolation, base=base.commit)
