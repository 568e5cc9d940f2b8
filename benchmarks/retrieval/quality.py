"""How good a ranked answer is: reciprocal rank, recall and discounted gain, all at 10."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

DEPTH = 10


@dataclass(frozen=True)
class Query:
    """A query and what is right: paths of files, or `path:Qualified.name` of functions."""

    text: str
    gold: tuple[str, ...]


@dataclass(frozen=True)
class Quality:
    """Reciprocal rank, recall and discounted gain, all at 10."""

    mrr: float
    recall: float
    ndcg: float

    def __str__(self) -> str:
        return f"{self.mrr:.3f} / {self.recall:.3f} / {self.ndcg:.3f}"


def judged(ranked: Sequence[str], gold: Sequence[str]) -> Quality:
    """Returns the quality of one answer."""
    hits = [file in gold for file in ranked[:DEPTH]]
    first = next((1 / place for place, hit in enumerate(hits, start=1) if hit), 0.0)
    gain = sum(hit / math.log2(place + 1) for place, hit in enumerate(hits, start=1))
    ideal = sum(1 / math.log2(place + 1) for place in range(1, min(len(gold), DEPTH) + 1))
    return Quality(first, sum(hits) / len(gold), gain / ideal)


def mean(values: Sequence[Quality]) -> Quality:
    """Returns the mean of each figure."""
    count = len(values)
    return Quality(
        sum(v.mrr for v in values) / count, sum(v.recall for v in values) / count, sum(v.ndcg for v in values) / count
    )
