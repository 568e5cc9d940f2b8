"""The cap on the disk that the worktrees of a repository take together."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_spawner.errors import DiskCapError
from aurora_spawner.workspaces.ours import disk_use

if TYPE_CHECKING:
    from pathlib import Path

_REST: Final = 9.0
"""Times as long as a measurement took until the next one: measuring takes a tenth of the time at most."""


@dataclass(slots=True, kw_only=True)
class DiskCap:
    """Refuses a further worktree once those of a repository take too much. Threads may share it.

    Attributes:
        folder: holds the worktrees of all runs of the repository.
        cap: bytes.
    """

    folder: Path
    cap: int
    _used: int = 0
    _until: float = 0.0
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def check(self) -> None:
        """Measures what the worktrees take, unless it was measured a moment ago.

        Raises:
            DiskCapError: It is as much as they may take.
        """
        with self._turn:
            started = time.monotonic()
            if started >= self._until:
                self._used = disk_use(self.folder)
                ended = time.monotonic()
                self._until = ended + _REST * (ended - started)
            if self._used >= self.cap:
                raise DiskCapError(self.folder, used=self._used, cap=self.cap)
