"""Moments in text: in UTC wherever they are shown, and labelled so."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["to_the_minute", "to_the_second"]


def to_the_minute(moment: float) -> str:
    """Returns a moment, such as `2026-03-01 09:30 UTC`."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")


def to_the_second(moment: float) -> str:
    """Returns a moment, such as `2026-03-01 09:30:12 UTC`."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
