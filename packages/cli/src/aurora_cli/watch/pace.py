"""The pace of looks: a machine that is busy with agents must not be kept busy by watching them. Pure."""

from __future__ import annotations

from typing import Final

__all__ = ["IDLE_S", "POLL_S", "next_pause_s"]

POLL_S: Final = 0.5
"""The time between two questions to the journal whether anything has changed; a question costs next to nothing."""
IDLE_S: Final = 2.0
"""The longest time between two looks: seconds go on, and quiet agents and crashes write nothing."""
_SHARE: Final = 0.025
"""The share of a core that looks and drawing may take; the rest of what is promised is for the start and for keys."""
_SHORTEST_S: Final = 0.5
_LONGEST_S: Final = 5.0


def next_pause_s(used_s: float) -> float:
    """Returns the time until the next look.

    Args:
        used_s: Processor time since the last look began, which has read and drawn.
    """
    return min(_LONGEST_S, max(_SHORTEST_S, used_s / _SHARE))
