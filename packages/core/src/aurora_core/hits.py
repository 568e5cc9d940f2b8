"""The types that the memory answers with."""

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
        chunk_id: identifies the chunk until its file changes.
        file: from the project's root, with forward slashes.
        line_start: first line, counted from 1.
        line_end: last line, included.
        name: qualified, as `Class.method`; a heading for a section.
        symbol_type: type of the named symbol.
        content: the lines as indexed.
        signature: of a definition, on one line; None for other chunks.
        bm25_score: share of the best match's score, 0 to 1.
        activation_score: 0 for a chunk that was never used, up to 1.
        semantic_score: cosine with the query; 0 without vectors.
        reasoning: the origin of an earlier answer; None for other chunks.
        hybrid_score: the sum that orders hits: bm25_score + 0.2 · the file's share + 0.1 · activation_score (0.05 to
            0.2 by preset) + standing · (name_score + 0.3 · semantic_score); the standing is 1, and lower for tests,
            documents, and what is left of files and types.
        name_score: agreement of the name's words with the query's, 0 to 1; 0 for what defines nothing.
        stale: True if the file has changed since and the memory could not be updated.
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
    name_score: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FileHit:
    """A file that matches; score is a share of the best file's score, 0 to 1; stale as in `Hit`."""

    file: str
    score: float
    stale: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A line that uses a symbol.

    Attributes:
        name: the definition that contains the line.
        text: the line without surrounding white space.
        stale: as in `Hit`.
        certain: False if the line may use something else of that name.
    """

    file: str
    line: int
    name: str
    text: str
    stale: bool = False
    certain: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Tie:
    """The ties of a file to another one.

    Attributes:
        file: the other one.
        imports: it is imported; `imported_by` the other way round.
        calls: the number of names called that it defines; `called_by` the other way round.
        together: the number of commits that changed both; 0 if only one did, which may be chance.
        strength: above 0 up to 1, the weight of the stronger edge between the two, as activation spreads along it.
    """

    file: str
    imports: bool
    imported_by: bool
    calls: int
    called_by: int
    together: int
    strength: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryStats:
    """Counts and sizes of a memory.

    Attributes:
        by_kind: number of chunks by kind.
        languages: number of files by suffix.
        last_indexed_at: Unix seconds; None before the first index.
        left_out: files that the last index of the whole project left out, by reason, most frequent first.
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
        name_score=scores.name,
    )
