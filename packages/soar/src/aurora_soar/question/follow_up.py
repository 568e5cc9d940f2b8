"""Follow-up questions: what "it" refers to in an earlier turn, named, so that each question stands for itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_soar.errors import EmptyQuestionError
from aurora_soar.question.question import read_question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_soar.sessions import Turn

__all__ = ["Resolved", "resolve"]

_CONNECTIVE: Final = re.compile(r"^\s*(?:and|or|but|so|also|then|ok(?:ay)?|now)\b[\s,]*", re.IGNORECASE)
_ABOUT: Final = re.compile(r"^\s*(?:(?:and|or|but)\s+)?(?:what|how) about\s+(?P<other>.+?)[\s?.!]*$", re.IGNORECASE)
_PRONOUN: Final = re.compile(
    r"\b(?:(?P<own>its|their)"
    r"|(?:this|that|these|those|the same|the)\s+"
    r"(?:one|function|method|class|module|file|code|thing|constant|value)s?\b"
    r"(?!\s+(?:of|in|for|that|which|from|called|named)\b)"
    r"|it|they|them"
    r"|(?:this|that|these|those)(?=\s*(?:[?.!,;]|$)))(?![\w'\u2019])",
    re.IGNORECASE,
)
_IMPERSONAL: Final = re.compile(
    r"\b(?:is|was|does|would|will|can|could|should) it (?:possible|take|make sense|matter)\b"
    r"|\bit(?:'s| is) possible\b",
    re.IGNORECASE,
)
_SHORT: Final = 2
"""A question with a connective, and with so few words of its own, is about what came before."""
_END: Final = re.compile(r"[\s?.!]*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A question that stands for itself.

    Attributes:
        text: the question with its subject named; the user's words if they refer to nothing.
        subject: what was named; "" if the words refer to nothing.
    """

    text: str
    subject: str = ""


def resolve(text: str, turns: Sequence[Turn]) -> Resolved:
    """Returns a question with what it refers to in the latest of the earlier turns named, by rules.

    A question that names code itself, before a word like "it", speaks of that.
    """
    if not turns or not turns[-1].subject:
        return Resolved(text=text)
    last, subject = turns[-1], turns[-1].subject
    if (about := _ABOUT.match(text)) and (asked := _asked_of(last, about["other"])):
        return Resolved(text=asked, subject=about["other"])
    words = _CONNECTIVE.sub("", text)
    led = words != text
    pronoun = None if _IMPERSONAL.search(words) else _PRONOUN.search(words)
    if pronoun is not None and not _names_code(words[: pronoun.start()]):
        if not led and _content(words[: pronoun.start()]) > _SHORT:
            return Resolved(text=text)  # a long question has told what it means itself
        named = _PRONOUN.sub(lambda each: _named(subject, own=each["own"] is not None), words)
        return Resolved(text=named[:1].upper() + named[1:], subject=subject)
    bare = len(words.split()) == 1
    if (led or bare) and _content(words) <= _SHORT and not _names_code(words):
        end = _END.search(words)
        at = end.start() if end else len(words)
        named = f"{words[:at]}{' ' if bare else ' of '}{_named(subject)}{words[at:]}"
        return Resolved(text=named[:1].upper() + named[1:], subject=subject)
    return Resolved(text=text)


def _asked_of(last: Turn, other: str) -> str:
    """Returns the last question asked of something else; "" if it does not name its subject."""
    spelled = _named(last.subject) if _named(last.subject) in last.question else last.subject
    return last.question.replace(spelled, _quoted_if_code(other), 1) if spelled in last.question else ""


def _quoted_if_code(words: str) -> str:
    return f"`{words}`" if _names_code(words) and not words.startswith("`") else words


def _named(subject: str, *, own: bool = False) -> str:
    named = f"`{subject}`" if _is_code(subject) else subject
    return f"{named}'s" if own else named


def _is_code(subject: str) -> bool:
    return " " not in subject


def _names_code(text: str) -> bool:
    try:
        return bool(read_question(text).identifiers)
    except EmptyQuestionError:
        return False


def _content(text: str) -> int:
    """Returns the number of content words."""
    try:
        return len(read_question(text).terms)
    except EmptyQuestionError:
        return 0
