"""The cap on the disk that the worktrees of a repository take together."""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_spawner.workspaces.errors import DiskCapError
from aurora_spawner.workspaces.ours import disk_use

if TYPE_CHECKING:
    from pathlib import Path

_REST: Final = 19.0
"""Times as long as a measurement took until the next one: measuring takes a twentieth of the time at most."""


def most_bytes(folder: Path, used: int, wanted: int | None) -> int:
    """Returns the bytes that worktrees may take.

    Without a wish they may take half of what they take now and what is free: as much as they take stays free.

    Args:
        folder: Holds them, or will.
        used: What they take.
        wanted: What the user has set.
    """
    if wanted is not None:
        return wanted
    return (used + shutil.disk_usage(_there(folder)).free) // 2


def _there(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.is_dir())


@dataclass(slots=True, kw_only=True)
class DiskCap:
    """Refuses a further worktree once those of a repository take too much. Threads may share it.

    Attributes:
        folder: holds the worktrees of all runs of the repository.
        cap: bytes; None for the default, see `most_bytes`.
    """

    folder: Path
    cap: int | None
    _used: int = 0
    _average: int = 0
    """Of a worktree; each that was made since the measurement counts as much."""
    _until: float = 0.0
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def check(self) -> None:
        """Measures what the worktrees take, unless it was measured a moment ago.

        Raises:
            DiskCapError: It is as much as they may take.
        """
        with self._turn:
            if self.cap is None and _has_plenty(self.folder):
                return
            started = time.monotonic()
            if started >= self._until:
                self._used = disk_use(self.folder)
                self._average = self._used // max(1, sum(1 for _ in self.folder.glob("*/*")))
                ended = time.monotonic()
                self._until = ended + _REST * (ended - started)
            cap = most_bytes(self.folder, self._used, self.cap)
            if self._used >= cap:
                raise DiskCapError(self.folder, used=self._used, cap=cap, is_set=self.cap is not None)
            self._used += self._average

    def forget(self) -> None:
        """Measures again at the next call, since some were given back."""
        with self._turn:
            self._until = 0.0


def _has_plenty(folder: Path) -> bool:
    """Returns True if all that is on the disk is less than what is free: then nothing has to be measured."""
    disk = shutil.disk_usage(_there(folder))
    return disk.used < disk.free
