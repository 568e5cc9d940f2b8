"""Which file a journal is: its name may stand for another one later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from pathlib import Path

BESIDE: Final = ("-wal", "-shm")
"""Ends of the names of the files that SQLite keeps beside a database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileIdentity:
    """Which file a name stands for, told apart from any other that has the name later."""

    device: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> Self | None:
        """The file of that name now; None where there is none."""
        # It is not opened: closing it again would let go of the locks that SQLite has on it.
        try:
            found = path.stat()
        except OSError:
            return None
        return cls(device=found.st_dev, inode=found.st_ino)


def beside(path: Path) -> tuple[Path, ...]:
    """The files that SQLite keeps beside a database."""
    return tuple(path.with_name(path.name + end) for end in BESIDE)
