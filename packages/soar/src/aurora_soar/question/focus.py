"""What a question is about, and how much of it a piece of text speaks of.

A word weighs as much as it is rare in the project (its inverse document frequency), so that a text that has the one
telling word of a question counts for more than one that has three common ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_core.tokens import terms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aurora_core import Memory

__all__ = ["Coverage", "Focus"]


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a focus a text speaks of.

    Attributes:
        share: sum of the weights of the words found, 0 to 1.
        words: those words, as they were asked.
    """

    share: float
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Focus:
    """The words of a question with their weights.

    Attributes:
        weights: by word as it was asked, in the question's order; they sum to 1.
        stems: the index terms of each word; a text has the word when it has all of them.
        unknown: words that no chunk of the project has.
    """

    weights: Mapping[str, float]
    stems: Mapping[str, frozenset[str]]
    unknown: tuple[str, ...]

    @classmethod
    def of(cls, memory: Memory, words: Sequence[str]) -> Focus:
        """Weighs words by their rarity in a project's memory."""
        stems = {word: frozenset(terms(word)) for word in words}
        stems = {word: found for word, found in stems.items() if found}
        rarity = memory.rarity({term for found in stems.values() for term in found})
        raw = {word: max(rarity.idf(term) for term in found) for word, found in stems.items()}
        total = sum(raw.values()) or 1.0
        return cls(
            weights={word: value / total for word, value in raw.items()},
            stems=stems,
            unknown=tuple(word for word, found in stems.items() if any(rarity.unknown(term) for term in found)),
        )

    @property
    def words(self) -> tuple[str, ...]:
        """The words, in the question's order."""
        return tuple(self.weights)

    def coverage(self, text: str) -> Coverage:
        """The words that a text has, in whatever form, and their share of the weight."""
        present = set(terms(text))
        found = tuple(word for word, needed in self.stems.items() if needed <= present)
        return Coverage(min(1.0, sum(self.weights[word] for word in found)), found)
