"""`aur mem semantic off`: search the project by words alone."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json

__all__ = ["command"]


@click.command(
    "off",
    cls=AurCommand,
    examples=(
        ("aur mem semantic off", "Remove this project's model and its vectors."),
        ("aur mem semantic off --json", "The same, as JSON."),
    ),
)
@json_option
def command(*, as_json: bool) -> int:
    """Search this project by words alone.

    Removes the project's model from your cache and the vectors from its memory. What is kept of the weights stays for
    other projects. A model that memory.semantic_model names is turned off by removing that setting.
    """
    from aurora_soar.aurora.search_by_meaning import turn_off

    was_on = turn_off(wiring.open_existing())
    if as_json:
        emit_json(Schema.SEMANTIC_OFF, {"was_on": was_on})
    else:
        emit("search by meaning is off" if was_on else "search by meaning was off")
    return ExitCode.DONE
