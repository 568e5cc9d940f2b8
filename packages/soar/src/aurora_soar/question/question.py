"""The user's question, and its reading: intent, terms and identifiers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from aurora_soar.errors import EmptyQuestionError
from aurora_soar.question.intent_patterns import (
    ABBREVIATION,
    ASKS_CHANGE,
    ASKS_DEBUG,
    ASKS_PLAN,
    ASKS_REVIEW,
    STOP_WORDS,
    in_short,
)
from aurora_soar.question.languages import in_english, language_of
from aurora_soar.question.trouble import TroubleQuestion, lacking, read_trouble, without_trouble_words

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Intent", "Question", "read_question"]

MAX_TERMS: Final = 40


class Intent(StrEnum):
    """The kind of work that answers a question; it selects the rules of decomposition."""

    EXPLAIN = "explain"
    COMPARE = "compare"
    DEBUG = "debug"
    IMPLEMENT = "implement"
    REVIEW = "review"
    PLAN = "plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question, read once.

    Attributes:
        text: the words as given, without surrounding white space.
        intent: the kind of work that answers it.
        terms: content words in order, each once, in lower case except identifiers; never empty.
        identifiers: the tokens that look like code (`snake_case`, `CamelCase`, `a.b`, `f()`), as written.
        sides: the two things that a comparison compares, as phrases; else empty.
        about_tests: True if the question asks for tests.
        about_values: True if the question asks for values, as constants and tables hold them.
        trouble: what it names, if it asks what goes wrong there.
        language: the language that it is in, if it is not English and its function words are known; else empty.
    """

    text: str
    intent: Intent
    terms: tuple[str, ...]
    identifiers: tuple[str, ...]
    sides: tuple[str, ...]
    about_tests: bool
    about_values: bool = False
    trouble: TroubleQuestion | None = None
    language: str = ""

    @property
    def focus(self) -> str:
        """The content words as one phrase, identifiers as written."""
        return " ".join(self.terms)

    @property
    def goes_to(self) -> frozenset[str]:
        """The words that may name what a change goes to, as X in `add a retry to the X`."""
        asked = self.intent is Intent.IMPLEMENT
        return frozenset(match.group(1) for match in _GOES_TO.finditer(self.text)) if asked else frozenset()

    @property
    def place(self) -> str:
        """The words that tell where a change belongs: of `add X for Y`, X exists and Y is new; else the focus."""
        before, found, _ = ASKS_CHANGE.sub("", self.text, count=1).partition(" for ")
        if self.intent is not Intent.IMPLEMENT or not found:
            return self.focus
        return " ".join(_terms(before, self.identifiers)) or self.focus


_GOES_TO: Final = re.compile(r"\b(?:to|into|in|inside|on)\s+(?:the\s+)?`?([A-Za-z_][\w.]*)", re.IGNORECASE)
_WORD: Final = re.compile(r"[^\W\d_][\w'\u2019-]*(?:\.\w+)*(?:\(\))?|\w*_\w+(?:\.\w+)*|\d+\w*", re.UNICODE)
_CODE_LIKE: Final = re.compile(r"\w*_\w+|[a-z]+[A-Z]\w*|[A-Z][a-z0-9]+[A-Z]\w*|\w+\.\w[\w.]*|\w+\(\)")
_QUOTED: Final = re.compile(r"`([^`]{1,120})`")
_PATH: Final = re.compile(r"[\w./-]*/[\w.-]+|\w+\.(?:py|js|ts|tsx|go|rs|java|c|h|cc|cpp|hpp|md|toml|ya?ml|json)\b")
_VALUES: Final = re.compile(
    r"\b(?:which|what) .{1,80}\b(?:are|is) (?:there|available|supported|known|allowed|valid|possible|accepted)\b"
    r"|\b(?:default|value|maximum|minimum|constant|table|list|mapping|dictionary)s?\b(?! (?:does|do|did)\b)"
    r"|\b(?:supported|available|known|allowed|valid) \w+",
    re.IGNORECASE,
)
_TESTS: Final = re.compile(r"\btests?\b|\btested\b|\btesting\b|\btest cases?\b", re.IGNORECASE)

# What sort of thing is asked for is no word to search for, if there are others.
_SORTS: Final = frozenset(
    "class classes function functions method methods folder directory test tests tested cover covers covered defined"  # noqa: SIM905
    " definition declared difference compare called calls caller callers".split()
)
# "The table of colour codes": what holds them is seldom called so in the code.
_CONTAINER: Final = re.compile(
    r"\b(?:table|list|dictionary|mapping|map|set|value|name|type)s?(?= of\b)", re.IGNORECASE
)

