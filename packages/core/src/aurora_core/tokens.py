"""Splits text into index terms: identifiers whole and split, each in lower case and Porter-stemmed."""

from __future__ import annotations

import re
import threading
from functools import lru_cache
from typing import Final

import Stemmer

__all__ = ["STOP_TERMS", "stem", "terms", "words"]

MAX_TERM: Final = 64

_IDENTIFIER: Final = re.compile(r"[^\W_]\w*|_\w+", re.UNICODE)
_PART: Final = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
# Outside of ASCII, case is no sure sign of a new word.
_WORD: Final = re.compile(r"[^\W\d_]+|\d+", re.UNICODE)
# A stemmer is not safe to share between threads.
_local: Final = threading.local()


def terms(text: str) -> list[str]:
    """Returns the terms of a text in order, repeats included.

    `loadConfig` and `load_config` both give `load`, `config` and, last, themselves in lower case (`loadconfig`,
    `load_config`), so that a query in words finds an identifier and an identifier finds itself first.
    """
    found: list[str] = []
    for match in _IDENTIFIER.finditer(text):
        found.extend(_terms_of(match.group()))
    return found


def words(text: str) -> list[str]:
    """Returns the parts of a text's identifiers in order, repeats included, in lower case, without single letters.

    `loadConfig` gives `load` and `config`.
    """
    return [part for match in _IDENTIFIER.finditer(text) for part in _words_of(match.group())]


@lru_cache(maxsize=50_000)
def _words_of(identifier: str) -> tuple[str, ...]:
    return tuple(part for part in _parts(identifier) if len(part) > 1 or part.isdigit())


def _parts(identifier: str) -> list[str]:
    pattern = _PART if identifier.isascii() else _WORD
    return [part.lower() for part in pattern.findall(identifier)]


@lru_cache(maxsize=50_000)
def _terms_of(identifier: str) -> tuple[str, ...]:
    parts = _parts(identifier)
    if len(parts) == 1 and parts[0] == identifier.lower():
        return (stem(parts[0]),)
    whole = stem(identifier.lower().strip("_"))
    stems = [stem(part) for part in parts if len(part) > 1 or part.isdigit()]
    return tuple(dict.fromkeys([*stems, whole])) if whole else tuple(stems)


def stem(word: str) -> str:
    """Returns the stem of a word in lower case."""
    stemmer = getattr(_local, "stemmer", None)
    if stemmer is None:
        stemmer = _local.stemmer = Stemmer.Stemmer("porter")
    # Of a lone "s" the stemmer leaves nothing.
    found: str = stemmer.stemWord(word) or word
    return found[:MAX_TERM]


STOP_TERMS: Final = frozenset(
    terms(
        "a an and are as at be but by can could do does did for from had has have how i if in into is it its me my "
        "no not of on or our so such that the their them then there these they this those to was we were what "
        "when where which who why will with would you your"
    )
)
"""The terms of words that say nothing in a query."""
