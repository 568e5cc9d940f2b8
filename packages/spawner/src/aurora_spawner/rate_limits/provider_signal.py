"""News about a provider in the output of a running attempt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aurora_spawner.tasks.failure import ReportedFailure
    from aurora_spawner.tasks.usage_windows import UsageWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSignal:
    """The news about a provider in the newest part of an attempt's output."""

    refused: ReportedFailure | None = None
    """A failed call that the agent retries by itself; None if output followed it."""
    answered: bool = False
    """True if the model wrote text or called a tool."""
    windows: tuple[UsageWindow, ...] = ()
