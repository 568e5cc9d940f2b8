"""What the memory answers with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aurora_core.chunking import ChunkKind, SymbolType
    from aurora_core.ranking import HitScores
    from aurora_core.report import LeftOutGroup
    from aurora_core.store.files import StoredChunk
    from aurora_core.store.reasoning import Reasoning

__all__ = ["FileHit", "Hit", "MemoryStats", "Reference", "hit_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A chunk that matches.

    Attributes:
        chunk_id: names the chunk until its file changes.
        file: from the project's root, with forward slashes.
        line_start: counted from 1.
        line_end: included.
        name: qualified, as `Class.method`; a heading for a section.
        symbol_type: what the name names, as `SymbolType` has it.
        content: the lines as they were indexed.
        signature: of a definition, in one line; None for anything else.
        bm25_score: share of the best match's, 0 to 1.
        activation_score: 0 for what was never used, up to 1.
        semantic_score: cosine with the query, 0 where there are no vectors.
        reasoning: for an earlier answer: where it comes from; None for anything else.
        hybrid_score: what hits are ordered by: bm25_score + 0.2 · its file's share + 0.1 · activation_score
            (other presets of activation weigh it 0.05 to 0.2) + 0.3 · semantic_score.
        stale: the file has changed since, and the memory could not be written to follow it.
    """

    chunk_id: str
    file: str
    line_start: int
    line_end: int
    name: str
    kind: ChunkKind
    symbol_type: SymbolType
    content: str
    signature: str | None
    bm25_score: float
    activation_score: float
    semantic_score: float
    hybrid_score: float
    reasoning: Reasoning | None = None
    stale: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileHit:
    """A file that matches; score is the share of the best file's, 0 to 1, stale as in `Hit`."""

    file: str
    score: float
    stale: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A line that uses a symbol.

    Attributes:
        name: the definition that the line stands in.
        text: the line without the white space around it.
        stale: as in `Hit`.
    """

    file: str
    line: int
    name: str
    text: str
    stale: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryStats:
    """What the memory holds.

    Attributes:
        by_kind: chunks by kind.
        languages: files by the ending of their name.
        last_indexed_at: Unix seconds; None before the first time.
        left_out: what the last look at the whole project left out of the index, by reason, most first.
    """

    files: int
    chunks: int
    by_kind: dict[str, int]
    languages: dict[str, int]
    database_bytes: int
    schema_version: int
    last_indexed_at: float | None
    left_out: tuple[LeftOutGroup, ...] = ()


def hit_of(chunk: StoredChunk, scores: HitScores) -> Hit:
    """Returns a stored chunk as a hit with its scores."""
    return Hit(
        chunk_id=str(chunk.id),
        file=chunk.file,
        line_start=chunk.line_start,
        line_end=chunk.line_end,
        name=chunk.name,
        kind=chunk.kind,
        symbol_type=chunk.symbol_type,
        content=chunk.content,
        signature=chunk.signature or None,
        bm25_score=scores.bm25,
        activation_score=scores.activation,
        semantic_score=scores.semantic,
        hybrid_score=scores.hybrid,
    )
