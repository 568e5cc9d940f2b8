"""Text and JSON of a symbol: its definitions, then the lines that call it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aurora_cli.render import hits
from aurora_cli.render.words import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_core import Hit, Reference

__all__ = ["as_document", "as_lines"]


def as_lines(definitions: Sequence[Hit], callers: Sequence[Reference]) -> Iterator[str]:
    """Yields each definition with its text, then one line per call."""
    for hit in definitions:
        yield f"{hits.heading(hit)}  ({hit.symbol_type}{_staleness(stale=hit.stale)})"
        yield from hits.numbered(hit)
    if callers:
        yield "called by"
    for caller in callers:
        place = click.style(f"{printable(caller.file)}:{caller.line}", fg="cyan")
        doubt = "" if caller.certain else ", perhaps"
        yield f"  {place}{doubt}{_staleness(stale=caller.stale)}  {one_line(caller.name)}: {one_line(caller.text)}"


def as_document(name: str, definitions: Sequence[Hit], callers: Sequence[Reference]) -> dict[str, object]:
    """Returns a symbol as data for `--json`."""
    return {
        "name": name,
        "definitions": [
            {
                "chunk_id": hit.chunk_id,
                "file": hit.file,
                "line_start": hit.line_start,
                "line_end": hit.line_end,
                "name": hit.name,
                "symbol_type": hit.symbol_type,
                "signature": hit.signature,
                "content": hit.content,
                "stale": hit.stale,
            }
            for hit in definitions
        ],
        "callers": [
            {
                "file": caller.file,
                "line": caller.line,
                "name": caller.name,
                "text": caller.text,
                "stale": caller.stale,
                "certain": caller.certain,
            }
            for caller in callers
        ],
    }


def _staleness(*, stale: bool) -> str:
    return f", {hits.STALE}" if stale else ""
