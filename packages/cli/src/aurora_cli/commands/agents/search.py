"""`aur agents search`: find the persona for a piece of work."""

from __future__ import annotations

import click

from aurora_cli import wiring
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
        ("aur agents search write tests for the parser", "Name the persona that should do this."),
        ('aur agents search "port the app to iOS" --json', "The same for a program."),
    ),
)
@click.argument("work", nargs=-1, required=True, help="What is to be done, in words.")
@click.option("--limit", type=click.IntRange(1, 1000), default=5, show_default=True, help="Show at most so many.")
@json_option
def command(*, work: tuple[str, ...], limit: int, as_json: bool) -> int:
    """Find the persona for a piece of work.

    Says who fits best. Where no persona is of the right kind, that is a gap, and what such an agent would be told is
    shown; `aur spawn --match` makes one up like this. The exit status is 1 for a gap.
    """
    from aurora_soar.personas import Matcher

    match = Matcher(wiring.open_folder().personas).match(" ".join(work))
    if as_json:
        emit_json(personas.match_document(match, limit))
    else:
        for line in personas.match_lines(match, limit):
            emit(line)
    return ExitCode.NOT_REACHED if match.is_gap else ExitCode.DONE
