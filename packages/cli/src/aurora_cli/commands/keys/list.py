"""`aur keys list`: show where each key comes from."""

from __future__ import annotations

from dataclasses import asdict

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json

__all__ = ["command"]


@click.command(
    "list",
    cls=AurCommand,
    examples=(
        ("aur keys list", "The well-known keys, and the keys that you set."),
        ("aur keys list --json", "The list as JSON."),
    ),
)
@json_option
def command(*, as_json: bool) -> int:
    """Show where each key comes from, never the key itself."""
    places = wiring.open_folder().keys.places()
    if as_json:
        emit_json(Schema.KEYS, {"keys": [asdict(place) for place in places]})
        return ExitCode.DONE
    width = max(len(place.name) for place in places)
    for place in places:
        emit(f"{place.name:<{width}}  {place.source or 'not set'}")
    return ExitCode.DONE
