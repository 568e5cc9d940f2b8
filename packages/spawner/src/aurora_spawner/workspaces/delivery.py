"""Updates of the user's checkout: to a newer commit of its branch, without a file that only the user has."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from aurora_spawner.storage.system_words import system_words
from aurora_spawner.workspaces.errors import GitError, OverwriteError, WorkspaceError
from aurora_spawner.workspaces.git import Git
from aurora_spawner.workspaces.listing import list_worktrees
from aurora_spawner.workspaces.ref_move import prepared_move
from aurora_spawner.workspaces.ticked import ticked_files
from aurora_spawner.workspaces.unfinished import operation_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


def checkouts_of(git: Git, ref: str) -> list[Path]:
    """Returns the checkouts of a branch, with those in which git rebases or bisects it."""
    return [
        each.path
        for each in list_worktrees(git)
        if (each.branch is not None and f"refs/heads/{each.branch}" == ref)
        or (each.branch is None and each.head is not None and _returns_to(each.path, ref))
    ]


def _returns_to(checkout: Path, ref: str) -> bool:
    """Returns True if an operation of git's in a checkout ends on a branch, and moves it."""
    if not checkout.is_dir():
        return False
    git_dir = Git.of_checkout(checkout).git_dir
    notes = ("rebase-merge/head-name", "rebase-apply/head-name", "BISECT_START")
    files = [git_dir / note for note in notes] if git_dir is not None else []
    return any(
        file.is_file() and file.read_text().strip() in (ref, ref.removeprefix("refs/heads/")) for file in files
    )


def fast_forward(checkout: Path, ref: str, old: str, new: str, *, own_files: Collection[str] = ()) -> bool:
    """Moves a checked out branch and the files from one commit to a newer one.

    Returns False if there is uncommitted work, or if another branch is checked out by now.

    Args:
        old: What the newer commit contains; a commit that the user adds meanwhile is not left behind.
        own_files: Files that Aurora writes itself, relative to the checkout. Their changes are no uncommitted work,
            and stay, unless the newer commit changes them too.

    Raises:
        OverwriteError: Ignored, untracked or hidden files stand where the commit has files; nothing changed.
        GitError: The branch is at another commit by now, or git failed, a hook of the user's before the move
            included.
    """
    git = Git.of_checkout(checkout)
    if git.branch() != ref or operation_in(git) is not None:
        return False
    files = tuple(dict.fromkeys(_overwritten(git, old, new)))
    if files:
        problem = (
            f"has files of yours where the work has some: {', '.join(files)}; move them away, then deliver again"
        )
        raise OverwriteError(checkout, problem, files=files)
    if blocking_files(git, old, new, own_files=own_files):
        return False
    # Else a file that was only touched counts as changed. With `-q`, git would not say that a lock is in the way.
    git.run("update-index", "--refresh", accepted=(0, 1))
    with prepared_move(git, ref, new=new, old=old) as move:
        if git.branch() != ref:
            return False  # the user has just switched to another branch, which must not get the work
        if not _is_begun_before(git, old, new):
            try:
                git.run("read-tree", "-m", "-u", old, new)
            except GitError:
                _put_back(git, old, new)
                raise
        move()
    with suppress(GitError):  # the work is delivered, whatever becomes of the hook, as after a merge by git itself
        git.run("hook", "run", "--ignore-missing", "post-merge", "--", "0", accepted=range(256))
    return True


def blocking_files(git: Git, old: str, new: str, *, own_files: Collection[str]) -> frozenset[str]:
    """Returns the tracked files whose uncommitted changes keep a checkout from being updated to a newer commit.

    Those of `own_files` and task files with new ticks alone do not, unless the newer commit changes them too.
    """
    question = ("status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=no")
    listing = git.run(*question, environment={"GIT_OPTIONAL_LOCKS": "0"})
    dirty = frozenset(entry[3:] for entry in listing.fields)
    if dirty and _is_begun_before(git, old, new):
        return frozenset()
    own = dirty & frozenset(own_files)
    own |= ticked_files(git, dirty - own)
    if own:
        own -= frozenset(git.run("diff-tree", "-r", "--name-only", "--no-renames", "-z", old, new).fields)
    return dirty - own


def files_in_the_way(git: Git, ref: str, new: str, *, own_files: Collection[str]) -> frozenset[str]:
    """Returns the files whose uncommitted changes in the only checkout of a branch keep it from being updated."""
    checkouts = checkouts_of(git, ref)
    if len(checkouts) != 1 or not checkouts[0].is_dir():
        return frozenset()
    return blocking_files(Git.of_checkout(checkouts[0]), ref, new, own_files=own_files)


def _is_begun_before(git: Git, old: str, new: str) -> bool:
    """Returns True if an update to a commit was killed after its files were written: the index has them already."""
    has_new, has_old = (git.succeeds("diff-index", "--cached", "--quiet", commit, "--") for commit in (new, old))
    return has_new and not has_old


def _put_back(git: Git, old: str, new: str) -> None:
    """Undoes what git has written before it failed, as on a full disk.

    Only files that git began to write: any other content is the user's, saved while git looked.
    """
    changes = git.run("diff-tree", "-r", "--name-status", "--no-renames", "-z", old, new).fields
    kinds = dict(zip(changes[1::2], changes[::2], strict=True))
    begun = [name for name, kind in kinds.items() if _is_begun(git, name, new if kind != "D" else None)]
    for name in (name for name in begun if kinds[name] == "A"):
        try:
            (git.folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise WorkspaceError(
                git.folder, f"has a half written {name}, which cannot be deleted: {system_words(error)}"
            ) from error
    there = b"".join(os.fsencode(name) + b"\0" for name in begun if kinds[name] != "A")
    git.run("checkout-index", "--force", "-z", "--stdin", stdin=there)


def _is_begun(git: Git, name: str, commit: str | None) -> bool:
    """Returns True if a file is gone, or holds the beginning of what a commit has; None for a deletion."""
    path = git.folder / name
    if not os.path.lexists(path):
        return True
    if commit is None or path.is_symlink() or not path.is_file():
        return False
    return git.run("cat-file", "blob", f"{commit}:{name}").data.startswith(path.read_bytes())


def _overwritten(git: Git, old: str, new: str) -> Iterator[str]:
    tags = {entry[2:]: entry[0] for entry in git.run("ls-files", "-v", "-z").fields}
    changes = git.run("diff-tree", "-r", "--name-status", "--no-renames", "-z", old, new).fields
    for kind, name in zip(changes[::2], changes[1::2], strict=True):
        if kind == "A":
            yield from _in_the_way(git.folder, name, tags.keys())
        elif (tags.get(name, "H").islower() or tags.get(name) == "S") and os.path.lexists(git.folder / name):
            yield name  # git was told to take it for unchanged


def _in_the_way(folder: Path, name: str, tracked: Collection[str]) -> Iterator[str]:
    """Yields the files that are not git's and would have to go for a new file."""
    path = folder / name
    above = [parent for parent in reversed(path.relative_to(folder).parents) if parent != Path()]
    for each in (*above, Path(name)):
        there = folder / each
        if not os.path.lexists(there):
            return
        if there.is_symlink() or not there.is_dir():
            if str(each) not in tracked:
                yield str(each)
            return
    for place, _, files in os.walk(path):
        for file in files:
            inside = str((Path(place) / file).relative_to(folder))
            if inside not in tracked:
                yield inside
