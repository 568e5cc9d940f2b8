"""Sends a run's telemetry at its end, where the user's OTEL_ variables name a receiver."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aurora_spawner.errors import SpawnerError
from aurora_spawner.telemetry.otlp import is_configured, run_telemetry, send

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["send_telemetry"]


def send_telemetry(journal: Path, run_id: str) -> tuple[str, ...]:
    """Sends the telemetry of a run if that is configured; returns what went wrong; the run is as it was."""
    if not is_configured(os.environ):
        return ()
    try:
        send(run_telemetry(journal, run_id, os.environ), os.environ)
    except SpawnerError as error:
        return (f"{error}; send it again: aur runs trace {run_id}",)
    return ()
