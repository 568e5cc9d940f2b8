"""BM25F over the segments: one score for every chunk that shares a term with the query.

Robertson and Zaragoza 2009, with the fields folded into one frequency before saturation:
tf = 5·path + 5·name + body, k1 = 1.2, b = 0.5, idf = ln(1 + (N - df + 0.5) / (df + 0.5)).
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np

from aurora_core.tokens import terms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["choose_terms", "chunk_frequencies", "idf", "query_weights", "term_scores"]

K1: Final = 1.2
B: Final = 0.5
PATH_WEIGHT: Final = 5
NAME_WEIGHT: Final = 5
MAX_QUERY_TERMS: Final = 40
MAX_QUERY_FREQUENCY: Final = 3

_STOP: Final = frozenset(
    terms(
        "a an and are as at be but by can could do does did for from had has have how i if in into is it its me my "
        "no not of on or our so such that the their them then there these they this those to was we were what "
        "when where which who why will with would you your"
    )
)


def chunk_frequencies(path: str, name: str, content: str) -> Counter[str]:
    """Weighted term frequencies of a chunk; the file's own name counts twice within the path."""
    frequencies: Counter[str] = Counter(terms(content))
    stem = path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    for term in terms(f"{path} {stem}"):
        frequencies[term] += PATH_WEIGHT
    for term in terms(name):
        frequencies[term] += NAME_WEIGHT
    return frequencies


def query_weights(query: str) -> Mapping[str, float]:
    """How often each term of a query counts; its first line, as a title, twice, and none more than three times.

    Stop words are left out, unless the query has nothing else.
    """
    title, _, body = query.partition("\n")
    counts = Counter(terms(title)) + Counter(terms(title)) + Counter(terms(body))
    kept = {term: min(count, MAX_QUERY_FREQUENCY) for term, count in counts.items() if term not in _STOP}
    return kept or {term: min(count, MAX_QUERY_FREQUENCY) for term, count in counts.items()}


def idf(documents: int, containing: int) -> float:
    """How telling a term is that `containing` of `documents` chunks have; never negative."""
    containing = min(containing, documents)
    return math.log(1 + (documents - containing + 0.5) / (containing + 0.5))


def term_scores(
    frequencies: NDArray[np.uint8], lengths: NDArray[np.int32], mean_length: float
) -> NDArray[np.float32]:
    """Saturated frequencies of one term in the chunks that have it; times idf, they are its BM25F scores."""
    tf = frequencies.astype(np.float32)
    norm = K1 * (1 - B + B * lengths.astype(np.float32) / np.float32(mean_length))
    scores: NDArray[np.float32] = (tf * np.float32(K1 + 1) / (tf + norm)).astype(np.float32)
    return scores


def choose_terms(weights: Mapping[str, float], idfs: Mapping[str, float]) -> Sequence[str]:
    """The query's most telling terms; long issue texts would otherwise drown in common words."""
    ordered = sorted(weights, key=lambda term: -weights[term] * idfs[term])
    return ordered[:MAX_QUERY_TERMS]
