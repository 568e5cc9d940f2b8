"""Usage windows, read from the headers of an answer."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from aurora_spawner.tasks.usage_windows import UsageWindow, name_of_length

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNIFIED: Final = re.compile(r"anthropic-ratelimit-unified-(?:([a-z0-9_]{1,20})-)?(status|reset|utilization)")
_LENGTH: Final = re.compile(r"(\d{1,4})(m|h|d)(?:_([a-z_]{1,16}))?")
_MINUTES: Final = {"m": 1, "h": 60, "d": 60 * 24}
_PAID: Final = "overage"
"""Not a window: the header that says if usage beyond the windows can be bought."""


def windows_in(headers: Mapping[str, str]) -> tuple[UsageWindow, ...]:
    """Returns the windows of an Anthropic plan: `anthropic-ratelimit-unified-5h-utilization: 0.97` and its like.

    It returns none if usage beyond the windows can be bought, because no window then closes the account.
    """
    parts: dict[str, dict[str, str]] = defaultdict(dict)
    for name, value in headers.items():
        found = _UNIFIED.fullmatch(name.lower())
        if found:
            parts[found[1] or ""][found[2]] = value.strip()[:64]
    if parts.pop(_PAID, {}).get("status", "").startswith("allowed"):
        return ()
    whole = parts.pop("", {})
    windows = [_window(_name(part), told) for part, told in parts.items()]
    if not windows and whole:
        windows = [_window("", whole)]
    return tuple(windows)


def _name(part: str) -> str:
    length = _LENGTH.fullmatch(part)
    if length is None:
        return part.replace("_", " ")
    name = name_of_length(int(length[1]) * _MINUTES[length[2]])
    return f"{name} {length[3].replace('_', ' ')}" if length[3] else name


def _window(name: str, told: Mapping[str, str]) -> UsageWindow:
    share = _number(told.get("utilization", ""))
    return UsageWindow(
        name=name,
        used_percent=None if share is None else share * 100,
        resets_at=_moment(told.get("reset", "")),
        exhausted=told.get("status") == "rejected",
    )


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d{1,15}(?:\.\d{1,15})?", text) else None


def _moment(text: str) -> float | None:
    """Returns the Unix time of a number of seconds or an ISO 8601 date; else None."""
    if (seconds := _number(text)) is not None:
        return seconds
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        return None
