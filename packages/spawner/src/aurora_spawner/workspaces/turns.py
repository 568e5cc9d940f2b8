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
    try:
        wait_for(descriptor, lock, shared=shared)
        yield descriptor
    finally:
        os.close(descriptor)


def wait_for(descriptor: int, lock: Path, *, shared: bool = False) -> None:
    """Locks an open file or folder.

    Args:
        lock: Its path.
        shared: Together with others that share it.

    Raises:
        WorkspaceLockedError: Others hold it longer than `TURN_WAIT_S`.
    """
    until = time.monotonic() + TURN_WAIT_S
    while not _locked(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX):
        if time.monotonic() > until:
            raise WorkspaceLockedError(lock, waited_s=TURN_WAIT_S)
        time.sleep(_PAUSE_S)


def _locked(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
