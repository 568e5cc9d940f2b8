"""Sentences as lists of words that can be compared: small letters, one spelling, without inflection."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

__all__ = ["FUNCTION_WORDS", "bare", "words"]

MAX_CHARACTERS: Final = 2_000
"""Of a text; its beginning says what it is about."""
SHORT: Final = 3
"""No word is cut below so many letters."""

_WORD: Final = re.compile(r"[^\W_]+")
_SENTENCE: Final = re.compile(r"(?:^|[.!?:]\s{1,4})\W{0,3}\w")
# Names that lose what is special about them when they are cut into words, and endings that say nothing.
_SPELLINGS: Final = re.compile(
    r"(?P<cpp>c\+\+)|(?P<sharp>\b[cf]#)|(?P<dotnet>(?<!\w)\.net\b)|(?P<js>\.js\b)|(?P<cicd>\bci/cd\b)|(?P<ab>\ba/b\b)"
    r"|(?P<nplusone>\bn\+1\b)|(?P<own>['\u2019](?:s|re|ve|ll|d)?\b)",
    re.IGNORECASE,
)
# They may stand inside a phrase and change nothing.
_FILLERS: Final = frozenset(
    _WORD.findall(
        "a an the our my your his her their its this these those that all any every each some both another new of "
        "following given existing current own whole entire very just only"
    )
)
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


def words(text: str) -> list[str]:
    """Returns the words of a text in order, without articles and the like.

    A word keeps its capital unless it only starts a sentence: "Go" is a language, "go" is none.

    Args:
        text: of which the first `MAX_CHARACTERS` are read.
    """
    text = _SPELLINGS.sub(_spelled, text[:MAX_CHARACTERS])
    text = _SENTENCE.sub(lambda match: match.group().lower(), text)
    return [
        bare(word.lower()).capitalize() if word[0].isupper() else bare(word)
        for word in _WORD.findall(text)
        if word not in _FILLERS
    ]


def _spelled(match: re.Match[str]) -> str:
    kind = match.lastgroup or ""
    if kind == "sharp":
        return match.group()[0].lower() + "sharp"
    return "" if kind == "own" else kind


@lru_cache(maxsize=20_000)
def bare(word: str) -> str:
    """Takes inflection from an English word in small letters, and gives British and American spelling one form.

    A full stemmer goes too far here: it makes one word of community and communication, of product and production.
    """
    if len(word) <= SHORT or word in _WHOLE or not word.isascii():
        return word
    word = _without_ending(word)
    word = word.removesuffix("e") if len(word) > SHORT + 1 else word
    if word.endswith(("is", "ys")):
        return word[:-1] + "z"
    return word[:-2] + "r" if word.endswith(("olour", "aviour", "avour")) else word


def _without_ending(word: str) -> str:
    for ending, instead in _ENDINGS:
        if word.endswith(ending):
            root = word.removesuffix(ending) + instead
            if len(root) >= SHORT and not _VOWELS.isdisjoint(root):
                doubled = ending in _DOUBLING and root[-1] == root[-2] and root[-1] not in "aeiouls"
                return root[:-1] if doubled else root
    return word


FUNCTION_WORDS: Final = frozenset(
    bare(word)
    for word in _WORD.findall(
        "about after again against also always am and are as ask at away back be because been before begin "
        "being below best better between but by call can cannot come could day did do does doing done down "
        "either else end enough even few find first for from full get give go goes got had half has have he "
        "help here him how i if in into is it keep know last late later least leave left less let like little "
        "long look lot made make many may me might more most much must need never next no nobody none nor not "
        "nothing now off often old on once one or other others out over page part people place please "
        "possible put ready really right run runs said same say see set several shall she should show since "
        "small so somebody someone something soon start still stop such sure take tell ten than their them "
        "then there they thing things think those three through time times to today together too try turn "
        "twice two under until up us use used user users want was watch way we week well went were what "
        "whatever when where whether which while who whole whom whose why will with within without work works "
        "world would write year years yes yet you yours good bad big"
    )
)
"""Words that every subgoal may have and no agent is chosen by."""
