"""Counts of the living chunks that have a term of a query, and the choice of the terms that tell most.

A pasted issue has hundreds of terms, of which twenty are searched for. The heaviest are looked up first, and no more
than can be among the twenty. The length of a posting list is known without reading it; only where removed chunks
make the number of living ones doubtful, and the doubt matters, is the list itself read.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from aurora_core.index.bm25 import MAX_QUERY_TERMS, choose_terms, idf
from aurora_core.index.segments import read_postings

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from aurora_core.index.segments import Postings

__all__ = ["Frequencies"]

# Terms that are looked up at once.
BATCH: Final = 40
# The order of the joins is given, because a segment has far more terms than a query.
_LENGTHS: Final = """
    SELECT term, segment, length(entries) / 6
    FROM segments CROSS JOIN json_each(?) CROSS JOIN postings ON segment = segments.id AND term = value
"""


class Frequencies:
    """The terms of one query in one index.

    Args:
        starts: offset of each segment in `alive`, by the segment's id.
        alive: (n,) False for removed chunks.
        removed: number of removed chunks, by the segment's id.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        starts: Mapping[int, int],
        alive: NDArray[np.bool_],
        removed: Mapping[int, int],
    ) -> None:
        self._connection = connection
        self._starts = starts
        self._alive = alive
        self._removed = removed
        self._documents = len(alive) - sum(removed.values())
        self._postings: dict[str, list[tuple[int, Postings]]] = {}
        self._known: set[str] = set()
        # Of the terms looked up so far: the largest number of living chunks that can have each, and by how many
        # fewer it may be.
        self._most: dict[str, int] = {}
        self._doubtful: dict[str, int] = {}

    def postings(self, term: str) -> list[tuple[int, Postings]]:
        """Returns for each segment that has a term: the segment's id and the postings."""
        if term not in self._postings:
            self._postings[term] = read_postings(self._connection, term)
        return self._postings[term]

    def known(self, terms: Sequence[str]) -> list[str]:
        """Returns the terms that the index has."""
        self._look_up(terms)
        return [term for term in terms if term in self._known]

    def idfs(self, terms: Sequence[str]) -> dict[str, float]:
        """Returns the inverse document frequency of each term among the living chunks."""
        self._look_up(terms)
        return {term: self._idf(term) for term in terms}

    def chosen(self, weights: Mapping[str, float]) -> Sequence[str]:
        """Returns the query's most informative terms that the index has.

        Words that no file has are the most telling. They take the places of others, which keeps long issue texts
        short; where they take all places, only the known words are chosen.
        """
        known = [term for term in self._choice(weights) if term in self._known]
        if known:
            return known
        self._look_up(list(weights))
        return self._choice({term: weight for term, weight in weights.items() if term in self._known})

    def _look_up(self, terms: Sequence[str]) -> None:
        new = sorted({term for term in terms if term not in self._most})
        if not new:
            return
        self._most |= dict.fromkeys(new, 0)
        for term, segment, count in self._connection.execute(_LENGTHS, (json.dumps(new),)):
            self._known.add(term)
            self._most[term] += count
            self._doubtful[term] = self._doubtful.get(term, 0) + min(count, self._removed[segment])

    def _idf(self, term: str) -> float:
        if self._doubtful.get(term):
            living = sum(int(self._alive[p.places + self._starts[s]].sum()) for s, p in self.postings(term))
            self._most[term], self._doubtful[term] = living, 0
        return idf(self._documents, self._most[term])

    def _choice(self, weights: Mapping[str, float]) -> Sequence[str]:
        """Returns what `choose_terms` does, without the exact frequencies of all terms."""
        rarest = idf(self._documents, 0)
        ordered = sorted(weights, key=lambda term: -weights[term])
        least: dict[str, float] = {}
        enough = 0.0
        for start in range(0, len(ordered), BATCH):
            batch = ordered[start : start + BATCH]
            if weights[batch[0]] * rarest < enough:
                break
            self._look_up(batch)
            least |= {term: weights[term] * idf(self._documents, self._most[term]) for term in batch}
            enough = (
                sorted(least.values(), reverse=True)[:MAX_QUERY_TERMS][-1] if len(least) >= MAX_QUERY_TERMS else 0
            )
        hopeful = [term for term in weights if term in least and self._highest(term, weights[term]) >= enough]
        return choose_terms({term: weights[term] for term in hopeful}, {term: self._idf(term) for term in hopeful})

    def _highest(self, term: str, weight: float) -> float:
        return weight * idf(self._documents, self._most[term] - self._doubtful.get(term, 0))
