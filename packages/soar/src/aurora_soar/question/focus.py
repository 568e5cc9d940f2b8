"""The words of a question with their weights, and the share of that weight that a text covers.

The rarer a word is in the project, the more it weighs (inverse document frequency). A text with the one rare word of
a question counts for more than a text with three common ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_core.index.abbreviations import RELATED
from aurora_core.tokens import terms
from aurora_soar.question.spelling import known_spelling, spellings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aurora_soar.memory_port import SoarMemory

__all__ = ["NOTHING_COVERED", "Coverage", "Focus"]


@dataclass(frozen=True, slots=True)
class Coverage:
    """The part of a focus that a text mentions.

    Attributes:
        share: sum of the weights of the words found, 0 to 1.
        words: the words found, as the question spells them.
    """

    share: float
    words: tuple[str, ...]


NOTHING_COVERED: Final = Coverage(0.0, ())
"""Of a text that mentions none of the words, or that nobody has read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Focus:
    """The words of a question with their weights.

    Attributes:
        weights: by word as the question spells it, in the question's order; they sum to 1.
        stems: the index terms of each word; a text mentions the word if it has all of them.
        unknown: words that occur in no chunk of the project.
    """

    weights: Mapping[str, float]
    stems: Mapping[str, frozenset[str]]
    unknown: tuple[str, ...]

    @classmethod
    def of(cls, memory: SoarMemory, words: Sequence[str]) -> Focus:
        """Weighs words by their rarity in a project's memory."""
        spelled = memory.rarity({term for word in words for each in (word, *spellings(word)) for term in terms(each)})
        stems = {word: frozenset(terms(known_spelling(word, spelled))) for word in words}
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

    @property
    def query(self) -> str:
        """The words for a search, with the project's spelling of those that it spells in another way."""
        other = [stem for word, found in self.stems.items() for stem in found - set(terms(word))]
        return " ".join((*self.words, *other))

    def coverage(self, text: str) -> Coverage:
        """Returns the words that a text mentions in any grammatical form, and their share of the weight."""
        present = set(terms(text))
        found = tuple(
            word for word, needed in self.stems.items() if needed <= present or _shortened(needed) & present
        )
        return Coverage(min(1.0, sum(self.weights[word] for word in found)), found)


def _shortened(stems: frozenset[str]) -> frozenset[str]:
    """Returns the usual short and long forms of a word in code: `param` of `parameter`."""
    return RELATED.get(next(iter(stems)), frozenset()) if len(stems) == 1 else frozenset()
