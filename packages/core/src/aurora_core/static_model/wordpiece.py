"""Cuts words into the pieces that a BERT model knows: greedily, the longest piece first.

Wu et al. 2016, as in BERT's tokenizer for lower case: a piece that continues a word is written with `##`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CONTINUES", "pieces"]

CONTINUES: Final = "##"


def pieces(word: str, vocabulary: Mapping[str, int]) -> list[int]:
    """Returns the numbers of a word's pieces; none if a part of it is in no piece."""
    found: list[int] = []
    start = 0
    while start < len(word):
        mark = CONTINUES if start else ""
        for end in range(len(word), start, -1):
            number = vocabulary.get(mark + word[start:end])
            if number is not None:
                found.append(number)
                start = end
                break
        else:
            return []
    return found
