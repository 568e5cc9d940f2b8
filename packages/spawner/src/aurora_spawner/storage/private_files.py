"""Make folders and files that only their owner can look into, whatever the umask."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE_FOLDER: Final = 0o700
PRIVATE_FILE: Final = 0o600
_OURS: Final = ".aurora"
_making: Final = threading.Lock()


def make_private_folder(folder: Path) -> None:
    """Makes a folder that only its owner can look into, and the missing ones above it, whatever the umask.

    One that is there stays as open as it is, unless it is an `.aurora`: any other may serve other people, too.
    """
    if folder.name == _OURS and folder.is_dir() and not folder.is_symlink():
        _take_from_others(folder, PRIVATE_FOLDER)
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        with suppress(FileExistsError):
            each.mkdir(mode=PRIVATE_FOLDER)
            each.chmod(PRIVATE_FOLDER)


def make_private_file(path: Path) -> None:
    """Makes a file that only its owner can read, whatever the umask; takes it from others where it is there already.

    A file of another user stays as it is. A process that closes a descriptor of a database gives up all locks that
    its connections hold on it, so that no thread may connect between the two system calls that make it.
    """
    with _making, suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE))
    if path.is_file():
        _take_from_others(path, PRIVATE_FILE)


def _take_from_others(path: Path, mode: int) -> None:
    if path.stat().st_mode & 0o777 & ~mode:
        with suppress(PermissionError):
            path.chmod(mode)
