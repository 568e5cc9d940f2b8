"""Copies and links files of the user's into a worktree; nothing outside the worktree is written."""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_spawner.workspaces.checkouts import PROBE
from aurora_spawner.workspaces.errors import WorkspaceError
from aurora_spawner.workspaces.manifest import plain_parent

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from aurora_spawner.workspaces.contents import Contents

_FICLONE: Final = 0x40049409
"""Makes a file share the blocks of another one until one of them is changed; only some file systems of Linux can."""
_PART_BYTES: Final = 1 << 20


def fill(top: Path, source: Path, contents: Contents, *, tracked: Collection[str]) -> list[str]:
    """Copies and links what a worktree gets; what an interrupted call has put there is put there again.

    Args:
        top: The worktree.
        source: The user's checkout.
        tracked: Those of the paths that the base commit of the worktree has, and so stay as they are.

    Returns:
        A sentence for each path that the worktree does not get.

    Raises:
        WorkspaceError: A file cannot be written, or the base has a link or file where a folder is needed.
    """
    notices = [f"{name} is part of the base commit, and stays as it is there" for name in sorted(tracked)]
    with tempfile.TemporaryDirectory(prefix=PROBE, dir=top.parent) as place:  # on the same file system
        new = Path(place) / "new"
        for name in (name for name in contents.copied if name not in tracked):
            with _named(top, name):
                if _copy(source, name, new):
                    new.replace(_made_parent(top, name) / Path(name).name)
                else:
                    notices.append(f"{name} is gone from {source}, or is no file any more, and is not copied")
        for name in (name for name in contents.linked if name not in tracked):
            with _named(top, name):
                new.symlink_to(source / name)
                new.replace(_made_parent(top, name) / Path(name).name)
    return notices


@contextmanager
def _named(top: Path, name: str) -> Iterator[None]:
    """Turns an error of the system into one that names the file."""
    try:
        yield
    except OSError as error:
        raise WorkspaceError(top, f"{name} cannot be put there: {error.strerror}") from error


def _made_parent(top: Path, name: str) -> Path:
    parent = plain_parent(top, name)
    if parent is not None:
        return parent
    folder = top
    for part in Path(name).parent.parts:
        folder /= part
        with suppress(FileExistsError):
            folder.mkdir()
        if not stat.S_ISDIR(folder.lstat().st_mode):
            where = folder.relative_to(top)
            raise WorkspaceError(top, f"{name} cannot be put there: {where} is no folder in the base commit")
    return folder


def _copy(source: Path, name: str, new: Path) -> bool:
    """Copies a file; returns False if it is none any more."""
    path = (source / name).resolve()  # a link in the checkout was found to lead to a file of the checkout
    if not path.is_relative_to(source):
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    with os.fdopen(descriptor, "rb") as old:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            return False
        with new.open("wb") as file:
            try:
                fcntl.ioctl(file.fileno(), _FICLONE, descriptor)
            except OSError:
                _copy_bytes(old.fileno(), file.fileno(), about.st_size)
        new.chmod(stat.S_IMODE(about.st_mode) & 0o777)
    return True


def _copy_bytes(old: int, new: int, size: int) -> None:
    """Copies what a file had when it was opened; one that grows meanwhile does not fill the disk."""
    while size > 0 and (part := os.read(old, min(size, _PART_BYTES))):
        size -= len(part)
        while part:
            part = part[os.write(new, part) :]


def clear(top: Path, names: Collection[str]) -> None:
    """Removes files and links from a worktree; folders stay, and so does what a link leads to."""
    for name in names:
        parent = plain_parent(top, name)
        if parent is not None:
            with suppress(OSError):  # a folder by now, or gone
                (parent / Path(name).name).unlink()
