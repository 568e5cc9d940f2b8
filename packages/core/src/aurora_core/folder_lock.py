"""The lock of a folder: one process at a time changes what is in it, and the end of that process frees it."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["folder_locked"]

_LOOK_S: Final = 0.02
"""The time between two tries of a wait that has a limit."""


@contextmanager
def folder_locked(folder: Path, *, patience_s: float | None = None) -> Iterator[None]:
    """Waits for the lock of a folder, and holds it.

    Args:
        patience_s: The longest wait; None for one without a limit.

    Raises:
        TimeoutError: Another process has held the lock for all of that time.
        OSError: The folder is not there, or cannot be opened.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if patience_s is None:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        else:
            _lock_within(descriptor, patience_s)
        yield
    finally:
        os.close(descriptor)


def _lock_within(descriptor: int, patience_s: float) -> None:
    until = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= until:
                raise TimeoutError(f"another process has held its lock for {patience_s:g} s") from error
            time.sleep(_LOOK_S)
        else:
            return
