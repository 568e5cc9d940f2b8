"""`aur agents refresh`: read all personas again, without the cache."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render import personas
from aurora_cli.render.words import count

__all__ = ["command"]


@click.command(
    "refresh",
    cls=AurCommand,
    examples=(("aur agents refresh", "Read every file again."),),
)
@json_option
def command(*, as_json: bool) -> int:
    """Read all personas again, without the cache.

    This is rarely needed: an edited file is noticed, and a cache that is damaged or a day old is replaced.
    """
    roster = wiring.open_folder().refresh_personas()
    if as_json:
        emit_json(Schema.PERSONAS, personas.as_document(tuple(roster), roster.problems))
        return ExitCode.DONE
    emit(f"{count(len(roster), 'persona')}, {count(len(roster.problems), 'problem')}")
    for problem in roster.problems:
        note(f"warning: {personas.problem_line(problem)}")
    return ExitCode.DONE
