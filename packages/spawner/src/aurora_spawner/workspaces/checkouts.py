"""Checkouts of ours: which repository one belongs to, and settings under which git sees each change in it."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_spawner.storage.system_words import system_words
from aurora_spawner.workspaces.errors import ForeignWorktreeError, WorkspaceError
from aurora_spawner.workspaces.names import folder_of

if TYPE_CHECKING:
    from aurora_spawner.workspaces.git import Git


PROBE: Final = ".aurora-"
"""Begins the name of a folder in which the file system is tried out."""


def linked_git_dir(worktree: Path) -> Path:
    """Returns the part of the repository that belongs to a worktree.

    An agent may delete the `.git` file; git would then take the repository around the worktree for its own. Or it may
    make a repository of its own that claims the worktree: git would run that one's hooks, outside of any sandbox.

    Raises:
        ForeignWorktreeError: The worktree is gone, or it and its repository do not name each other.
    """
    link = worktree / ".git"
    _check_no_link(worktree)
    try:
        git_dir = worktree / _named(link).removeprefix("gitdir: ")
        back = git_dir / _named(git_dir / "gitdir")
        common = (git_dir / _named(git_dir / "commondir")).resolve()
    except OSError as error:
        if not worktree.is_dir():
            raise ForeignWorktreeError(worktree, "is gone; the task's commits are on its branch") from error
        problem = (
            f"is no worktree any more ({system_words(error)}); `git worktree repair` in the project can link it again"
        )
        raise ForeignWorktreeError(worktree, problem) from error
    if back.parent.resolve() != worktree.resolve():
        raise ForeignWorktreeError(worktree, f"names {git_dir} as its repository, which belongs to {back.parent}")
    git_dir = git_dir.resolve()
    # The folder of a repository's worktrees is called after that repository, and no agent can rename it.
    if worktree.parent.parent.name != folder_of(common) or git_dir.parent != common / "worktrees":
        raise ForeignWorktreeError(worktree, f"names {common} as its repository, which is not the project's")
    return git_dir


def relink(worktree: Path, repository: Git) -> bool:
    """Writes the `.git` file of a worktree again if an agent has removed or replaced it; returns whether it had.

    Args:
        repository: in the user's checkout.

    Raises:
        ForeignWorktreeError: The worktree is gone, or its repository does not know it.
    """
    _check_no_link(worktree)  # else the `.git` of what it names would be replaced
    try:
        linked_git_dir(worktree)
    except ForeignWorktreeError:
        own = _part_of(worktree, Path(repository.text("rev-parse", "--path-format=absolute", "--git-common-dir")))
        if own is None or not worktree.is_dir():
            raise
        link = worktree / ".git"
        try:
            if link.is_dir() and not link.is_symlink():
                shutil.rmtree(link)
            link.unlink(missing_ok=True)
            link.write_bytes(b"gitdir: " + os.fsencode(own) + b"\n")
        except OSError as error:
            raise ForeignWorktreeError(worktree, f"cannot be linked again ({system_words(error)})") from error
        return True
    return False


def _check_no_link(worktree: Path) -> None:
    if worktree.is_symlink():
        problem = f"is a link to {worktree.resolve()} now, and no worktree any more; remove the link"
        raise ForeignWorktreeError(worktree, problem)


def _part_of(worktree: Path, common: Path) -> Path | None:
    """Returns the part of a repository that belongs to a worktree; None if it has none."""
    for each in (common / "worktrees").glob("*/gitdir"):
        with suppress(OSError):
            if (each.parent / _named(each)).parent.resolve() == worktree.resolve():
                return each.parent
    return None


def _named(file: Path) -> str:
    return os.fsdecode(file.read_bytes()).rstrip("\n")


@cache
def exact_settings(folder: Path) -> tuple[str, ...]:
    """Returns settings under which git sees what the file system can hold, and keeps bytes as they are.

    The user's settings describe the user's checkout, which may be on another file system.

    Raises:
        WorkspaceError: The folder cannot be written to.
    """
    try:
        return _measured(folder)
    except OSError as error:
        raise WorkspaceError(folder, f"cannot be written to: {system_words(error)}") from error


def _measured(folder: Path) -> tuple[str, ...]:
    with tempfile.TemporaryDirectory(prefix=PROBE, dir=folder) as place:
        file = Path(place) / "file"
        file.touch(0o600)
        modes = []
        for mode in (0o700, 0o600):
            file.chmod(mode)
            modes.append(stat.S_IMODE(file.stat().st_mode))
        ignores_case = file.with_name("FILE").exists()
        try:
            file.with_name("link").symlink_to("file")
            links = True
        except OSError:
            links = False
    return (
        f"core.fileMode={_word(modes == [0o700, 0o600])}",
        f"core.symlinks={_word(links)}",
        f"core.ignoreCase={_word(ignores_case)}",
        "core.autocrlf=false",
        "core.logAllRefUpdates=true",
    )


def _word(answer: bool) -> str:
    return "true" if answer else "false"


def reveal(git: Git, *, index: Path | None = None) -> tuple[str, ...]:
    """Makes git look at each file again that an agent told it to leave alone, and that is there.

    Args:
        index: An index instead of the checkout's own.

    Returns:
        The files that are in conflict, some more than once.
    """
    environment = {} if index is None else {"GIT_INDEX_FILE": str(index)}
    assumed, skipped, unmerged = [], [], []
    for entry in git.run("ls-files", "-v", "-z", environment=environment).fields:
        tag, name = entry[0], entry[2:]
        if tag.islower() and tag != "m":
            assumed.append(name)
        if tag in "sS" and os.path.lexists(git.folder / name):
            skipped.append(name)
        if tag in "mM":
            unmerged.append(name)
    for option, names in (("--no-assume-unchanged", assumed), ("--no-skip-worktree", skipped)):
        if names:
            paths = b"".join(os.fsencode(name) + b"\0" for name in names)
            git.run("update-index", option, "-z", "--stdin", stdin=paths, environment=environment)
    return tuple(unmerged)


def date_index(worktree: Path) -> None:
    """Gives an index that is newer than its files can be the time of the file system that they are on.

    Git takes a file for unchanged whose size and second are those in the index, unless the index was written in that
    second or before: then it reads the file. With the index on a disk whose clock is ahead of theirs, as that of a
    server may be, a change in the second of the checkout would not be seen, and would be lost.

    Raises:
        ForeignWorktreeError: The worktree is gone.
        WorkspaceError: It cannot be written to.
    """
    index, link = linked_git_dir(worktree) / "index", worktree / ".git"
    try:
        link.touch()
        now, written = link.stat(), index.stat()
        if now.st_mtime_ns < written.st_mtime_ns:
            os.utime(index, ns=(written.st_atime_ns, now.st_mtime_ns))
    except OSError as error:
        raise WorkspaceError(worktree, f"cannot be written to: {system_words(error)}") from error
