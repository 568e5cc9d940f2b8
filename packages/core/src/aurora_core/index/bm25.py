"""BM25F: the frequencies of a term in a chunk's fields, combined and saturated.

Robertson and Zaragoza 2009, with the fields combined into one frequency before saturation:
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from aurora_core.index.abbreviations import RELATED
from aurora_core.tokens import STOP_TERMS, terms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = [
    "BALANCED",
    "CHUNK",
    "SINGLE",
    "FieldWeights",
    "choose_terms",
    "idf",
    "path_frequencies",
    "query_weights",
    "saturated",
]

K1: Final = 1.2
MAX_QUERY_TERMS: Final = 20
# Each is looked up in the index, before the most informative are chosen.
MAX_DISTINCT_TERMS: Final = 1_000
MAX_QUERY_FREQUENCY: Final = 2
TITLE_WEIGHT: Final = 6
RELATED_WEIGHT: Final = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldWeights:
    """The weight of a term by its field; in the body it is 1.

    Attributes:
        b: penalty for long chunks, 0 to 1.
    """

    path: float
    name: float
    b: float


# Among chunks the name tells most; all chunks of a file share its path.
CHUNK: Final = FieldWeights(path=1, name=4, b=0.75)
# For the ranking of files.
BALANCED: Final = FieldWeights(path=5, name=4, b=0.5)
# For the one best chunk of a file, where a long chunk has more chances by its length alone.
SINGLE: Final = FieldWeights(path=4, name=1, b=0.75)


def path_frequencies(path: str) -> Counter[str]:
    """Returns the frequencies of a path's terms; the file's own name counts twice.

    Single letters are left out: `.c` and `x/` would match every formula and every variable of a query.
    """
    stem = path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return Counter(term for term in terms(f"{path} {stem}") if len(term) > 1)


def query_weights(query: str) -> Mapping[str, float]:
    """Returns the weight of each term of a query: 6 for each use in the title, its first line; below, at most 2.

    A title sums a request up; the body of an issue repeats versions, paths and output. Stop words are left out,
    unless the query has only stop words. A word brings its short forms, and a short form its word, at a share of its
    weight. Of more than `MAX_DISTINCT_TERMS`, the heaviest count: those of the title and what is repeated.
    """
    title, _, body = query.partition("\n")
    counts = {term: float(min(count, MAX_QUERY_FREQUENCY)) for term, count in Counter(terms(body)).items()}
    for term, count in Counter(terms(title)).items():
        counts[term] = min(counts.get(term, 0) + TITLE_WEIGHT * count, TITLE_WEIGHT + MAX_QUERY_FREQUENCY)
    counts = {term: count for term, count in counts.items() if term not in STOP_TERMS} or counts
    if len(counts) > MAX_DISTINCT_TERMS:
        counts = dict(sorted(counts.items(), key=lambda each: -each[1])[:MAX_DISTINCT_TERMS])
    return _with_related(counts)


def _with_related(counts: dict[str, float]) -> dict[str, float]:
    related: dict[str, float] = {}
    for term, count in counts.items():
        for other in RELATED.get(term, ()):
            related[other] = max(related.get(other, 0.0), RELATED_WEIGHT * count)
    return {**related, **counts}


def idf(documents: int, containing: int) -> float:
    """Returns the inverse document frequency of a term in `containing` of `documents` chunks; never negative."""
    containing = min(containing, documents)
    return math.log(1 + (documents - containing + 0.5) / (containing + 0.5))


def saturated(
    frequencies: NDArray[np.float32], lengths: NDArray[np.float32], mean_length: float, b: float
) -> NDArray[np.float32]:
    """Returns the saturated frequencies of one term; times idf, they are its scores."""
    norm = np.float32(K1) * (np.float32(1 - b) + np.float32(b / mean_length) * lengths)
    return (frequencies * np.float32(K1 + 1) / (frequencies + norm)).astype(np.float32, copy=False)


def choose_terms(weights: Mapping[str, float], idfs: Mapping[str, float]) -> Sequence[str]:
    """Returns the query's most informative terms; otherwise common words would dominate long issue texts."""
    ordered = sorted(weights, key=lambda term: -weights[term] * idfs[term])
    return ordered[:MAX_QUERY_TERMS]
