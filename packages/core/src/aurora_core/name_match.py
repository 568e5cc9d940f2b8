"""Agreement of a definition's own name with a query, word by word.

A function's name says what it does in a few words, and so does who asks for it. BM25 counts the words that both have;
here it counts too which words of the query the name lacks, and which words of the name the query lacks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from aurora_core.tokens import STOP_TERMS, stem, words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    Alike = Callable[[Sequence[str], Sequence[str]], NDArray[np.float32]]

__all__ = ["NameMatch", "asked_words", "own_words"]

# Words that are less alike than this have nothing to do with each other.
MIN_COSINE: Final = 0.3


def asked_words(query: str) -> list[str]:
    """Returns the words of a query's first line, each once, without stop words."""
    return [word for word in dict.fromkeys(words(query.strip().partition("\n")[0])) if stem(word) not in STOP_TERMS]


def own_words(name: str) -> list[str]:
    """Returns the words of a name without those of what contains it: `Cache.load_all` gives load, all."""
    return words(name.rpartition(".")[2])


@dataclass(frozen=True, slots=True)
class NameMatch:
    """The words of a query against those of names.

    Attributes:
        shares: of each word of the query, its share of the whole query's weight.
        columns: place of each name's word in `alike`.
        alike: (words of the query, words of names), 1 for the same word, 0 for another one.
    """

    shares: NDArray[np.float32]
    columns: Mapping[str, int]
    alike: NDArray[np.float32]

    @classmethod
    def of(
        cls, query: Mapping[str, float], names: Sequence[Sequence[str]], similar: Alike | None = None
    ) -> NameMatch | None:
        """Compares the words of a query with those of names; None where one has none.

        Args:
            query: weights above 0, by word.
            similar: cosines of words with other words, from a model.
        """
        others = list(dict.fromkeys(word for name in names for word in name))
        if not query or not others:
            return None
        stems = np.array([stem(word) for word in others])
        alike = np.array([stems == stem(word) for word in query], dtype=np.float32)
        if similar is not None:
            cosines = similar(list(query), others)
            alike = np.maximum(alike, np.where(cosines > MIN_COSINE, cosines, np.float32(0)))
        weights = np.array(list(query.values()), dtype=np.float32)
        return cls(weights / weights.sum(), {word: at for at, word in enumerate(others)}, alike)

    def agreement(self, name: Sequence[str]) -> float:
        """Returns √(share of the query that a name has · share of the name that the query has), 0 to 1."""
        if not name:
            return 0.0
        found = self.alike[:, [self.columns[word] for word in name]]
        covered = float(self.shares @ found.max(axis=1))
        return math.sqrt(min(covered, 1.0) * min(float(found.max(axis=0).mean()), 1.0))
