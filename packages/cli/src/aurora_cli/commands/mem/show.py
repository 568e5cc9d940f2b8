"""`aur mem show`: show the definition of a name or a place in a file, and its callers."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
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
        ("aur mem show src/scheduler.py:120", "The definition that line 120 is in, and its callers."),
        ("aur mem show src/scheduler.py:tick", "The definition of that name in that file."),
        ("aur mem show src/scheduler.py", "The first definitions of a file, in order."),
        ("aur mem show tick --limit 3 --json", "At most three definitions and three callers, as JSON."),
    ),
)
@click.argument(
    "target",
    help="A function, method or class by its last part or its qualified name; or a file, a line or a name in it.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=10,
    show_default=True,
    help="Maximum number of definitions, and of callers.",
)
@json_option
def command(*, target: str, limit: int, as_json: bool) -> int:
    """Show a definition by its name or place, and its callers.

    The exit status is 1 if nothing in the memory defines the name, and 2 if a file is not in the memory.
    """
    from aurora_core.lookup import look_up

    with wiring.open_memory_of_agent().open_memory() as memory:
        found = look_up(memory, target, limit, folder=Path.cwd())
    if as_json:
        emit_json(Schema.SYMBOL, symbols.as_document(target, found.chunks, found.callers))
    else:
        for line in symbols.as_lines(found.chunks, found.callers):
            emit(line)
    if found.chunks:
        return ExitCode.DONE
    note(f"nothing in the memory defines {target!r}: to search by words, run `aur mem search {shlex.quote(target)}`")
    return ExitCode.NOT_REACHED
