"""Folders and files that only their owner may read, whatever the umask says."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["create_private", "private_folder", "write_private"]

FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600
_OTHERS: Final = 0o077


def private_folder(folder: Path) -> Path:
    """Makes a folder that only its owner can enter, and takes away what others may do in one that is there.

    Folders above it that are made on the way are private, too.

    Raises:
        OSError: It cannot be made.
    """
    missing = [folder, *folder.parents]
    missing = missing[: next((at for at, each in enumerate(missing) if each.is_dir()), len(missing))]
    for each in reversed(missing):
        with suppress(FileExistsError):  # somebody else was faster
            each.mkdir(mode=FOLDER_MODE)
        _set_mode(each, FOLDER_MODE)
    if os.name == "posix" and folder.stat().st_mode & _OTHERS:
        _set_mode(folder, FOLDER_MODE)
    return folder


def _set_mode(folder: Path, mode: int) -> None:
    if os.name == "posix":
        with suppress(PermissionError):  # somebody else's folder, which is theirs to close
            folder.chmod(mode)


def create_private(path: Path, content: bytes) -> None:
    """Makes a file that only its owner can read; its folder must be there.

    Raises:
        FileExistsError: It is there already.
        OSError: It cannot be written; half a file may be left.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), FILE_MODE)
    with os.fdopen(handle, "wb") as file:
        if os.name == "posix":
            os.fchmod(file.fileno(), FILE_MODE)
        file.write(content)


def write_private(path: Path, content: bytes) -> None:
    """Replaces a file in one step by one that only its owner can read; its folder must be there.

    Raises:
        OSError: It cannot be written; what was there is as it was.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}", suffix=".new")
    try:
        with os.fdopen(handle, "wb") as file:
            if os.name == "posix":
                os.fchmod(file.fileno(), FILE_MODE)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
