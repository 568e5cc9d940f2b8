"""Agreement of definitions with a query, word by word: of their own names, their full names and their signatures.

A function's name says what it does in a few words, and so does who asks for it. BM25 counts the words that both have;
here it counts too which words of the query the name lacks, and which words of the name the query lacks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from aurora_core.kin_words import likeness
from aurora_core.tokens import STOP_TERMS, stem, words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    Alike = Callable[[Sequence[str], Sequence[str]], NDArray[np.float32]]

__all__ = ["DefinitionWords", "agreements", "asked_words"]

# Words that are less alike than this have nothing to do with each other.
MIN_COSINE: Final = 0.3
# Who asks begins with what matters: the sixth word of a query counts half of the first one.
HALVED_AFTER: Final = 5
MAX_ASKED: Final = 32
MAX_SIGNATURE: Final = 30
# The share of each in the agreement.
OWN_SHARE: Final = 0.25
FULL_SHARE: Final = 0.5
SIGNATURE_SHARE: Final = 0.25
# How much it counts that the query's words are found, against that the name's words are asked for. A name that
# promises more than is asked for is another function's; a signature always holds more than is asked for.
NAME_FOUND: Final = 0.35
SIGNATURE_FOUND: Final = 0.6


def asked_words(query: str) -> list[str]:
    """Returns the first words of a query's first line, each once, without stop words."""
    found = (word for word in dict.fromkeys(words(query.strip().partition("\n")[0])) if stem(word) not in STOP_TERMS)
    return [word for word, _ in zip(found, range(MAX_ASKED), strict=False)]


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionWords:
    """The words that name a definition.

    Attributes:
        own: of its name without those of what contains it: `Cache.load_all` gives load, all.
        full: with those of what contains it and of its file's name, each once.
        signature: each once.
    """

    own: Sequence[str]
    full: Sequence[str]
    signature: Sequence[str]

    @classmethod
    @lru_cache(maxsize=20_000)
    def of(cls, name: str, file: str, signature: str) -> Self:
        """Returns the words of a definition.

        Args:
            name: qualified.
            file: path from the project's root.
        """
        containing, _, short = name.rpartition(".")
        own = words(short)
        around = words(containing.rpartition(".")[2]) + words(file.rpartition("/")[2].rpartition(".")[0])
        return cls(
            own=own,
            full=list(dict.fromkeys([*own, *around])),
            signature=list(dict.fromkeys(words(signature)))[:MAX_SIGNATURE],
        )


def agreements(
    query: Mapping[str, float], definitions: Sequence[DefinitionWords], similar: Alike | None = None
) -> NDArray[np.float32]:
    """Returns the agreement of each definition with a query, (n,), 0 to 1.

    It is the weighted mean over own name, full name and signature of found^a · asked^(1-a), where found is the share
    of the query that the name has, and asked the share of the name that the query has.

    Args:
        query: weights above 0, by word, in the query's order.
        similar: cosines of words with other words, from a model.
    """
    total = np.zeros(len(definitions), dtype=np.float32)
    others = list(dict.fromkeys(word for each in definitions for word in (*each.full, *each.signature)))
    if not query or not others:
        return total
    alike = likeness(list(query), others)
    if similar is not None:
        cosines = similar(list(query), others)
        alike = np.maximum(alike, np.where(cosines > MIN_COSINE, cosines, np.float32(0)))
    weights = np.array(list(query.values()), dtype=np.float32)
    weights /= 1 + np.arange(len(weights), dtype=np.float32) / HALVED_AFTER
    weights /= weights.sum()
    places = {word: at for at, word in enumerate(others)}
    for share, found, named in (
        (OWN_SHARE, NAME_FOUND, [each.own for each in definitions]),
        (FULL_SHARE, NAME_FOUND, [each.full for each in definitions]),
        (SIGNATURE_SHARE, SIGNATURE_FOUND, [each.signature for each in definitions]),
    ):
        covered, asked = _both_ways(weights, alike, [[places[word] for word in name] for name in named])
        total += np.float32(share) * covered**found * asked ** (1 - found)
    return total


def _both_ways(
    weights: NDArray[np.float32], alike: NDArray[np.float32], names: Sequence[Sequence[int]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns the share of the query that each name has, and the share of each name that the query has."""
    longest = max(map(len, names), default=0)
    # Shorter names end in a word that is like no other.
    nothing = alike.shape[1]
    padded = np.array([[*name, *[nothing] * (longest - len(name))] for name in names], dtype=np.int64)
    lengths = np.array([max(len(name), 1) for name in names], dtype=np.float32)
    found = np.pad(alike, ((0, 0), (0, 1)))[:, padded.reshape(len(names), longest)]
    covered = weights @ found.max(axis=2, initial=0)
    asked = found.max(axis=0).sum(axis=1) / lengths
    return np.minimum(covered, np.float32(1)), np.minimum(asked, np.float32(1)).astype(np.float32)
