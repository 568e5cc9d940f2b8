"""`aur agents list`: list personas."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render import personas
from aurora_cli.render.words import printable

__all__ = ["command"]


@click.command(
    "list",
    cls=AurCommand,
    examples=(
        ("aur agents list", "All personas, the project's first."),
        ("aur agents list --category qa", "The personas of one category."),
    ),
)
@click.option(
    "--category", type=click.Choice(["eng", "qa", "product", "general"]), help="Only personas of this category."
)
@json_option
def command(*, category: str | None, as_json: bool) -> int:
    """List the personas that tasks can name.

    Problems in persona files are reported as warnings. A warning also names each persona that has the name of a
    backend: `@name` means the backend.
    """
    aurora = wiring.open_folder()
    roster = aurora.personas
    shown = tuple(each for each in roster if category in (None, each.category.value))
    if as_json:
        emit_json(Schema.PERSONAS, personas.as_document(shown, roster.problems))
        return ExitCode.DONE
    for line in personas.as_lines(shown):
        emit(line)
    for problem in roster.problems:
        note(f"warning: {personas.problem_line(problem)}")
    for name in aurora.shadowed_personas:
        note(f"warning: @{printable(name)} means the backend of that name; give the persona another id")
    if not shown:
        note("no personas found; create one in .aurora/agents/NAME.md (agents themselves: aur agents doctor)")
    return ExitCode.DONE
