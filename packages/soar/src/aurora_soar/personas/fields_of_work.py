"""The fields of work, and the learnt weights that say which fields a text speaks of.

`tools/train_matching.py` learns the weights from the phrases of `tools/fields_of_work/*.ini` and from the examples of
`benchmarks/matching/examples/`, and stores them in field_weights.json; `profile.py` adds them up.
"""

from __future__ import annotations

import json
import struct
from base64 import b64decode
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from aurora_soar.personas.wording import FUNCTION_WORDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["RARITY_STEPS", "WEIGHT_BITS", "WEIGHT_ZERO", "FieldsOfWork", "features", "fields_of_work"]

RARITY_STEPS: Final = 100
WEIGHT_BITS: Final = 7
"""Of the 16 bits of an entry; the others are the place of the field."""
WEIGHT_ZERO: Final = 1 << (WEIGHT_BITS - 1)
_EVERYDAY: Final = 0.3
"""Share of their rarity that words of every subgoal keep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldsOfWork:
    """The fields with the weights of words and pairs of words.

    Attributes:
        does: what an agent of a field is for, a sentence, by the field's id: "mobile-developer".
        order: the fields' ids, in the order that the weights count in.
        weights: by word or pair of words: 16-bit numbers in base64. The first is the rarity, in `RARITY_STEPS`; each
            other holds the place of a field and a weight, by which the feature speaks for the field or against it.
            As text: numbers for all of them would take most of the time of reading.
    """

    does: Mapping[str, str]
    order: Sequence[str]
    weights: Mapping[str, str]

    def known(self, feature: str) -> tuple[float, Sequence[int]] | None:
        """Returns the rarity and the entries of a feature; None if nothing was learnt of it."""
        text = self.weights.get(feature)
        if text is None:
            return None
        content = b64decode(text)
        numbers = struct.unpack(f"<{len(content) // 2}H", content)
        return numbers[0] / RARITY_STEPS, numbers[1:]


@lru_cache(maxsize=1)
def fields_of_work() -> FieldsOfWork:
    """Reads the fields and weights, once."""
    found = json.loads(files(__package__).joinpath("field_weights.json").read_bytes())
    return FieldsOfWork(does=found["fields"], order=tuple(found["fields"]), weights=found["weights"])


def features(said: Sequence[str]) -> dict[str, float]:
    """Returns the words of a text and the pairs of neighbours, each with the share that it keeps of its rarity.

    A word with a capital, such as "Go", is there both as a name and as a word.

    Args:
        said: as `words` returns them.
    """
    small = [word.lower() for word in said]
    pairs = {f"{one} {other}": 1.0 for one, other in pairwise(small)}
    names = dict.fromkeys((word for word in said if word[0].isupper()), 1.0)
    return {word: _EVERYDAY if word in FUNCTION_WORDS else 1.0 for word in small} | pairs | names
