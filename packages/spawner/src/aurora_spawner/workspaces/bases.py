"""Bases of tasks: a commit, with the user's uncommitted changes if asked."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_spawner.workspaces.errors import WorkspaceError
from aurora_spawner.workspaces.git import GITLINK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aurora_spawner.workspaces.git import Git

SNAPSHOT_MESSAGE: Final = "Snapshot of uncommitted changes\n\nMade by Aurora for the tasks of a run.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The commit that tasks start from."""

    commit: str
    branch: str | None
    """The branch that was checked out, without `refs/heads/`; None if none was."""
    head: str
    """The commit that was checked out; the parent of a snapshot."""
    dirty: tuple[str, ...] = ()
    """Files with uncommitted changes, untracked ones included."""


def read_base(git: Git, *, include_dirty: bool = False, without: Sequence[str] = ()) -> Base:
    """Reads what a checkout stands on; the checkout and its index stay untouched.

    Args:
        include_dirty: Put the uncommitted changes into a commit of their own, on no branch.
        without: Files whose changes that commit lacks.

    Raises:
        WorkspaceError: The repository has no commit yet, a file with a conflict, or another repository inside it
            that the commit could not hold.
        GitError: Git failed.
    """
    head = git.commit_of("HEAD")
    if not head:
        problem = "nothing is checked out, there is no commit yet; make one, or use --isolation none"
        raise WorkspaceError(git.folder, problem)
    name = git.run("symbolic-ref", "--quiet", "--short", "HEAD", accepted=(0, 1)).text
    dirty = _dirty_files(git)
    commit = _snapshot(git, head, without) if include_dirty and dirty else head
    return Base(commit=commit, branch=name or None, head=head, dirty=dirty)


def _dirty_files(git: Git) -> tuple[str, ...]:
    question = ("status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all")
    listing = git.run(*question, environment={"GIT_OPTIONAL_LOCKS": "0"})  # the user's index is not refreshed either
    return tuple(entry[3:] for entry in listing.fields)


def _snapshot(git: Git, head: str, without: Sequence[str]) -> str:
    """Commits the files as they are, through an index of its own.

    A copy of the user's index knows which files are unchanged, so git reads only the others.
    """
    if git.run("ls-files", "--unmerged", "-z").fields:
        raise WorkspaceError(git.folder, "files have conflicts; resolve them, or leave the uncommitted changes out")
    own = Path(git.text("rev-parse", "--path-format=absolute", "--git-path", "index"))
    with tempfile.TemporaryDirectory(prefix="aurora-index-") as folder:
        copy = Path(folder) / "index"
        if own.exists():
            shutil.copy2(own, copy)  # with its time, by which git knows which files may have changed unseen
        index = {"GIT_INDEX_FILE": str(copy)}
        git.run("add", "--all", "--sparse", environment=index)
        if without:
            git.run("reset", "--quiet", head, "--", *without, environment=index)
        _check_embedded(git, head, index)
        tree = git.text("write-tree", environment=index)
    identity = git.identity()
    return git.run(
        "commit-tree", tree, "-p", head, "-F", "-", stdin=SNAPSHOT_MESSAGE.encode(), environment=identity
    ).text


def _check_embedded(git: Git, head: str, index: Mapping[str, str]) -> None:
    staged = git.run("diff-index", "--cached", "--raw", "--no-renames", "-z", head, "--", environment=index).fields
    embedded = [name for entry, name in zip(staged[::2], staged[1::2], strict=True) if entry.split()[1] == GITLINK]
    if embedded:
        problem = (
            f"{embedded[0]} is a git repository of its own, which a snapshot cannot hold; ignore it or move it away"
        )
        raise WorkspaceError(git.folder, problem)
