"""The learnt weights of words: how likely a request is of each complexity.

A logistic regression over words, pairs of words and the letter groups inside words. `tools/train_assess.py`
learns the weights from labelled prompts and stores them in complexity_weights.tsv; here they are added up. The file
holds sorted lines, in which a feature is found by bisection: a request has some hundred of the 15,000 features, and
reading all of them into a dictionary would take most of the time of a process's first request.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["LEVELS", "Judgement", "Table", "Weights", "features", "judge", "read_weights", "scaled"]

LEVELS: Final = ("SIMPLE", "MEDIUM", "COMPLEX", "CRITICAL")
"""The complexities, in the order of the weights."""
GROUPS: Final = range(3, 6)
"""The lengths of the letter groups."""
IDF_STEPS: Final = 100
_WORD: Final = re.compile(r"[a-z0-9']+")
# One clause that asks; "why" is left out, since people who ask why something leaked want it stopped.
_ONLY_ASKS: Final = re.compile(
    r"\s*(?:where|which|who|when|what|how (?:does|do|is|are|did|was|were|many|long))\b"
    r"(?:(?!\band\b)[^.!?;:,\n]|\.(?=\w))*\??\s*",
    re.IGNORECASE,
)
_NAMED: Final = 3


class Table:
    """The numbers of features, of which few are looked up.

    Args:
        lines: sorted; each is a feature, a tab, and "rarity weight weight weight weight", the rarity in hundredths.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = lines

    def numbers(self, name: str) -> tuple[int, ...]:
        """Returns rarity and weights of a feature; nothing if it was not learnt."""
        start = f"{name}\t"
        at = bisect_left(self.lines, start)
        found = at < len(self.lines) and self.lines[at].startswith(start)
        return tuple(map(int, self.lines[at][len(start) :].split())) if found else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """The learnt weights.

    Attributes:
        step: the value of one unit of a weight.
        tables: of words and of letter groups.
        made_from: what they were learnt from, in short.
    """

    step: float
    tables: tuple[Table, Table]
    made_from: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The result for one text.

    Attributes:
        level: the place of the likeliest level in `LEVELS`.
        chances: the probability of each level, in the order of `LEVELS`; together 1.
        spoke: for each level the words that speak most for it, strongest first.
    """

    level: int
    chances: Sequence[float]
    spoke: Sequence[Sequence[str]]


def features(text: str) -> tuple[Counter[str], Counter[str]]:
    """Returns how often each word and pair of words, and each letter group, is in a text.

    Two more "words" say how the text begins ("^ show") and whether it ends as a question ("?" or ".").
    """
    text = text.lower()
    words = _WORD.findall(text)
    first = f"^ {words[0]}" if words else "^"
    last = "?" if text.rstrip().endswith("?") else "."
    pairs = (f"{one} {other}" for one, other in pairwise(words))
    return Counter([*words, *pairs, first, last]), Counter(_letter_groups(text))


def _letter_groups(text: str) -> Iterator[str]:
    for word in text.split():
        padded = f" {word} "
        for length in GROUPS:
            if len(padded) <= length:
                yield padded
                break
            for start in range(len(padded) - length + 1):
                yield padded[start : start + length]


def scaled(counts: Mapping[str, int], rarity: Mapping[str, float]) -> dict[str, float]:
    """Returns the values of the features that have a rarity, as a vector of length 1."""
    values = {name: (1 + math.log(count)) * rarity[name] for name, count in counts.items() if name in rarity}
    length = math.sqrt(sum(value * value for value in values.values()))
    return {name: value / length for name, value in values.items()}


def read_weights(text: str) -> Weights:
    """Reads the weights from the text of their file: fields, words and letter groups, with an empty line between."""
    fields, words, letters = (part.split("\n") for part in text.removesuffix("\n").split("\n\n"))
    values = dict(field.split("\t") for field in fields)
    return Weights(step=float(values["step"]), tables=(Table(words), Table(letters)), made_from=values["made_from"])


@lru_cache(maxsize=1)
def _learnt() -> Weights:
    return read_weights(files(__package__).joinpath("complexity_weights.tsv").read_bytes().decode())


def judge(text: str, weights: Weights | None = None) -> Judgement:
    """Returns the chance of each level and the words that speak for it."""
    weights = weights or _learnt()
    sums = [0.0] * len(LEVELS)
    spoke: list[list[tuple[float, str]]] = [[] for _ in LEVELS]
    for counts, table, is_words in zip(features(text), weights.tables, (True, False), strict=True):
        known = {name: numbers for name in counts if (numbers := table.numbers(name))}
        values = scaled(counts, {name: numbers[0] / IDF_STEPS for name, numbers in known.items()})
        for name, value in values.items():
            for place, unit in enumerate(known[name][1:]):
                share = weights.step * unit * value
                sums[place] += share
                if is_words and share > 0:
                    spoke[place].append((share, name))
    if _ONLY_ASKS.fullmatch(text):
        # Words do not tell an act from a question about it: "where are passwords hashed" changes nothing.
        sums[-1] = -math.inf
    chances = _softmax(sums)
    level = chances.index(max(chances))
    return Judgement(level=level, chances=chances, spoke=[_strongest(each) for each in spoke])


def _strongest(spoke: list[tuple[float, str]]) -> list[str]:
    ordered = sorted(spoke, key=lambda pair: (-pair[0], pair[1]))
    return list(dict.fromkeys(name.removeprefix("^ ") for _, name in ordered if name not in {"?", ".", "^"}))[:_NAMED]


def _softmax(sums: Sequence[float]) -> list[float]:
    highest = max(sums)
    powers = [math.exp(each - highest) for each in sums]
    return [power / sum(powers) for power in powers]
