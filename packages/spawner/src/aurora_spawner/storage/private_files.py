"""Private folders and files: only their owner can read them, whatever the umask."""

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
    """Creates a folder that only its owner can read, and its missing parents, whatever the umask.

    An existing folder keeps its permissions, because it may serve others; an existing `.aurora` is made private.
    """
    if folder.name == _OURS and folder.is_dir() and not folder.is_symlink():
        restrict_to_owner(folder, PRIVATE_FOLDER)
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        with suppress(FileExistsError):
            each.mkdir(mode=PRIVATE_FOLDER)
            each.chmod(PRIVATE_FOLDER)


def make_private_file(path: Path) -> None:
    """Creates a file that only its owner can read, whatever the umask; makes an existing file private.

    A file of another user stays unchanged. A process that closes a descriptor of a database loses all locks that its
    connections hold on it, so no thread may connect between the two system calls that create the file.
    """
    with _making, suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE))
    if path.is_file():
        restrict_to_owner(path)


def restrict_to_owner(path: Path, mode: int = PRIVATE_FILE) -> None:
    """Takes the permissions that `mode` lacks from a file or folder; one of another user stays unchanged.

    Raises:
        FileNotFoundError: It is not there.
    """
    if path.stat().st_mode & 0o777 & ~mode:
        with suppress(PermissionError):
            path.chmod(mode)