_COMPARE: Final = (
    re.compile(r"\bdifferences? (?:between|of|among) (?P<a>.+?) (?:and|vs\.?|versus|or) (?P<b>.+)", re.IGNORECASE),
    re.compile(r"\bcompar(?:e|ing|ison of) (?P<a>.+?) (?:and|with|to|against|vs\.?) (?P<b>.+)", re.IGNORECASE),
    re.compile(r"(?P<a>.+?)\s+(?:vs\.?|versus)\s+(?P<b>.+)", re.IGNORECASE),
    re.compile(r"\bhow (?:does|do|is|are) (?P<a>.+?) differ(?:ent)? from (?P<b>.+)", re.IGNORECASE),
)
_INTENTS: Final[Mapping[Intent, re.Pattern[str]]] = {
    Intent.REVIEW: ASKS_REVIEW,
    Intent.DEBUG: ASKS_DEBUG,
    Intent.PLAN: ASKS_PLAN,
    Intent.IMPLEMENT: ASKS_CHANGE,
}


def read_question(text: str) -> Question:
    """Reads a question once, so that every phase sees the same terms; of a long one, start and end.

    Raises:
        EmptyQuestionError: the question has no word to search for, or lacks a place that it must name.
    """
    # An argument that is not UTF-8 arrives with lone surrogates, which no file and no database takes.
    text = text.encode("utf-8", errors="replace").decode("utf-8").strip()
    short = in_short(text)
    if language := language_of(short):
        short = in_english(short, language)
    if lacks := lacking(short):
        raise EmptyQuestionError(text, lacks)
    identifiers = _identifiers(short)
    sides = _sides(short)
    trouble = None if sides else read_trouble(short)
    intent = Intent.COMPARE if sides else Intent.DEBUG if trouble else _intent(short)
    # Of a change, the verb says that it is one; it is no word to search for.
    asked = ASKS_CHANGE.sub("", short, count=1) if intent is Intent.IMPLEMENT else short
    asked = without_trouble_words(asked) if trouble else asked
    terms = _terms(asked, identifiers) or _terms(short, identifiers)
    if not terms:
        raise EmptyQuestionError(text)
    return Question(
        text=text,
        intent=intent,
        terms=terms,
        identifiers=identifiers,
        sides=sides,
        about_tests=bool(_TESTS.search(short)),
        about_values=bool(_VALUES.search(short)),
        trouble=trouble,
        language=language,
    )


def _identifiers(text: str) -> tuple[str, ...]:
    quoted = [m.group(1).strip() for m in _QUOTED.finditer(text)]
    plain = [m.group(0) for m in _PATH.finditer(text)] + [m.group(0) for m in _CODE_LIKE.finditer(text)]
    plain = [token.rstrip(".") for token in plain if not ABBREVIATION.fullmatch(token)]
    return tuple(dict.fromkeys(token.removesuffix("()") for token in (*quoted, *plain) if token.strip("()./")))


def _terms(text: str, identifiers: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the content words in order; of a question of stop words only, its longest word."""
    words = [m.group(0).removesuffix("()") for m in _WORD.finditer(_CONTAINER.sub("", text))]
    content = [w for w in words if _is_content(w, identifiers)]
    wanted = [w for w in content if w.lower() not in _SORTS] or content
    if not wanted:
        wanted = [max(words, key=len)] if any(len(w) > 2 for w in words) else []
    distinct: dict[str, str] = {}
    for word in wanted:
        distinct.setdefault(word.lower(), word if word in identifiers else word.lower())
    return tuple(distinct.values())[:MAX_TERMS]


def _is_content(word: str, identifiers: tuple[str, ...]) -> bool:
    if word in identifiers:
        return True
    ordinary = word.lower().replace("\u2019", "'") in STOP_WORDS or ABBREVIATION.fullmatch(word)
    return len(word) > 1 and not ordinary


def _sides(text: str) -> tuple[str, ...]:
    for pattern in _COMPARE:
        if match := pattern.search(text):
            sides = tuple(match.group(side).strip(" ?!.,;:") for side in "ab")
            if all(_terms(side, ()) for side in sides):
                return sides
    return ()


def _intent(text: str) -> Intent:
    return next((intent for intent, pattern in _INTENTS.items() if pattern.search(text)), Intent.EXPLAIN)
