"""Make folders and files that only their owner can look into, whatever the umask."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE_FOLDER: Final = 0o700
PRIVATE_FILE: Final = 0o600


def make_private_folder(folder: Path) -> None:
    """Make a folder that only its owner can look into, and the missing ones above it, whatever the umask."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        with suppress(FileExistsError):
            each.mkdir(mode=PRIVATE_FOLDER)
            each.chmod(PRIVATE_FOLDER)


def make_private_file(path: Path) -> None:
    """Make a file that only its owner can read, whatever the umask; take it from others where it is there already.

    A file of another user stays as it is.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE)
    except FileExistsError:
        if path.is_file() and path.stat().st_mode & 0o077:
            with suppress(PermissionError):
                path.chmod(PRIVATE_FILE)
        return
    os.fchmod(descriptor, PRIVATE_FILE)
    os.close(descriptor)
