"""How much time and memory the reading of one file may take."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import Final

__all__ = ["SECONDS", "TooComplexError", "WorkLimit"]

# Well-meant files of the greatest size that is read take half of either.
SECONDS: Final = 1.2
GROWTH_BYTES: Final = 100_000_000
_STATUS: Final = "/proc/self/statm"
# Looking at the memory takes as long as some hundred steps.
_STEPS_A_LOOK: Final = 256


class TooComplexError(Exception):
    """A file whose structure takes too long, or too much memory, to make out."""


class WorkLimit:
    """Counts from its making: processor time of this thread, and growth of this process where the system tells it."""

    def __init__(self, *, seconds: float = SECONDS, growth_bytes: int = GROWTH_BYTES) -> None:
        self._until = time.thread_time() + seconds
        self._most = _resident() + growth_bytes
        self._steps = 0

    def passed(self) -> bool:
        """Whether too much was used; to be asked often."""
        self._steps += 1
        if self._steps % _STEPS_A_LOOK == 0 and _resident() > self._most:
            return True
        return time.thread_time() > self._until

    def check(self) -> None:
        """Ends the work when too much was used.

        Raises:
            TooComplexError: it was.
        """
        if self.passed():
            raise TooComplexError


def _resident() -> int:
    """Bytes of this process in memory; 0 where the system does not tell."""
    with suppress(OSError, ValueError, IndexError), open(_STATUS, "rb") as status:  # noqa: PTH123 - asked often
        return int(status.read(200).split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
