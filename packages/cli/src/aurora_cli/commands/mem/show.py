"""`aur mem show`: show what defines a name, and who calls it."""

from __future__ import annotations

from pathlib import Path

import click

from aurora_cli import wiring
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render import symbols

__all__ = ["command"]


@click.command(
    "show",
    cls=AurCommand,
    examples=(
        ("aur mem show Scheduler.tick", "The method's text, and the lines that call it."),
        ("aur mem show tick --limit 3 --json", "At most three definitions and three callers, for a program."),
    ),
)
@click.argument("name", help="A function, method or class, by its last part or its qualified name.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many of each at most."
)
@json_option
def command(*, name: str, limit: int, as_json: bool) -> int:
    """Show what defines a name, and who calls it.

    The exit status is 1 if nothing in the memory defines it.
    """
    project = wiring.project_at(Path.cwd())
    with wiring.open_memory(project, wiring.settings(project)) as memory:
        definitions = memory.definitions(name, limit)
        callers = memory.callers(name, limit)
    if as_json:
        emit_json(symbols.as_document(name, definitions, callers))
    else:
        for line in symbols.as_lines(definitions, callers):
            emit(line)
    if definitions:
        return ExitCode.DONE
    note(f"nothing in the memory defines {name!r}; look for it with: aur mem search {name}")
    return ExitCode.NOT_REACHED
