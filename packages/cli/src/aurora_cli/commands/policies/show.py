"""`aur policies show`: show the policies in force."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json
from aurora_cli.render import policies

__all__ = ["command"]


@click.command(
    "show",
    cls=AurCommand,
    examples=(
        ("aur policies show", "The policies, and the file that they come from."),
        ("aur policies show --agent claude", "The policies for one agent, with its own section."),
    ),
)
@click.option("--agent", metavar="NAME", help="Show the policies for this agent.")
@json_option
def command(*, agent: str | None, as_json: bool) -> int:
    """Show the policies in force.

    Your own policies for all projects (~/.config/aurora/policies.yaml) hold too, where they are stricter. Settings
    that are looser than the defaults count only if you trust the project; `aur trust` shows them.
    """
    engine = wiring.open_folder().policies
    if as_json:
        emit_json(Schema.POLICIES, policies.as_document(engine, agent))
    else:
        emit(policies.as_text(engine, agent))
    return ExitCode.DONE
