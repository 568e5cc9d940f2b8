"""Failures for good: those of the work itself, after which another plan may help."""

from __future__ import annotations

from typing import Final

from aurora_spawner.attempts.end_reason import REFUSALS, EndReason
from aurora_spawner.tasks.result import NOT_PICKED, PROVIDER_LIMITED, PROVIDER_STOPPED

__all__ = ["is_held_up"]

_INTERRUPTED: Final = "interrupted"
_HELD_UP: Final = frozenset(
    {PROVIDER_STOPPED, PROVIDER_LIMITED, NOT_PICKED, _INTERRUPTED, str(EndReason.CANCELLED), *map(str, REFUSALS)}
)


def is_held_up(termination_reason: str | None) -> bool:
    """Returns True for the end of a task that only its provider, a limit or the user prevented.

    No other plan helps it, and a resume runs it once that has changed.
    """
    return termination_reason in _HELD_UP
