"""Folders and files that only their owner may read, whatever the umask says."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["private_folder", "write_private"]

FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600
_OTHERS: Final = 0o077


def private_folder(folder: Path) -> Path:
    """Makes a folder that only its owner can enter, and takes away what others may do in one that is there.

    Raises:
        OSError: It cannot be made.
    """
    try:
        folder.mkdir(mode=FOLDER_MODE, parents=True)
        made = True
    except FileExistsError:
        made = False
    if os.name == "posix" and (made or folder.stat().st_mode & _OTHERS):
        with suppress(PermissionError):  # somebody else's folder, which is theirs to close
            folder.chmod(FOLDER_MODE)
    return folder


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
