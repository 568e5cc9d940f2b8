"""The ancestors of a process, which tell an agent's processes from those of the user."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

DEPTH_LIMIT: Final = 200
_STAT_BYTES: Final = 4096


def descends_from(pid: int, ancestors: Collection[int]) -> bool:
    """Returns True if a process is one of these, or was started by one of them, directly or not.

    A supervisor adopts what its agent leaves behind, so no process of an agent gets out of it. Without /proc nothing
    is known, and the answer is False.
    """
    for _ in range(DEPTH_LIMIT):
        if pid in ancestors:
            return True
        pid = _parent_of(pid)
        if pid <= 1:
            return False
    return False


def _parent_of(pid: int) -> int:
    try:
        with Path(f"/proc/{pid}/stat").open("rb") as file:
            return int(file.read(_STAT_BYTES).rpartition(b")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0
