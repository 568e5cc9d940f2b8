"""The content of a task file: a regular file of bounded size, in UTF-8."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_spawner.errors import TaskFileError
from aurora_spawner.storage.regular_files import NotRegularError, read_regular

if TYPE_CHECKING:
    from pathlib import Path

SIZE_LIMIT_BYTES: Final = 1 << 20
BYTE_ORDER_MARK: Final = "\ufeff"


def read_text(path: Path) -> str:
    """Returns a file's unchanged text, byte order mark and line ends included.

    Raises:
        TaskFileError: The file cannot be read, is not a regular file, is too large, or is not text.
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
        raise TaskFileError(path, line, "contains a NUL character; is it a text file?")
    return text


def task_file_bytes(path: Path) -> bytes:
    """Returns a regular file's content, at most one byte more than a task file may have.

    Raises:
        TaskFileError: The file cannot be read, or is not a regular file.
    """
    try:
        return read_regular(path, limit=SIZE_LIMIT_BYTES + 1)
    except NotRegularError as error:
        raise TaskFileError(path, None, str(error.strerror)) from None
    except OSError as error:
        raise TaskFileError(path, None, f"cannot be read: {error.strerror or error}") from error
