"""Turns: one process at a time does what git, or two of us, cannot do at once."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from aurora_spawner.workspaces.errors import WorkspaceError, WorkspaceLockedError
from aurora_spawner.workspaces.git import TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TURN_WAIT_S: Final = 2 * TIMEOUT_S
"""Time for other processes to make or remove their worktrees of the same repository."""
_PAUSE_S: Final = 0.005


@contextmanager
def turn(lock: Path, *, shared: bool = False) -> Iterator[int]:
    """Holds a lock file; the kernel releases it however this process ends. Yields its descriptor.

    Args:
        shared: Together with others that share it.

    Raises:
        WorkspaceError: It cannot be opened, as on a full disk.
        WorkspaceLockedError: Others hold it longer than `TURN_WAIT_S`.
    """
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise WorkspaceError(lock, f"cannot be opened: {error.strerror}") from error
    with _held(descriptor, lock, fcntl.LOCK_SH if shared else fcntl.LOCK_EX):
        yield descriptor


@contextmanager
def turn_in(folder: Path) -> Iterator[int]:
    """Holds a folder that has to be there, as `turn` a file. Yields its descriptor.

    Raises:
        WorkspaceError: It cannot be opened, as it is gone.
        WorkspaceLockedError: Others hold it longer than `TURN_WAIT_S`.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise WorkspaceError(folder, f"cannot be opened: {error.strerror}") from error
    with _held(descriptor, folder, fcntl.LOCK_EX):
        yield descriptor


@contextmanager
def _held(descriptor: int, lock: Path, how: int) -> Iterator[None]:
    until = time.monotonic() + TURN_WAIT_S
    try:
        while not _locked(descriptor, how):
            if time.monotonic() > until:
                raise WorkspaceLockedError(lock, waited_s=TURN_WAIT_S)
            time.sleep(_PAUSE_S)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
