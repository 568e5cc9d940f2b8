"""A query → the chunks and files that matter, with every part of their scores."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from aurora_core.index.bm25 import choose_terms, idf, query_weights, term_scores
from aurora_core.index.segments import read_postings, read_segments
from aurora_core.tokens import terms

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from aurora_core.index.segments import Segment

__all__ = ["Rarity", "Searcher", "by_file"]

# Tests repeat the words of what they test; unless tests are asked for, the tested code matters more.
TEST_WEIGHT: Final = 0.4
_TEST_TERMS: Final = frozenset(terms("test tests testing unittest pytest spec"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rarity:
    """How rare terms are in a memory.

    Attributes:
        documents: chunks in the memory.
        containing: chunks that have the term, by term.
    """

    documents: int
    containing: Mapping[str, int]

    def idf(self, term: str) -> float:
        """Inverse document frequency; largest for a term that no chunk has."""
        return idf(self.documents, self.containing.get(term, 0))

    def unknown(self, term: str) -> bool:
        """Whether no chunk has the term."""
        return self.containing.get(term, 0) == 0


@dataclass(frozen=True, slots=True)
class _Arrays:
    """All segments' arrays one after another; `starts` says where each segment begins."""

    generation: int
    starts: Mapping[int, int]
    ids: NDArray[np.int64]
    lengths: NDArray[np.int32]
    kinds: NDArray[np.uint8]
    tests: NDArray[np.uint8]
    alive: NDArray[np.bool_]
    mean_length: float

    @property
    def documents(self) -> int:
        return int(self.alive.sum())


class Searcher:
    """Scores chunks; keeps the index's small arrays between queries and reads them again after a change."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._arrays: _Arrays | None = None

    def scores(self, query: str, kinds: Collection[int], limit: int) -> list[tuple[int, float]]:
        """The best chunks as (id, BM25F score), best first; equal scores in the order of their ids.

        Args:
            kinds: places in `ChunkKind` of the kinds wanted.
        """
        arrays = self._current()
        if not arrays.documents:
            return []
        weights = query_weights(query)
        total = self._sum(arrays, weights)
        if not _TEST_TERMS & set(weights):
            total = np.where(arrays.tests == 1, total * np.float32(TEST_WEIGHT), total)
        total = np.where(arrays.alive & np.isin(arrays.kinds, list(kinds)), total, np.float32(0))
        return _best(arrays.ids, total, limit)

    def _sum(self, arrays: _Arrays, weights: Mapping[str, float]) -> NDArray[np.float32]:
        postings = {term: list(read_postings(self._connection, term)) for term in weights}
        idfs = {term: idf(arrays.documents, sum(len(p) for _, p, _ in found)) for term, found in postings.items()}
        total = np.zeros(len(arrays.ids), dtype=np.float32)
        for term in choose_terms(weights, idfs):
            for segment, places, frequencies in postings[term]:
                at = places + arrays.starts[segment]
                gain = term_scores(frequencies, arrays.lengths[at], arrays.mean_length)
                total[at] += np.float32(weights[term] * idfs[term]) * gain
        return total

    def containing(self, term: str) -> list[int]:
        """Ids of the chunks that have a term, ascending."""
        arrays = self._current()
        found: list[int] = []
        for segment, places, _ in read_postings(self._connection, term):
            at = places + arrays.starts[segment]
            found += arrays.ids[at][arrays.alive[at]].tolist()
        return sorted(found)

    def rarity(self, wanted: Iterable[str]) -> Rarity:
        """How many chunks have each term."""
        return Rarity(
            documents=self._current().documents,
            containing={term: len(self.containing(term)) for term in wanted},
        )

    def _current(self) -> _Arrays:
        generation = self._connection.execute("PRAGMA data_version").fetchone()[0] * 1_000_003
        generation += self._connection.total_changes
        if self._arrays is None or self._arrays.generation != generation:
            self._arrays = _joined(read_segments(self._connection), generation)
        return self._arrays


def _joined(segments: Sequence[Segment], generation: int) -> _Arrays:
    starts: dict[int, int] = {}
    at = 0
    for segment in segments:
        starts[segment.id] = at
        at += len(segment.ids)
    empty = [np.zeros(0, dtype=np.int64)]
    lengths = np.concatenate([s.lengths for s in segments] or empty).astype(np.int32)
    alive = np.concatenate([s.dead for s in segments] or empty) == 0
    return _Arrays(
        generation=generation,
        starts=starts,
        ids=np.concatenate([s.ids for s in segments] or empty),
        lengths=lengths,
        kinds=np.concatenate([s.kinds for s in segments] or empty).astype(np.uint8),
        tests=np.concatenate([s.tests for s in segments] or empty).astype(np.uint8),
        alive=alive,
        mean_length=float(lengths[alive].mean()) if alive.any() else 1.0,
    )


def _best(ids: NDArray[np.int64], total: NDArray[np.float32], limit: int) -> list[tuple[int, float]]:
    positive = np.flatnonzero(total > 0)
    if len(positive) > limit:
        threshold = np.partition(total[positive], len(positive) - limit)[len(positive) - limit]
        positive = positive[total[positive] >= threshold]
    order = np.lexsort((ids[positive], -total[positive]))[:limit]
    return [(int(ids[p]), float(total[p])) for p in positive[order]]


def by_file(scored: Iterable[tuple[str, float]]) -> list[tuple[str, float]]:
    """Files from their chunks' scores, best first: Σ 2^-rank · score over a file's chunks in falling order."""
    found: dict[str, list[float]] = defaultdict(list)
    for file, score in scored:
        found[file].append(score)
    totals = {
        file: sum(score * 0.5**rank for rank, score in enumerate(sorted(scores, reverse=True)))
        for file, scores in found.items()
    }
    return sorted(totals.items(), key=lambda item: (-item[1], item[0]))
