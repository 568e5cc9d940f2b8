"""`aur config path`: show the files that settings are read from."""

from __future__ import annotations

import os

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json
from aurora_core.settings.config import user_config_file

__all__ = ["command"]


@click.command(
    "path",
    cls=AurCommand,
    examples=(
        ("aur config path", "The project's file and your own; a setting in the first one counts."),
        ("aur config path --json", "The same as JSON."),
    ),
)
@json_option
def command(*, as_json: bool) -> int:
    """Show the files that settings are read from, whether or not they exist."""
    own = user_config_file(os.environ)
    files = {"project": wiring.open_folder().project.config_file} | ({"user": own} if own else {})
    if as_json:
        rows = [{"layer": layer, "path": str(path), "exists": path.is_file()} for layer, path in files.items()]
        emit_json(Schema.CONFIG_FILES, {"files": rows})
    else:
        for layer, path in files.items():
            emit(f"{layer:<7}  {path}{'' if path.is_file() else '  (no such file)'}")
    return ExitCode.DONE
