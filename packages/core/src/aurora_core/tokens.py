"""Splits text into index terms: identifiers whole and split, each in lower case and Porter-stemmed."""

from __future__ import annotations

import re
import threading
from functools import lru_cache
from typing import Final

import Stemmer

__all__ = ["terms"]

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


@lru_cache(maxsize=50_000)
def _terms_of(identifier: str) -> tuple[str, ...]:
    pattern = _PART if identifier.isascii() else _WORD
    parts = [part.lower() for part in pattern.findall(identifier)]
    if len(parts) == 1 and parts[0] == identifier.lower():
        return (_stem(parts[0]),)
    whole = _stem(identifier.lower().strip("_"))
    stems = [_stem(part) for part in parts if len(part) > 1 or part.isdigit()]
    return tuple(dict.fromkeys([*stems, whole])) if whole else tuple(stems)


def _stem(word: str) -> str:
    stemmer = getattr(_local, "stemmer", None)
    if stemmer is None:
        stemmer = _local.stemmer = Stemmer.Stemmer("porter")
    # Of a lone "s" the stemmer leaves nothing.
    stem: str = stemmer.stemWord(word) or word
    return stem[:MAX_TERM]
