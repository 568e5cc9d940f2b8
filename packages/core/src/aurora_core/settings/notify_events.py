"""The events that `notify:` can name, and the fields of their notifications."""

from __future__ import annotations

from typing import Final

__all__ = ["NOTIFY_EVENTS", "NOTIFY_FIELDS"]

NOTIFY_EVENTS: Final = ("run_ended", "task_failed", "approval", "budget_warning", "provider_stopped")
NOTIFY_FIELDS: Final = ("event", "message", "project", "run", "task", "title", "agent", "at", "count")
"""The fields of the JSON document, and the placeholders of a body: `$message`."""
