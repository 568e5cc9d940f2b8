"""Read the bytes of a task file: a regular file of bounded size, in UTF-8."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from aurora_spawner.errors import TaskFileError

if TYPE_CHECKING:
    from pathlib import Path

SIZE_LIMIT_BYTES: Final = 1 << 20
BYTE_ORDER_MARK: Final = "\ufeff"


def read_text(path: Path) -> str:
    """Return a file's text as it is, byte order mark and line ends included.

    Raises:
        TaskFileError: It cannot be read, is no regular file, is too large, or holds something else than text.
    """
    content = task_file_bytes(path)
    if len(content) > SIZE_LIMIT_BYTES:
        raise TaskFileError(path, None, f"is larger than {SIZE_LIMIT_BYTES >> 20} MiB; is it a task file?")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TaskFileError(path, line, "is not UTF-8 text; save it as UTF-8") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise TaskFileError(path, line, "holds a NUL character; is it a text file?")
    return text


def task_file_bytes(path: Path) -> bytes:
    """Read a regular file, and one byte more than a task file may have at most.

    Raises:
        TaskFileError: The file cannot be read, or is not a regular file.
    """
    try:
        return _read_bounded(path)
    except OSError as error:
        raise TaskFileError(path, None, f"cannot be read: {error.strerror or error}") from error


def _read_bounded(path: Path) -> bytes:
    # Without O_NONBLOCK, opening a named pipe waits for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise TaskFileError(path, None, "cannot be read: Is a directory")
        if not stat.S_ISREG(mode):
            raise TaskFileError(path, None, "is not a regular file")
        return file.read(SIZE_LIMIT_BYTES + 1)
