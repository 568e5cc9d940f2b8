"""The identity of a journal's file, whose name may belong to another file later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from pathlib import Path

BESIDE: Final = ("-wal", "-shm")
"""Name suffixes of the files that SQLite keeps beside a database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileIdentity:
    """The identity of a file, different from that of any other file of the same name."""

    device: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> Self | None:
        """Returns the identity of the present file of a name; None if there is none."""
        # It is not opened: closing it again would let go of the locks that SQLite has on it.
        try:
            found = path.stat()
        except OSError:
            return None
        return cls(device=found.st_dev, inode=found.st_ino)


def beside(path: Path) -> tuple[Path, ...]:
    """Returns the files that SQLite keeps beside a database."""
    return tuple(path.with_name(path.name + end) for end in BESIDE)
