"""Replaces the text of a task file in one step; mode and symbolic links stay as they are."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from aurora_spawner.errors import TaskFileError


def replace_text(path: Path, content: str, *, problem: str) -> None:
    """Writes a new file beside it and renames it into place; a symbolic link stays a link.

    Args:
        problem: What did not happen, for the error.

    Raises:
        TaskFileError: It cannot be written.
    """
    target = Path(os.path.realpath(path))
    try:
        descriptor, draft = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content.encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())
            Path(draft).chmod(target.stat().st_mode & 0o7777)
            Path(draft).replace(target)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(draft).unlink()
            raise
    except OSError as error:
        raise TaskFileError(path, None, f"{problem}: {error.strerror or error}") from error
