"""Cuts text without a grammar into chunks: Markdown by section, other text and source by paragraph."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_core.chunking.chunk import Chunk, ChunkKind, SymbolType, split_long

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["chunk_markdown", "chunk_source", "chunk_text"]

_HEADING: Final = re.compile(r"#{1,6}\s")
_FENCE: Final = re.compile(r"^\s{0,3}(```|~~~)")
# Paragraphs are joined until they have this many lines, so that a list of one-liners is one chunk.
PARAGRAPH_LINES: Final = 12
# About the length of a function with its neighbours.
SOURCE_LINES: Final = 30
MAX_NAME: Final = 80
_SYMBOLS: Final = {
    ChunkKind.KB: SymbolType.SECTION,
    ChunkKind.DOC: SymbolType.PARAGRAPH,
    ChunkKind.CODE: SymbolType.PARAGRAPH,
}


def chunk_markdown(text: str, stem: str) -> list[Chunk]:
    """Returns a chunk for each heading with the text below it, up to the next heading of any level."""
    lines = text.split("\n")
    starts = list(_headings(lines))
    if not starts or starts[0][0] > 0:
        starts.insert(0, (0, stem))
    chunks = []
    for at, (first, name) in enumerate(starts):
        last = starts[at + 1][0] - 1 if at + 1 < len(starts) else len(lines) - 1
        chunks += _chunk(lines[first : last + 1], first, name, ChunkKind.KB)
    return chunks


def _headings(lines: list[str]) -> Iterator[tuple[int, str]]:
    fence = ""
    for row, line in enumerate(lines):
        if match := _FENCE.match(line):
            fence = "" if fence == match.group(1) else fence or match.group(1)
        elif not fence and _HEADING.match(line):
            yield row, line.lstrip("#").strip().rstrip("#").rstrip()[:MAX_NAME]


def chunk_text(text: str, stem: str) -> list[Chunk]:
    """Returns paragraphs as chunks, short neighbours joined."""
    return [
        chunk
        for first, piece in _paragraphs(text.split("\n"), PARAGRAPH_LINES)
        for chunk in _chunk(piece, first, _title(piece, stem), ChunkKind.DOC)
    ]


def chunk_source(text: str, stem: str) -> list[Chunk]:
    """Returns the paragraphs of a program in a language without a grammar, short neighbours joined."""
    return [
        chunk
        for first, piece in _paragraphs(text.split("\n"), SOURCE_LINES)
        for chunk in _chunk(piece, first, stem, ChunkKind.CODE)
    ]


def _paragraphs(lines: list[str], least: int) -> Iterator[tuple[int, list[str]]]:
    """Yields the first row and the lines of runs that end with a blank line and have at least so many lines."""
    first = 0
    for row, line in enumerate(lines):
        full = row - first + 1 >= least and not line.strip()
        if full or row == len(lines) - 1:
            yield first, lines[first : row + 1]
            first = row + 1


def _title(lines: list[str], stem: str) -> str:
    return next((line.strip()[:MAX_NAME] for line in lines if any(c.isalnum() for c in line)), stem)


def _chunk(lines: list[str], first: int, name: str, kind: ChunkKind) -> list[Chunk]:
    """Returns a run of lines, whose first is `first`, without blank lines around it."""
    filled = [row for row, line in enumerate(lines) if line.strip()]
    if not filled:
        return []
    chunk = Chunk(
        kind=kind,
        symbol_type=_SYMBOLS[kind],
        name=name,
        line_start=first + filled[0] + 1,
        line_end=first + filled[-1] + 1,
        content="\n".join(lines[filled[0] : filled[-1] + 1]),
    )
    return split_long(chunk)
