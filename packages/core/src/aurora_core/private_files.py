"""Files and folders that only their owner can read, whatever the umask is."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["PRIVATE_FILE", "PRIVATE_FOLDER", "create_private", "make_private", "private_folder", "write_private"]

PRIVATE_FOLDER: Final = 0o700
PRIVATE_FILE: Final = 0o600
_OURS: Final = ".aurora"


def private_folder(folder: Path) -> Path:
    """Creates a folder that only its owner can enter, and missing parent folders.

    An existing folder keeps its mode, unless it is named `.aurora`: another folder may be shared on purpose.

    Raises:
        OSError: It cannot be made.
    """
    missing = [folder, *folder.parents]
    missing = missing[: next((at for at, each in enumerate(missing) if each.is_dir()), len(missing))]
    for each in reversed(missing):
        with suppress(FileExistsError):  # another process was faster
            each.mkdir(mode=PRIVATE_FOLDER)
            each.chmod(PRIVATE_FOLDER)  # the umask may have taken the owner's rights, too
    if folder.name == _OURS:
        make_private(folder, PRIVATE_FOLDER)
    return folder


def make_private(path: Path, mode: int) -> None:
    """Removes the rights of group and others from a file or folder that the user owns."""
    if not hasattr(os, "geteuid"):
        return
    there = path.lstat()
    allowed = there.st_mode & (mode | ~0o777) & 0o7777
    if there.st_uid == os.geteuid() and stat.S_IMODE(there.st_mode) != allowed and not stat.S_ISLNK(there.st_mode):
        path.chmod(allowed)


def create_private(path: Path, content: bytes) -> None:
    """Creates a file that only its owner can read; its folder must exist.

    Raises:
        FileExistsError: It is there already.
        OSError: It cannot be written; half a file may be left.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), PRIVATE_FILE)
    with os.fdopen(handle, "wb") as file:
        if os.name == "posix":
            os.fchmod(file.fileno(), PRIVATE_FILE)
        file.write(content)


def write_private(path: Path, content: bytes, *, mode: int = PRIVATE_FILE) -> None:
    """Replaces a file atomically by a file that only its owner can read; its folder must exist.

    Args:
        mode: of the new file, if others may read it.

    Raises:
        OSError: It cannot be written; what was there is as it was.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}", suffix=".new")
    try:
        with os.fdopen(handle, "wb") as file:
            if os.name == "posix":
                os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
