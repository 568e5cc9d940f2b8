"""A chunk: a run of lines of one file that is meaningful by itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

__all__ = ["DEFINING", "KINDS", "MAX_LINES", "Chunk", "ChunkKind", "SymbolType", "split_long"]

MAX_LINES: Final = 150


class ChunkKind(StrEnum):
    """The kind of content of a chunk."""

    CODE = "code"
    KB = "kb"  # a section of a document written for readers, such as Markdown
    DOC = "doc"  # other text: prose without sections, data, markup, settings
    REAS = "reas"  # an earlier answer, with its sources


# The number of each kind in the index.
KINDS: Final = {kind: place for place, kind in enumerate(ChunkKind)}


class SymbolType(StrEnum):
    """The type of the symbol that a chunk is named after."""

    FUNCTION = "function"
    METHOD = "method"
    CLASS = "class"
    CONSTANT = "constant"
    MODULE = "module"
    SECTION = "section"
    PARAGRAPH = "paragraph"
    REASONING = "reasoning"


DEFINING: Final = frozenset({SymbolType.FUNCTION, SymbolType.METHOD, SymbolType.CLASS, SymbolType.CONSTANT})
"""The types of symbols that other code can name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A run of lines.

    Attributes:
        name: qualified by the enclosing definitions, as `Class.method`; a heading for a section.
        line_start: first line, counted from 1.
        line_end: last line, included.
        content: the lines, unchanged.
        signature: of a definition, up to its body, on one line; "" for other chunks.
    """

    kind: ChunkKind
    symbol_type: SymbolType
    name: str
    line_start: int
    line_end: int
    content: str
    signature: str = ""


def split_long(chunk: Chunk) -> list[Chunk]:
    """Returns the chunk, or pieces of at most 150 lines that keep its name and signature."""
    lines = chunk.content.split("\n")
    if len(lines) <= MAX_LINES:
        return [chunk]
    return [
        Chunk(
            kind=chunk.kind,
            symbol_type=chunk.symbol_type,
            name=chunk.name,
            line_start=chunk.line_start + at,
            line_end=chunk.line_start + at + len(lines[at : at + MAX_LINES]) - 1,
            content="\n".join(lines[at : at + MAX_LINES]),
            signature=chunk.signature,
        )
        for at in range(0, len(lines), MAX_LINES)
    ]
