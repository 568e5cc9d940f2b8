"""`aur agents show`: show one persona."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render import personas

__all__ = ["command"]


@click.command(
    "show",
    cls=AurCommand,
    examples=(
        ("aur agents show code-reviewer", "Its purpose and its instructions."),
        ("aur agents show code-reviewer --json", "The persona as JSON."),
    ),
)
@click.argument("name", help="A persona's id, with or without @.")
@json_option
def command(*, name: str, as_json: bool) -> int:
    """Show a persona and the instructions that an agent gets with it."""
    aurora = wiring.open_folder()
    persona = wiring.persona_named(aurora, name)
    if as_json:
        emit_json(Schema.PERSONA, personas.details(persona))
        return ExitCode.DONE
    emit(personas.as_text(persona))
    for problem in aurora.personas.problems:
        if problem.file == persona.source_file:
            note(f"warning: {personas.problem_line(problem)}")
    return ExitCode.DONE
