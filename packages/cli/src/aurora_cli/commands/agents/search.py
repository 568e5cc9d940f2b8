"""`aur agents search`: find the persona for a task."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json
from aurora_cli.render import personas

__all__ = ["command"]


@click.command(
    "search",
    cls=AurCommand,
    examples=(
        ("aur agents search write tests for the parser", "Find the best persona for this task."),
        ('aur agents search "port the app to iOS" --json', "The result as JSON."),
    ),
)
@click.argument("work", nargs=-1, required=True, help="The task, in words.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=5, show_default=True, help="Maximum number of personas."
)
@json_option
def command(*, work: tuple[str, ...], limit: int, as_json: bool) -> int:
    """Find the persona for a task.

    Lists the best matches first. If no persona is of the right kind, there is a gap: the command shows the ad-hoc
    persona that `aur spawn --match` would use. The exit status is 1 for a gap.
    """
    from aurora_soar.personas import Matcher

    match = Matcher(wiring.open_folder().personas).match(" ".join(work))
    if as_json:
        emit_json(Schema.PERSONA_MATCH, personas.match_document(match, limit))
    else:
        for line in personas.match_lines(match, limit):
            emit(line)
    return ExitCode.NOT_REACHED if match.is_gap else ExitCode.DONE
