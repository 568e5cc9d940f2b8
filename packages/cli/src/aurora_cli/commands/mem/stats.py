"""`aur mem stats`: show what the memory holds."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json
from aurora_cli.render.stats import as_document, as_text

__all__ = ["command"]


@click.command(
    "stats",
    cls=AurCommand,
    examples=(
        ("aur mem stats", "Files, chunks by kind, languages, size; and what was left out, and why."),
        ("aur mem stats --json", "The same for a program."),
    ),
)
@json_option
def command(*, as_json: bool) -> int:
    """Show what the memory holds, and what was left out of it.

    Left out are what git ignores, folders of tools, folders with generated names that git does not track, linked
    worktrees, and files that are binary, generated, minified, over 600 kB or of no kind that is indexed.
    """
    with wiring.open_existing().open_memory() as memory:
        stats = memory.stats()
    if as_json:
        emit_json(as_document(stats))
    else:
        emit(as_text(stats))
    return ExitCode.DONE
