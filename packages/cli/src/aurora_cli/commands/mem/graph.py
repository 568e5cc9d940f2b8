"""`aur mem graph`: show what a file is tied to."""

from __future__ import annotations

from pathlib import Path

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_bytes, emit_json, note
from aurora_cli.render import ties as rendered
from aurora_cli.render.pictures.ties import ties_file

__all__ = ["command"]


@click.command(
    "graph",
    cls=AurCommand,
    examples=(
        ("aur mem graph src/scheduler.py", "The files that it uses, that use it, and that change with it."),
        ("aur mem graph src/scheduler.py --svg > ties.svg", "The same as a picture."),
        ("aur mem graph src/scheduler.py --limit 5 --json", "The five strongest ties, as JSON."),
    ),
)
@click.argument("file", help="A file, from the current folder or from the project's.")
@click.option("--limit", type=click.IntRange(1, 1000), default=24, show_default=True, help="Maximum number of ties.")
@click.option("--svg", is_flag=True, help="Print a picture, as one file that loads nothing; redirect it.")
@json_option
def command(*, file: str, limit: int, svg: bool, as_json: bool) -> int:
    """Show what a file is tied to.

    Files are tied by imports, by calls of names that few files define, and by commits that changed both. The stronger
    a tie, the more a file in use brings the other one up in searches. The exit status is 1 if there is no tie, and 2
    if the file is not in the memory.
    """
    from aurora_core.lookup import file_of

    if svg and as_json:
        raise click.UsageError("--svg and --json exclude each other")
    with wiring.open_memory_of_agent().open_memory() as memory:
        path = file_of(memory, file, folder=Path.cwd())
        found = memory.ties(path)
    shown, more = found[:limit], len(found[limit:])
    if svg:
        emit_bytes(ties_file(path, shown, more=more).encode())
    elif as_json:
        emit_json(Schema.TIES, rendered.as_document(path, shown, more=more))
    else:
        for line in rendered.as_lines(path, shown, more=more):
            emit(line)
    if found:
        return ExitCode.DONE
    note("nothing ties it to another file of the memory")
    return ExitCode.NOT_REACHED
