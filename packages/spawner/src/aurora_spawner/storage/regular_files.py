"""Read files that an agent can reach: one replaced by a pipe would hold us up for ever, a device fill our memory."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path


class NotRegularError(OSError):
    """A folder, pipe or device stands where a file should."""


def open_regular(path: Path) -> BinaryIO:
    """Opens a regular file for reading.

    Raises:
        NotRegularError: It is something else.
        OSError: It is not there, or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # without a writer, a pipe would block
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        code, what = (errno.EISDIR, "is a folder") if stat.S_ISDIR(mode) else (errno.EINVAL, "is not a regular file")
        raise NotRegularError(code, what, str(path))
    return os.fdopen(descriptor, "rb")


def read_regular(path: Path, *, limit: int) -> bytes:
    """Returns the beginning of a regular file, at most `limit` bytes of it; raises as `open_regular`."""
    with open_regular(path) as file:
        return file.read(limit)
