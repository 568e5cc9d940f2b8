"""`aur runs trace`: send a run as an OpenTelemetry trace."""

from __future__ import annotations

import os

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option, run_argument
from aurora_cli.output import emit_json, note
from aurora_cli.render.words import count
from aurora_soar.telemetry import telemetry_of
from aurora_spawner.telemetry.otlp import is_configured, send

__all__ = ["command"]


@click.command(
    "trace",
    cls=AurCommand,
    examples=(
        ("aur runs trace spawn-1763690000000", "Send it to the receiver that OTEL_EXPORTER_OTLP_ENDPOINT names."),
        ("aur runs trace spawn-1763690000000 --json", "Print its spans and metrics; nothing is sent."),
    ),
)
@run_argument
@json_option
def command(*, run_id: str, as_json: bool) -> int:
    """Send a run as an OpenTelemetry trace.

    The OTEL_ variables of the environment say where. A run that ends while they are set is sent by itself; sent
    again, it is the same trace.
    """
    telemetry = telemetry_of(wiring.open_existing().project.runs_db, run_id, os.environ)
    if as_json:
        emit_json(Schema.TRACE, telemetry.to_dict())
        return ExitCode.DONE
    if not is_configured(os.environ):
        raise click.UsageError("no receiver is configured; set OTEL_EXPORTER_OTLP_ENDPOINT, or print it with --json")
    sent = send(telemetry, os.environ)
    parts = (count(sent.spans, "span"), count(sent.measures, "measure"), count(sent.events, "event"))
    note(f"sent: {', '.join(parts)}")
    return ExitCode.DONE
