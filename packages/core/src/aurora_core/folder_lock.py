"""The lock of a folder: one process at a time changes what is in it, and the end of that process frees it."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["folder_locked"]


@contextmanager
def folder_locked(folder: Path) -> Iterator[None]:
    """Waits for the lock of a folder, and holds it.

    Raises:
        OSError: The folder is not there, or cannot be opened.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
