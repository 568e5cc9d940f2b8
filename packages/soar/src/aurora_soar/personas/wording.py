"""Sentences as lists of stemmed words in which phrases can be found."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from aurora_core import terms

__all__ = ["FILLERS", "words"]

_WORD: Final = re.compile(r"[^\W_]+")
# Names that lose what is special about them when they are cut into words.
_SPELLINGS: Final = (
    (re.compile(r"c\+\+"), "cpp "),
    (re.compile(r"\b([cf])#"), r"\1sharp "),
    (re.compile(r"(?<!\w)\.net\b"), "dotnet"),
    (re.compile(r"\b(node|next|vue|nuxt|three|chart|express|d3)\.js\b"), r"\1js"),
    (re.compile(r"\bci/cd\b"), "cicd"),
    (re.compile(r"\ba/b\b"), "ab"),
    (re.compile(r"\bn\+1\b"), "nplusone"),
    (re.compile(r"'s\b|’s\b"), ""),
)
# "Go" is a language where it has a capital that no sentence gave it.
_GO: Final = re.compile(r"(?<=[a-z,] )Go\b")
FILLERS: Final = frozenset(
    "a an the our my your his her their its this these those that all any every each some both another new of "
    "following given existing current own whole entire".split()
)
"""Words that may stand inside a phrase and change nothing."""


def words(text: str) -> list[str]:
    """Returns the stemmed words of a text in order, without fillers."""
    text = _GO.sub("golang", text).lower()
    for pattern, spelling in _SPELLINGS:
        text = pattern.sub(spelling, text)
    return [_stem(word) for word in _WORD.findall(text) if word not in FILLERS]


@lru_cache(maxsize=20_000)
def _stem(word: str) -> str:
    found = terms(word) if word.isalpha() else ()
    return found[-1] if found else word
