"""What the output of a running attempt says about its provider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aurora_spawner.tasks.failure import ReportedFailure
    from aurora_spawner.tasks.usage_windows import UsageWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSignal:
    """News of a provider from the newest part of an attempt's output."""

    refused: ReportedFailure | None = None
    """A call that its agent tries again by itself, unless something came after it."""
    answered: bool = False
    """The model said or did something."""
    windows: tuple[UsageWindow, ...] = ()
