"""Safe reads of files that an agent can replace: a pipe would block for ever, and a device would fill the memory."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path


class NotRegularError(OSError):
    """A folder, pipe or device is in the place of a file."""


def open_regular(path: Path) -> BinaryIO:
    """Opens a regular file for reading.

    Raises:
        NotRegularError: The path is a folder, pipe or device.
        OSError: The file does not exist or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # without a writer, a pipe would block
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        code, what = (errno.EISDIR, "is a folder") if stat.S_ISDIR(mode) else (errno.EINVAL, "is not a regular file")
        raise NotRegularError(code, what, str(path))
    return os.fdopen(descriptor, "rb")


def read_regular(path: Path, *, limit: int) -> bytes:
    """Returns at most the first `limit` bytes of a regular file; raises the errors of `open_regular`."""
    with open_regular(path) as file:
        return file.read(limit)
