"""Bounded reads of files that another program may have put there: regular files only, up to a limit."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["NotRegularError", "TooLargeError", "open_regular", "read_regular", "read_start"]

# A pipe without a writer must not block the reader.
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)


class NotRegularError(OSError):
    """The path is a folder, device, pipe or socket, and not a regular file."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(errno.EINVAL, "is not a regular file", str(path))


class TooLargeError(OSError):
    """The file is larger than its reader accepts.

    Attributes:
        limit: bytes.
    """

    def __init__(self, path: Path | str, limit: int) -> None:
        self.limit = limit
        super().__init__(errno.EFBIG, f"is larger than {limit} bytes", str(path))


def open_regular(path: Path | str, *, follow: bool = True) -> int:
    """Opens a regular file for reading; the caller closes the descriptor.

    Args:
        follow: follow a link at the path; without it, a link raises OSError.

    Raises:
        NotRegularError: the path is something else, such as a pipe or a device.
        OSError: the file cannot be opened.
    """
    try:
        descriptor = os.open(path, _FLAGS if follow else _FLAGS | _NO_LINK)
    except ValueError as error:  # a NUL in the name
        raise OSError(errno.EINVAL, "is not a valid file name", str(path)) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotRegularError(path)
    return descriptor


def read_regular(path: Path | str, limit: int, *, follow: bool = True) -> bytes:
    """Reads a regular file of at most `limit` bytes.

    Raises:
        NotRegularError: the path is something else, such as a pipe or a device.
        TooLargeError: the file is larger than `limit`.
        OSError: the file cannot be read.
    """
    with open(open_regular(path, follow=follow), "rb") as opened:
        content = opened.read(limit + 1)
    if len(content) > limit:
        raise TooLargeError(path, limit)
    return content


def read_start(path: Path | str, most: int) -> bytes:
    """Returns at most the first `most` bytes of a regular file that is not a link; errors as of `open_regular`."""
    with open(open_regular(path, follow=False), "rb") as opened:
        return opened.read(most)
