"""Text and JSON of chunks that a search found."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

from aurora_cli.render.words import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_core import Hit, Reasoning

__all__ = ["STALE", "as_document", "as_lines", "heading", "numbered"]

STALE: Final = "stale: changed since it was indexed"


def as_lines(hits: Sequence[Hit], *, scores: bool, content: bool) -> Iterator[str]:
    """Yields each hit as its place and name, then one line of its text, or all of it."""
    for hit in hits:
        number = f", chunk {hit.chunk_id}" if hit.kind.value == "reas" else ""  # what `mem forget` takes
        stale = f", {STALE}" if hit.stale else ""
        yield f"{heading(hit)}  ({hit.symbol_type}, {hit.hybrid_score:.3f}{number}{stale})"
        if scores:
            yield (
                f"    bm25 {hit.bm25_score:.3f}  name {hit.name_score:.3f}  activation {hit.activation_score:.3f}  "
                f"semantic {hit.semantic_score:.3f}  hybrid {hit.hybrid_score:.3f}"
            )
        if hit.reasoning:
            yield f"    from {_origin(hit.reasoning)}"
        yield from numbered(hit) if content else (f"    {_first_line(hit)}",)


def _origin(reasoning: Reasoning) -> str:
    day = f", {datetime.fromtimestamp(reasoning.created_at, UTC):%Y-%m-%d}" if reasoning.created_at else ""
    where = f", {one_line(reasoning.project)}" if reasoning.project else ""
    return f"{one_line(reasoning.run_id)}{day}{where}, score {reasoning.score:.2f}"


def heading(hit: Hit) -> str:
    """Returns the place and the name of a chunk."""
    place = click.style(f"{printable(hit.file)}:{hit.line_start}-{hit.line_end}", fg="cyan")
    return f"{place}  {click.style(one_line(hit.name), bold=True)}"


def numbered(hit: Hit) -> Iterator[str]:
    """Yields a chunk's text with the line numbers of its file, and an empty line."""
    for number, line in enumerate(hit.content.splitlines(), start=hit.line_start):
        yield f"{number:>7}  {printable(line)}"
    yield ""


def as_document(query: str, hits: Sequence[Hit]) -> dict[str, object]:
    """Returns the hits, best first, as data for `--json`."""
    return {"query": query, "hits": [_row(hit) for hit in hits]}


def _row(hit: Hit) -> dict[str, object]:
    return {
        "chunk_id": hit.chunk_id,
        "file": hit.file,
        "line_start": hit.line_start,
        "line_end": hit.line_end,
        "name": hit.name,
        "kind": str(hit.kind.value),
        "symbol_type": hit.symbol_type,
        "signature": hit.signature,
        "content": hit.content,
        "bm25_score": hit.bm25_score,
        "name_score": hit.name_score,
        "activation_score": hit.activation_score,
        "semantic_score": hit.semantic_score,
        "hybrid_score": hit.hybrid_score,
        "stale": hit.stale,
        "reasoning": hit.reasoning and _provenance(hit.reasoning),
    }


def _provenance(reasoning: Reasoning) -> dict[str, object]:
    return {
        "run_id": reasoning.run_id,
        "project": reasoning.project,
        "created_at": reasoning.created_at,
        "score": reasoning.score,
        "sources": list(reasoning.sources),
    }


def _first_line(hit: Hit) -> str:
    text = hit.signature or next((line for line in hit.content.splitlines() if line.strip()), "")
    return one_line(text)
