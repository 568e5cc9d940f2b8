"""Ranks chunks for a query: by their words, by earlier use and, with an embedding model, by meaning."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from aurora_core.chunking import ChunkKind, SymbolType
from aurora_core.chunking.chunk import DEFINING, KINDS
from aurora_core.hits import Hit, hit_of
from aurora_core.ranking import Closeness, hit_scores
from aurora_core.store.files import chunks_by_id, described_chunks, symbol_key
from aurora_core.store.reasoning import reasonings_by_id

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from aurora_core.access_log import AccessLog
    from aurora_core.search import Searcher
    from aurora_core.semantic import SemanticIndex
    from aurora_core.store.files import DescribedChunk, StoredChunk

__all__ = ["WITHOUT_REASONING", "HitSearch"]

WITHOUT_REASONING: Final = (ChunkKind.CODE, ChunkKind.KB, ChunkKind.DOC)
"""All kinds but earlier answers."""
# A name may bring a chunk forward that its words alone put this far back; 300 gave no better answers.
CANDIDATES: Final = 60
# So many of the nearest chunks join those that share words with the query.
SEMANTIC_CANDIDATES: Final = 40
# Of these, the best chunk stands for all chunks of the symbol.
_ONCE: Final = DEFINING | {SymbolType.MODULE}


@dataclass(frozen=True, slots=True, kw_only=True)
class HitSearch:
    """Ranks the chunks of one memory.

    Attributes:
        semantic: None without an embedding model.
        activation_weight: the weight of earlier use in a hit's score.
    """

    connection: sqlite3.Connection
    searcher: Searcher
    semantic: SemanticIndex | None
    access_log: AccessLog
    activation_weight: float

    def ranked(self, query: str, limit: int, kinds: Sequence[ChunkKind], min_score: float, now: float) -> list[Hit]:
        """Returns the chunks that match best, as the index has them, best first.

        Args:
            min_score: leave out hits with a lower hybrid_score.
            now: Unix seconds.
        """
        matches = self.searcher.scores(query, [KINDS[kind] for kind in kinds], max(limit * 6, CANDIDATES))
        lexical = [number for number, _, _ in matches]
        cosines = self.semantic.cosines(query, lexical, SEMANTIC_CANDIDATES) if self.semantic else {}
        candidates = list(dict.fromkeys([*lexical, *cosines]))
        described = described_chunks(self.connection, candidates)
        activations = self.access_log.activations(described, query, now)
        closeness = Closeness(
            cosines=cosines,
            names=self._names(query, described),
            standings=self.searcher.standings(query, candidates),
        )
        ranked = hit_scores(matches, closeness, activations, activation_weight=self.activation_weight)
        chunks = self._of_kinds(kinds, [each.chunk for each in ranked], described, limit)
        reasonings = reasonings_by_id(self.connection, [n for n, c in chunks.items() if c.kind is ChunkKind.REAS])
        return [
            replace(hit_of(chunks[each.chunk], each), reasoning=reasonings.get(each.chunk))
            for each in ranked
            if each.hybrid >= min_score and each.chunk in chunks
        ]

    def _names(self, query: str, described: Mapping[int, DescribedChunk]) -> dict[int, float]:
        """Returns the agreement of the names of definitions with a query, by chunk id."""
        similar = self.semantic.alike if self.semantic else None
        numbers, found = self.searcher.name_agreements(query, described, similar)
        return dict(zip(numbers, found.tolist(), strict=True))

    def _of_kinds(
        self, kinds: Sequence[ChunkKind], numbers: Sequence[int], described: Mapping[int, DescribedChunk], limit: int
    ) -> dict[int, StoredChunk]:
        """Returns the first chunks of some kinds, one for each symbol: a long function is several chunks.

        The nearest by meaning are found among all kinds.
        """
        chosen: dict[object, int] = {}
        for number in numbers:
            chunk = described.get(number)
            if chunk is not None and chunk.kind in kinds:
                symbol = symbol_key(chunk) if chunk.symbol_type in _ONCE else number
                chosen.setdefault(symbol, number)
        return chunks_by_id(self.connection, list(chosen.values())[:limit])
