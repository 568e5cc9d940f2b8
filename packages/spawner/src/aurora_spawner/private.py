"""Make folders and files that only their owner can look into, whatever the umask."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

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

    A file of another user stays as it is. The file is never opened under its name: a process that closes a descriptor
    of a database loses every lock that its other connections hold on it, and the next connection that closes takes
    itself for the last one and removes the log that they write.
    """
    if path.exists() or path.is_symlink():
        if path.is_file() and path.stat().st_mode & 0o077:
            with suppress(PermissionError):
                path.chmod(PRIVATE_FILE)
        return
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    os.close(descriptor)
    try:
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        Path(draft).unlink()
