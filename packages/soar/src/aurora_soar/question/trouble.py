"""Trouble questions: those that ask what goes wrong in a place, and what such a question must name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["TroubleQuestion", "lacking", "read_trouble", "without_trouble_words"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TroubleQuestion:
    """A question about what goes wrong.

    Attributes:
        name: the one word or path of code that it is about; "" if more words describe it.
    """

    name: str


_MAY: Final = r"(?:(?:can|could|may|might|will|would|does|did|is|has|do) )?"
_WRONG: Final = rf"what (?:all |else )?{_MAY}(?:go|goes|going|went|gone) wrong"
_NAME: Final = r"`?(?P<name>[^\W\d][\w$]*(?:(?:\.|::|#|->)[\w$]+)*)(?:\(\))?`?"
_RUNS: Final = r"(?: (?:runs?|executes?|returns?|is|are|gets?)(?: (?:run|called|used|executed|invoked))?)?"
_CALLS: Final = r"(?:(?:i|we|you|one|someone) )?(?:(?:calls?|calling|runs?|running|uses?|using) )?"
_SORT: Final = r"(?:the (?:function|method|class) )?"
_ENDS_BADLY: Final = r"(?:leaks?|fails?|crash(?:es)?|hangs?|panics?)"
# A function may break lines, and a number is raised to a power: of these, only some ways to ask are meant so.
_FAILS: Final = rf"(?:{_ENDS_BADLY}|raises?|throws?|breaks?)"
_ERRORS: Final = r"(?:errors?|exceptions?)"
_DOES: Final = r"(?:does|do|did|can|could|may|might|will|would)"
_ARE: Final = r"(?:(?:can|could|may|might|will|would) be |are |is )?"
_ASKS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b{_WRONG} (?:in|inside|with|when|while|if|during|for|at) {_CALLS}{_SORT}{_NAME}{_RUNS}[\s?.!]*$",
        rf"\b{_WRONG} (?:in|inside|with|when|while|if|during|for|at)\b(?P<name>)",
        rf"^{_DOES} {_SORT}{_NAME} (?:ever |perhaps )?(?:{_ENDS_BADLY}|raise|throw)\b",
        rf"\bhow (?:does|do|did|can|could|would|will|might|may) {_SORT}{_NAME} {_ENDS_BADLY}\b",
        rf"\b(?:why|when) (?:does|do|did|is|can|could|would|will|might|may) {_SORT}{_NAME} (?:leaking|{_FAILS})\b",
        rf"\b(?:what|which)(?: \w+)? {_ERRORS} {_DOES} {_SORT}{_NAME} (?:raise|throw|return|give|cause)\b",
        rf"\b(?:what|which) {_ERRORS} {_ARE}(?:raised|thrown) (?:by|in|from) {_SORT}{_NAME}[\s?.!]*$",
        rf"^what (?:does|can|could|may|might|will|would) {_SORT}{_NAME} (?:raise|throw)\b",
    )
)
# A word that says that something goes wrong is no word to search for.
_TROUBLE_WORDS: Final = re.compile(
    rf"\b(?:(?:go|goes|going|went|gone) wrong|leaking|raised|thrown|{_FAILS}|{_ERRORS})(?=[\s?.!,]|$)"
    r"|\b(?:call|calling|calls|run|running|use|using)(?= [\w.`()]+[\s?.!]*$)"
    r"|(?<=[\w`)] )(?:runs?|executes?|called|executed|invoked)(?=[\s?.!]*$)",
    re.IGNORECASE,
)
_NO_NAME: Final = frozenset("it this that they them you we i he she the a an my our your one there".split())  # noqa: SIM905
_WRONG_ALONE: Final = re.compile(
    rf"(?:so |and |but )?{_WRONG}(?: (?:in|inside|with|when|while|if|during|for|at|here|there))?", re.IGNORECASE
)
_WAY: Final = re.compile(
    r"(?:what|how) (?:all )?(?:happens|is done|goes on|does it (?:go|get))?\s*\bfrom\b(?P<start>.*?)"
    r"\b(?:until|till|to)\b(?P<end>.*)",
    re.IGNORECASE,
)
_END: Final = " \t\r\n?!.,;:"


def read_trouble(text: str) -> TroubleQuestion | None:
    """Returns what a question about something that goes wrong names; None for any other question."""
    for pattern in _ASKS:
        if match := pattern.search(text):
            name = match["name"]
            return TroubleQuestion(name="" if name.lower() in _NO_NAME else name)
    return None


def without_trouble_words(text: str) -> str:
    """Returns a trouble question without the words that say that something goes wrong."""
    return _TROUBLE_WORDS.sub(" ", text)


def lacking(text: str) -> str:
    """Returns what a question must name and does not, as a sentence's end; "" if it lacks nothing."""
    asked = text.strip(_END)
    if _WRONG_ALONE.fullmatch(asked):
        return "does not say where; name a function, a class or a file"
    if (way := _WAY.fullmatch(asked)) is None:
        return ""
    start, end = (
        re.sub(r"^(?:the|an?) ", "", way[side].strip(_END), flags=re.IGNORECASE).strip("`()")
        for side in ("start", "end")
    )
    if start and end:
        return f"has {start!r} as start and as end; name another place for one of them" if start == end else ""
    missing = " and ".join(side for side, said in (("start", start), ("end", end)) if not said)
    return f"does not name its {missing}; name a function, a class or a file for it"
