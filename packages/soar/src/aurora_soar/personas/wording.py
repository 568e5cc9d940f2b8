"""Sentences as lists of words that can be compared: small letters, one spelling, without inflection."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

__all__ = ["FILLERS", "words"]

_WORD: Final = re.compile(r"[^\W_]+")
# Names that lose what is special about them when they are cut into words, and endings that say nothing.
_SPELLINGS: Final = re.compile(
    r"(?P<cpp>c\+\+)|(?P<sharp>\b[cf]#)|(?P<net>(?<!\w)\.net\b)|(?P<js>\.js\b)|(?P<cicd>\bci/cd\b)|(?P<ab>\ba/b\b)"
    r"|(?P<nplusone>\bn\+1\b)|(?P<own>['’](?:s|re|ve|ll|d)?\b)",
    re.IGNORECASE,
)
_SPELLED: Final = {"cpp": "cpp", "net": "dotnet", "js": "js", "cicd": "cicd", "ab": "ab", "nplusone": "nplusone"}
_SENTENCE: Final = re.compile(r"(?:^|[.!?:]\s+)\W*(\w)")
FILLERS: Final = frozenset(
    "a an the our my your his her their its this these those that all any every each some both another new of "
    "following given existing current own whole entire very just only".split()
)
"""Words that may stand inside a phrase and change nothing."""


def words(text: str) -> list[str]:
    """Returns the words of a text in order, without fillers.

    A word with a capital that no sentence gave it begins with a capital: "Go" is a language, "go" is none.
    """
    text = _SENTENCE.sub(lambda match: match.group().lower(), _SPELLINGS.sub(_spelled, text))
    return [
        bare(word.lower()).capitalize() if word[0].isupper() else bare(word)
        for word in _WORD.findall(text)
        if word not in FILLERS
    ]


def _spelled(match: re.Match[str]) -> str:
    kind = match.lastgroup or ""
    if kind == "sharp":
        return match.group()[0].lower() + "sharp"
    return _SPELLED.get(kind, "")


@lru_cache(maxsize=20_000)
def bare(word: str) -> str:
    """Takes inflection from an English word and gives British and American spelling one form.

    A full stemmer goes too far here: it makes one word of community and communication, of product and production.
    """
    if len(word) <= SHORT or word in _WHOLE or not word.isascii():
        return word
    for ending, instead in _ENDINGS:
        root = word.removesuffix(ending) + instead
        if word.endswith(ending) and len(root) >= SHORT and not _VOWELS.isdisjoint(root):
            word = root
            if ending in _DOUBLING and word[-1] == word[-2] and word[-1] not in "aeiouls":
                word = word[:-1]
            break
    word = word.removesuffix("e") if len(word) > SHORT + 1 else word
    if word.endswith(("is", "ys")):
        return word[:-1] + "z"
    return word[:-2] + "r" if word.endswith(("olour", "aviour", "avour")) else word


SHORT: Final = 3
_VOWELS: Final = frozenset("aeiouy")
_ENDINGS: Final = (
    ("isations", "is"),
    ("izations", "iz"),
    ("isation", "is"),
    ("ization", "iz"),
    ("ations", "at"),
    ("ation", "at"),
    ("ies", "y"),
    ("ied", "y"),
    ("sses", "ss"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("xes", "x"),
    ("ings", ""),
    ("ing", ""),
    ("ss", "ss"),
    ("us", "us"),
    ("is", "is"),
    ("s", ""),
    ("eed", "eed"),
    ("ed", ""),
)
_DOUBLING: Final = frozenset({"ing", "ings", "ed"})
# Words that mean something else than what they seem to be an inflection of.
_WHOLE: Final = frozenset({"accounting", "catering", "marketing", "mastering", "news", "series", "species", "speed"})
