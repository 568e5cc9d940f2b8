"""Parts → one score: how much each sign that a file matters counts.

The weights were measured on real commits and issues; benchmarks/retrieval/results.md says what each part earns.
Each part is a share of the best file's, so that the weights compare parts and not their scales.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "DOCUMENT_WEIGHT",
    "TEST_WEIGHT",
    "WEIGHTS",
    "FileParts",
    "PartWeights",
    "best_of",
    "combined",
    "in_rank_order",
    "shares",
]

# Tests repeat the words of what they test; unless tests are asked for, the tested code matters more.
TEST_WEIGHT: Final = 0.4
# Change logs, guides and templates repeat the words of everything; unless they are asked for, code comes first.
DOCUMENT_WEIGHT: Final = 0.4
# Chunks beyond this rank add nothing to their files.
POOL: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class PartWeights:
    """What each part counts.

    Attributes:
        ranked: the file's chunks, each halved by its rank within the file.
        best: the file's best chunk alone.
        history: commits that read like the query.
        recency: how lately the file changed.
        symbol: code-like words of the query that the file defines.
        path: the file's path, or its name, in the query.
    """

    ranked: float = 1.0
    best: float = 0.25
    history: float = 0.6
    recency: float = 0.2
    symbol: float = 0.4
    path: float = 0.3


WEIGHTS: Final = PartWeights()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileParts:
    """Every file's parts; arrays (n_files,) float32, not yet shares. `path` is a share already."""

    ranked: NDArray[np.float32]
    best: NDArray[np.float32]
    history: NDArray[np.float32]
    recency: NDArray[np.float32]
    symbol: NDArray[np.float32]
    path: NDArray[np.float32]


def combined(parts: FileParts, weights: PartWeights = WEIGHTS) -> NDArray[np.float32]:
    """The files' scores, tests not yet weighed."""
    total = np.zeros(len(parts.ranked), dtype=np.float32)
    for part in fields(parts):
        values = getattr(parts, part.name)
        total += np.float32(getattr(weights, part.name)) * (values if part.name == "path" else shares(values))
    return total


def shares(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values as shares of the largest."""
    largest = float(np.max(values)) if len(values) else 0.0
    return values / np.float32(largest) if largest > 0 else values


def in_rank_order(scores: NDArray[np.float32], files: NDArray[np.int64], count: int) -> NDArray[np.float32]:
    """Σ 2^-rank · score over each file's chunks among the best ones, rank counted within the file from 0."""
    total = np.zeros(count, dtype=np.float32)
    top = np.flatnonzero(scores > 0)
    if len(top) > POOL:
        top = top[np.argpartition(-scores[top], POOL)[:POOL]]
    seen = np.zeros(count, dtype=np.int32)
    for chunk in top[np.argsort(-scores[top], kind="stable")]:
        file = files[chunk]
        total[file] += scores[chunk] * np.float32(0.5 ** min(int(seen[file]), 60))
        seen[file] += 1
    return total


def best_of(scores: NDArray[np.float32], files: NDArray[np.int64], count: int) -> NDArray[np.float32]:
    """Each file's best chunk."""
    total = np.zeros(count, dtype=np.float32)
    np.maximum.at(total, files, scores)
    return total
