"""Latent semantic analysis of files, tried and left out: the ablation measures what it would earn.

Deerwester et al. 1990: the files' tf-idf vectors projected on their strongest directions; a query is folded in the
same way, and its cosine with each file is one more part of the file's score.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from aurora_core.index.bm25 import query_weights
from aurora_core.ranking import shares
from aurora_core.search import Searcher

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

# The directions are found from so many files and terms at most, evenly drawn; all files are folded in.
SAMPLE_FILES = 2000
TERMS = 8000


@dataclass(frozen=True)
class Space:
    """Terms with their places, their idf, (terms, d) directions and the files' unit vectors (files, d)."""

    places: dict[str, int]
    idf: NDArray[np.float32]
    directions: NDArray[np.float32]
    files: NDArray[np.float32]

    def cosines(self, query: str) -> NDArray[np.float32]:
        vector = np.zeros(len(self.places), dtype=np.float32)
        for term, weight in query_weights(query).items():
            if term in self.places:
                vector[self.places[term]] = (1 + np.log(weight)) * self.idf[self.places[term]] if weight >= 1 else 0
        folded = vector @ self.directions
        length = float(np.linalg.norm(folded))
        return (
            np.maximum(self.files @ (folded / length), 0) if length else np.zeros(len(self.files), dtype=np.float32)
        )


def fitted(searcher: Searcher, arrays: Any, dimensions: int) -> Space:
    count = len(arrays.paths)
    columns: dict[str, tuple[Any, Any]] = {}
    frequencies: dict[str, Any] = {}
    for term, segment, entries in searcher._connection.execute("SELECT term, segment, entries FROM postings"):  # noqa: SLF001
        df = len(entries) // 6
        at = np.frombuffer(entries, dtype="<i4", count=df) + arrays.starts[segment]
        body = np.frombuffer(entries, dtype=np.uint8, count=df, offset=4 * df).astype(float)
        alive = arrays.alive[at]
        found = np.bincount(arrays.files[at][alive], body[alive], minlength=count)
        frequencies[term] = frequencies.get(term, 0) + found
    for term, found in frequencies.items():
        files = np.flatnonzero(found)
        if 2 <= len(files) <= count / 2:
            columns[term] = (files, found[files])
    chosen = sorted(columns, key=lambda term: -len(columns[term][0]))[:TERMS]
    idf = np.array([np.log(count / len(columns[term][0])) for term in chosen], dtype=np.float32)
    matrix = np.zeros((count, len(chosen)), dtype=np.float32)
    for place, term in enumerate(chosen):
        files, found = columns[term]
        matrix[files, place] = (1 + np.log(np.maximum(found, 1))) * idf[place]
    matrix /= np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-9)
    sample = matrix[np.linspace(0, count - 1, min(count, SAMPLE_FILES)).astype(int)]
    values, vectors = np.linalg.eigh(sample @ sample.T)
    keep = np.argsort(-values)[:dimensions]
    keep = keep[values[keep] > 1e-4]
    directions = sample.T @ (vectors[:, keep] / np.sqrt(values[keep]))
    folded = matrix @ directions
    folded /= np.maximum(np.linalg.norm(folded, axis=1, keepdims=True), 1e-9)
    places = {term: place for place, term in enumerate(chosen)}
    return Space(places, idf, directions.astype(np.float32), folded.astype(np.float32))


@contextmanager
def added(*, weight: float, dimensions: int) -> Iterator[None]:
    """While the block runs, every file that matches also gets `weight` times its share of the best cosine."""
    plain = Searcher._file_scores  # noqa: SLF001
    spaces: dict[int, Space] = {}

    def scored(self: Searcher, arrays: Any, query: str, matches: Any, weights: Any) -> NDArray[np.float32]:
        if id(self) not in spaces:
            spaces[id(self)] = fitted(self, arrays, dimensions)
        scores = plain(self, arrays, query, matches, weights)
        more = np.float32(weight) * shares(spaces[id(self)].cosines(query))
        return np.where(scores > 0, scores + more, np.float32(0)).astype(np.float32)

    Searcher._file_scores = scored  # type: ignore[method-assign]  # noqa: SLF001
    try:
        yield
    finally:
        Searcher._file_scores = plain  # type: ignore[method-assign]  # noqa: SLF001
