"""Combines partial scores: the parts of a file's score, and the parts of a hit's.

The weights were measured on real commits and issues; benchmarks/retrieval/results.md says what each part earns.
Each part is a share of the best file's, so that the weights compare parts and not their scales.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = [
    "CLASS_REST_WEIGHT",
    "DOCUMENT_WEIGHT",
    "MODULE_REST_WEIGHT",
    "TEST_WEIGHT",
    "WEIGHTS",
    "Closeness",
    "FileParts",
    "HitScores",
    "PartWeights",
    "best_of",
    "combined",
    "hit_scores",
    "in_rank_order",
    "shares",
]

# Tests repeat the words of what they test; unless tests are asked for, the tested code matters more.
TEST_WEIGHT: Final = 0.4
# Change logs, guides and templates repeat the words of everything; unless they are asked for, code comes first.
DOCUMENT_WEIGHT: Final = 0.4
# Imports and constants, or the fields of a type, share words with many queries and answer few.
MODULE_REST_WEIGHT: Final = 0.5
CLASS_REST_WEIGHT: Final = 0.7
# Chunks beyond this rank add nothing to their files.
POOL: Final = 400
SEMANTIC_WEIGHT: Final = 0.3
NAME_WEIGHT: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PartWeights:
    """The weights of the parts of a file's score.

    Attributes:
        ranked: the file's chunks, each halved by its rank within the file.
        best: the file's best chunk alone.
        history: commits whose messages are similar to the query.
        recency: the time of the file's last change.
        symbol: code-like words of the query that the file defines.
        name: the agreement of a definition's name with the query, the best of the file.
        path: mentions of the file's path or name in the query.
    """

    ranked: float = 1.0
    best: float = 0.25
    history: float = 0.6
    recency: float = 0.15
    symbol: float = 0.6
    name: float = 0.3
    path: float = 0.3


WEIGHTS: Final = PartWeights()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileParts:
    """The parts of every file's score; arrays (n_files,) float32, not yet shares, except `name` and `path`."""

    ranked: NDArray[np.float32]
    best: NDArray[np.float32]
    history: NDArray[np.float32]
    recency: NDArray[np.float32]
    symbol: NDArray[np.float32]
    name: NDArray[np.float32]
    path: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class HitScores:
    """The scores of one chunk for one query.

    Attributes:
        chunk: the chunk's id.
        bm25: share of the best match's BM25F, 0 to 1.
        activation: 0 to 1.
        name: agreement of its name with the query, 0 to 1.
        semantic: cosine with the query, 0 without vectors.
        hybrid: weighted sum; hits are ordered by it.
    """

    chunk: int
    bm25: float
    activation: float
    name: float
    semantic: float
    hybrid: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Closeness:
    """Further likeness of chunks to a query, beside their words, by chunk id; what is missing counts 0.

    Attributes:
        cosines: with the query; chunks that share no word with the query are added after the others.
        names: agreement of names, 0 to 1.
        standings: factors of both; 1 for what is missing.
    """

    cosines: Mapping[int, float]
    names: Mapping[int, float]
    standings: Mapping[int, float]


def hit_scores(
    matches: Sequence[tuple[int, float, float]],
    closeness: Closeness,
    activations: Mapping[int, float],
    *,
    activation_weight: float,
) -> list[HitScores]:
    """Returns the scores of the chunks that match by words or by meaning, best first; ties keep their order.

    Args:
        matches: (chunk id, BM25F share, that plus its file's part), of chunks that share words with the query.
        activations: by chunk id; a chunk without one has been removed meanwhile and is left out.
        activation_weight: weight of activation, from the preset.
    """
    words = {chunk: (bm25, score) for chunk, bm25, score in matches}
    scored = []
    for chunk in dict.fromkeys([*words, *closeness.cosines]):
        if chunk not in activations:
            continue
        bm25, score = words.get(chunk, (0.0, 0.0))
        cosine, name = closeness.cosines.get(chunk, 0.0), closeness.names.get(chunk, 0.0)
        close = closeness.standings.get(chunk, 1.0) * (NAME_WEIGHT * name + SEMANTIC_WEIGHT * cosine)
        hybrid = score + close + activation_weight * activations[chunk]
        scored.append(
            HitScores(
                chunk=chunk, bm25=bm25, activation=activations[chunk], name=name, semantic=cosine, hybrid=hybrid
            )
        )
    return sorted(scored, key=lambda each: -each.hybrid)


_ALREADY_SHARES: Final = frozenset({"name", "path"})


def combined(parts: FileParts, weights: PartWeights = WEIGHTS) -> NDArray[np.float32]:
    """Returns the files' scores before the file-type weights."""
    total = np.zeros(len(parts.ranked), dtype=np.float32)
    for part in fields(parts):
        values = getattr(parts, part.name)
        total += np.float32(getattr(weights, part.name)) * (
            values if part.name in _ALREADY_SHARES else shares(values)
        )
    return total


def shares(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns values as shares of the largest value."""
    largest = float(np.max(values)) if len(values) else 0.0
    return values / np.float32(largest) if largest > 0 else values


def in_rank_order(scores: NDArray[np.float32], files: NDArray[np.int64], count: int) -> NDArray[np.float32]:
    """Returns Σ 2^-rank · score over each file's chunks among the best, rank counted in the file from 0."""
    total = np.zeros(count, dtype=np.float32)
    top = np.flatnonzero(scores > 0)
    if len(top) > POOL:
        top = top[np.argpartition(-scores[top], POOL)[:POOL]]
    top = top[np.argsort(-scores[top], kind="stable")]
    gain = scores[top] * np.float32(0.5) ** np.minimum(_earlier(files[top]), 60).astype(np.float32)
    np.add.at(total, files[top], gain)
    return total


def _earlier(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns for each value how often it stands before."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(values) else order
    earlier = np.empty(len(values), dtype=np.int64)
    earlier[order] = np.arange(len(values)) - np.repeat(starts, np.diff(np.r_[starts, len(values)]))
    return earlier


def best_of(scores: NDArray[np.float32], files: NDArray[np.int64], count: int) -> NDArray[np.float32]:
    """Returns the score of each file's best chunk."""
    total = np.zeros(count, dtype=np.float32)
    np.maximum.at(total, files, scores)
    return total
