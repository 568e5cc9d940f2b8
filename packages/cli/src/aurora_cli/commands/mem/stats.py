"""`aur mem stats`: show what is indexed and what is left out."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
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
        ("aur mem stats", "Files, chunks, languages, size, and the files that are left out."),
        ("aur mem stats --json", "The counts as JSON."),
    ),
)
@json_option
def command(*, as_json: bool) -> int:
    """Show what is indexed and what is left out.

    Left out are files that git ignores, folders of tools, untracked folders with names of build output, linked
    worktrees, and files that are binary, generated, minified, over 600 kB or of an unsupported type.
    """
    with wiring.open_existing().open_memory() as memory:
        stats = memory.stats()
    if as_json:
        emit_json(Schema.MEMORY_STATS, as_document(stats))
    else:
        emit(as_text(stats))
    return ExitCode.DONE
