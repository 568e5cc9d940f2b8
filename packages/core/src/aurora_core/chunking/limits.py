"""Limits on the time and memory for reading one file."""

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
    """The structure of a file takes too much time or memory to read."""


class WorkLimit:
    """Counts from its creation: processor time of this thread, and growth of this process if it can be read."""

    def __init__(self, *, seconds: float = SECONDS, growth_bytes: int = GROWTH_BYTES) -> None:
        self._until = time.thread_time() + seconds
        self._most = _resident() + growth_bytes
        self._steps = 0

    def passed(self) -> bool:
        """Returns True if a limit is exceeded; call it often."""
        self._steps += 1
        if self._steps % _STEPS_A_LOOK == 0 and _resident() > self._most:
            return True
        return time.thread_time() > self._until

    def check(self) -> None:
        """Raises if a limit is exceeded.

        Raises:
            TooComplexError: a limit is exceeded.
        """
        if self.passed():
            raise TooComplexError


def _resident() -> int:
    """Returns the bytes of this process in memory; 0 if the system does not report them."""
    with suppress(OSError, ValueError, IndexError), open(_STATUS, "rb") as status:  # noqa: PTH123 - asked often
        return int(status.read(200).split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
