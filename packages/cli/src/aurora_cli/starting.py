"""One start after the other: two starts of one task file at the same moment must not both run it."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from aurora_cli.errors import StartingElsewhereError, TaskFileAtWorkError, TaskFileChangedError
from aurora_cli.output import note
from aurora_cli.resuming import runs_at_work_on
from aurora_spawner.taskfiles.reading import task_file_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from aurora_core import Project

__all__ = ["alone_with", "check_nobody_works_on"]

_WAIT_LIMIT_S: Final = 30.0
"""How long another start may take until its run is known in the journal."""
_LOOK_EVERY_S: Final = 0.02


def check_nobody_works_on(project: Project, file: Path, *, force: bool) -> None:
    """Refuses a task file that a run works on now; with `force` only say so.

    Raises:
        TaskFileAtWorkError: one does.
    """
    for run_id in runs_at_work_on(project, file):
        if not force:
            raise TaskFileAtWorkError(run_id, file)
        note(f"warning: {run_id} works on {file} now; what it has not done yet would be done twice")


@contextmanager
def alone_with(project: Project, file: Path, *, as_read: bytes, force: bool) -> Iterator[Callable[[], None]]:
    """Be the only one in the project that starts a run, until the function that this gives is called, or it ends.

    It is to be called once the journal says who works on the run: from then on that tells the next one.

    Args:
        as_read: what the file held when its tasks were read; another run may have ticked boxes since.

    Raises:
        TaskFileAtWorkError: a run works on the file.
        TaskFileChangedError: the file is not what it was.
        StartingElsewhereError: another start takes very long.
    """
    # The kernel gives the lock back whatever becomes of this process, and agents do not inherit it.
    lock = os.open(project.aurora_dir / "starting.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    held = True

    def give_back() -> None:
        nonlocal held
        if held:
            held = False
            os.close(lock)

    try:
        _take(lock, project)
        check_nobody_works_on(project, file, force=force)
        if task_file_bytes(file) != as_read:
            raise TaskFileChangedError(file)
        yield give_back
    finally:
        give_back()


def _take(lock: int, project: Project) -> None:
    end = time.monotonic() + _WAIT_LIMIT_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise StartingElsewhereError(project.root) from None
            time.sleep(_LOOK_EVERY_S)
        else:
            return
