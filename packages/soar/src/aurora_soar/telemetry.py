"""Telemetry of runs: of tasks, and of questions with their phases; sent where the user's OTEL_ variables say."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aurora_soar.resumption.record import parts_of, phases_of
from aurora_spawner.errors import SpawnerError
from aurora_spawner.telemetry.otlp import is_configured, run_telemetry, send

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aurora_spawner.telemetry.otlp import RunTelemetry

__all__ = ["send_telemetry", "telemetry_of"]


def telemetry_of(journal: Path, run_id: str, environ: Mapping[str, str]) -> RunTelemetry:
    """Returns the telemetry of a run; that of a question has its phases, and the runs of its agents and models.

    Raises:
        UnknownRunError: The journal has no such run.
        JournalCorruptError: An event of it is malformed.
    """
    phases, parts = phases_of(journal, run_id), parts_of(journal, run_id)
    return run_telemetry(journal, run_id, environ, phases=phases, parts=parts)


def send_telemetry(journal: Path, run_id: str) -> tuple[str, ...]:
    """Sends the telemetry of a run if that is configured; returns what went wrong; the run is as it was."""
    if not is_configured(os.environ):
        return ()
    try:
        send(telemetry_of(journal, run_id, os.environ), os.environ)
    except SpawnerError as error:
        return (f"{error}; send it again: aur runs trace {run_id}",)
    return ()
