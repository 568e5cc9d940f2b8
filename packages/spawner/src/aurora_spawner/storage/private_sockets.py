"""Local sockets that only their owner can use, in folders whose paths may be too long for a socket's address."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH_LIMIT: Final = 100
"""The most bytes that the path of a socket may have on every system."""
LONGEST_NAME: Final = "control.sock"
REQUEST_LIMIT_BYTES: Final = 64 << 10
"""The longest request that a coordinator takes at its socket."""
OPEN_FOLDERS: Final = Path("/proc/self/fd")
"""The folder in which Linux names every open folder by a number, however long its own path is."""


@contextmanager
def short_path(folder: Path) -> Iterator[Path]:
    """Yields the folder under a path that is short enough for a socket in it, while this is open.

    Raises:
        OSError: This system knows no other name for a folder whose path is too long.
    """
    if len(os.fsencode(folder / LONGEST_NAME)) <= PATH_LIMIT:
        yield folder
        return
    if not OPEN_FOLDERS.exists():
        raise OSError(errno.ENAMETOOLONG, "the path is too long for a socket")
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield OPEN_FOLDERS / str(handle)
    finally:
        os.close(handle)


def bound_socket(path: Path) -> socket.socket:
    """Returns a socket at a path, mode 0600; its folder is for the user alone before the socket exists.

    The umask would do it in one step, but it is the whole process's, other runs and threads included.
    """
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX)
    try:
        bound.bind(str(path))
        path.chmod(0o600)
    except OSError:
        bound.close()
        raise
    return bound
