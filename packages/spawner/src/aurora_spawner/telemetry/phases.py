"""Phases of a run: what a program did in it beside its tasks, such as planning; and runs that did a part of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PLANNING", "TracedPhase", "phase_at"]

PLANNING: Final = frozenset({"decompose"})
"""The phases that the conventions call a plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedPhase:
    """A phase of a run.

    Attributes:
        start: Unix time, as `end`.
        error: the kind of what ended it; None on success.
    """

    name: str
    start: float
    end: float
    error: str | None = None


def phase_at(phases: Sequence[TracedPhase], at: float) -> TracedPhase | None:
    """Returns the phase of a moment, the last to begin if there are two; None between phases."""
    around = [each for each in phases if each.start <= at <= each.end]
    return max(around, key=lambda each: each.start, default=None)
