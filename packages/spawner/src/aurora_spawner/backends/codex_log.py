"""Usage windows from Codex's session logs; its events do not report them."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from aurora_spawner.backends.fields import object_in
from aurora_spawner.storage.regular_files import open_regular
from aurora_spawner.tasks.usage_windows import UsageWindow, name_of_length

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aurora_spawner.backends.fields import Fields

TAIL_BYTES: Final = 256 << 10
"""The bytes read from the end of a log."""
_PARTS: Final = ("primary", "secondary")


def windows_of(home: Path, session_id: str) -> tuple[UsageWindow, ...]:
    """Returns the usage windows that a session recorded last; none if its log cannot be read.

    Args:
        home: CODEX_HOME.
        session_id: A UUID of version 7, which contains the day of the log's folder.
    """
    for log in _logs(home, session_id):
        for line in reversed(_tail(log).split("\n")):
            if '"rate_limits"' in line:
                event = object_in(line)
                limits = event.fields("payload").fields("rate_limits") if event else None
                if limits is not None and limits.raw:
                    return _windows(limits)
    return ()


def _logs(home: Path, session_id: str) -> Iterator[Path]:
    try:
        began = datetime.fromtimestamp((uuid.UUID(session_id).int >> 80) / 1000)  # noqa: DTZ006 -- filed by local days
        for day in (began + timedelta(days=more) for more in (0, -1, 1)):
            folder = home / "sessions" / f"{day:%Y}" / f"{day:%m}" / f"{day:%d}"
            yield from folder.glob(f"rollout-*-{uuid.UUID(session_id)}.jsonl")
    except (ValueError, OverflowError, OSError):
        return


def _tail(log: Path) -> str:
    try:
        with open_regular(log) as file:
            file.seek(max(0, log.stat().st_size - TAIL_BYTES))
            return file.read(TAIL_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _windows(limits: Fields) -> tuple[UsageWindow, ...]:
    """Returns the windows; none if the account's credits pay for usage beyond them."""
    credit = limits.fields("credits")
    if credit.is_true("has_credits") or credit.is_true("unlimited"):
        return ()
    return tuple(_window(limits.fields(part)) for part in _PARTS if limits.fields(part).raw)


def _window(told: Fields) -> UsageWindow:
    used = told.real("used_percent")
    return UsageWindow(
        name=name_of_length(told.real("window_minutes") or 0.0),
        used_percent=used,
        resets_at=told.real("resets_at"),
        exhausted=used is not None and used >= 100,
    )
