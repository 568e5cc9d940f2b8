"""`aur mem semantic status`: show whether search by meaning is on."""

from __future__ import annotations

from pathlib import Path

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json

__all__ = ["command"]


@click.command(
    "status",
    cls=AurCommand,
    examples=(
        ("aur mem semantic status", "On or off, the model, and how many chunks have vectors."),
        ("aur mem semantic status --json", "The same, as JSON."),
    ),
)
@json_option
def command(*, as_json: bool) -> int:
    """Show whether search by meaning is on."""
    aurora = wiring.open_existing()
    named, model = aurora.config.semantic_model, aurora.static_model
    path = named or (str(model) if model is not None and model.is_file() else None)
    missing = named is not None and not Path(named).expanduser().exists()
    with aurora.open_memory(by_meaning=False) as memory:
        chunks, (encoded, _) = memory.stats().chunks, memory.encoded()
    if as_json:
        emit_json(
            Schema.SEMANTIC,
            {"on": path is not None and not missing, "model": path, "chunks": chunks, "encoded": encoded},
        )
    elif missing:
        emit(f"search by meaning is off: the model {path} is not there")
        emit(f"correct memory.semantic_model, which is set by {aurora.config.origin('memory.semantic_model')}")
    elif path is None:
        emit("search by meaning is off; turn it on with: aur mem semantic on")
    else:
        emit(f"search by meaning is on: {encoded} of {chunks} chunks encoded, model {path}")
    return ExitCode.DONE
