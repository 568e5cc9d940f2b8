"""Lock for starts: of two starts of one task file at the same moment, only one runs it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final

from aurora_soar.errors import StartedBeforeError, StartLockError, TaskFileChangedError, TaskFileInUseError
from aurora_soar.notices import Notice, Notify
from aurora_soar.taskruns.resume import runs_working_on
from aurora_spawner.control.checkpoints import list_checkpoints
from aurora_spawner.taskfiles.reading import task_file_bytes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from aurora_core import Project

__all__ = ["astart_lock", "check_key_is_free", "check_not_in_use", "start_lock"]

_WAIT_LIMIT_S: Final = 30.0
"""Seconds that another start may take until its run is in the journal."""
_RETRY_EVERY_S: Final = 0.02


def check_not_in_use(project: Project, file: Path, *, force: bool, notify: Notify) -> None:
    """Refuses a task file that a run works on, or agents of a run that has crashed; with `force` only warns.

    Raises:
        TaskFileInUseError: a run works on it.
    """
    for run_id, crashed in runs_working_on(project.runs_db, file).items():
        in_use = TaskFileInUseError(run_id, file, crashed=crashed)
        if not force:
            raise in_use
        notify(Notice(message=str(in_use), warning=True))


@contextmanager
def start_lock(
    project: Project, file: Path, *, as_read: bytes, key: str | None = None, force: bool, notify: Notify
) -> Iterator[Callable[[], None]]:
    """Holds the project's lock for starting runs until the yielded function is called, or the block ends.

    Call the function once the journal says that this process works on the run: from then on the journal keeps
    others from the file.

    Args:
        as_read: the content of the file when its tasks were read; another run may have ticked boxes since.
        key: a name for this start; None for none.

    Raises:
        StartedBeforeError: a run was started with that key.
        TaskFileInUseError: a run works on the file.
        TaskFileChangedError: the file has changed.
        StartLockError: another start holds the lock too long.
    """
    with _lock_file(project) as (lock, release):
        for wait_s in _acquire(lock, project):
            time.sleep(wait_s)
        _check_startable(project, file, as_read=as_read, key=key, force=force, notify=notify)
        yield release


@asynccontextmanager
async def astart_lock(
    project: Project, file: Path, *, as_read: bytes, key: str | None = None, force: bool, notify: Notify
) -> AsyncIterator[Callable[[], None]]:
    """Holds the lock as `start_lock` does; other starts in the same event loop go on meanwhile."""
    with _lock_file(project) as (lock, release):
        for wait_s in _acquire(lock, project):
            await asyncio.sleep(wait_s)
        _check_startable(project, file, as_read=as_read, key=key, force=force, notify=notify)
        yield release


@contextmanager
def _lock_file(project: Project) -> Iterator[tuple[int, Callable[[], None]]]:
    """Opens the lock's file; yields its descriptor and the function that closes it, which releases the lock."""
    # The kernel releases the lock however this process ends, and agents do not inherit it.
    lock = os.open(project.aurora_dir / "starting.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    held = True

    def release() -> None:
        nonlocal held
        if held:
            held = False
            os.close(lock)

    try:
        yield lock, release
    finally:
        release()


def _acquire(lock: int, project: Project) -> Iterator[float]:
    """Acquires the lock; yields the seconds to wait before each further attempt.

    Raises:
        StartLockError: another start holds it too long.
    """
    end = time.monotonic() + _WAIT_LIMIT_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise StartLockError(project.root) from None
            yield _RETRY_EVERY_S
        else:
            return


def check_key_is_free(project: Project, key: str | None) -> None:
    """Refuses a key that a run has.

    Raises:
        StartedBeforeError: one has it; the error names it.
    """
    if key is None:
        return
    for summary in list_checkpoints(project.runs_db):
        if summary.run.options is not None and summary.run.options.key == key:
            raise StartedBeforeError(key, summary.run.run_id)


def _check_startable(
    project: Project, file: Path, *, as_read: bytes, key: str | None, force: bool, notify: Notify
) -> None:
    check_key_is_free(project, key)  # first: the run that has it may work on the file
    check_not_in_use(project, file, force=force, notify=notify)
    if task_file_bytes(file) != as_read:
        raise TaskFileChangedError(file)
