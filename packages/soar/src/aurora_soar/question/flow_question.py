"""Flow questions: those that ask for a path through the code, with the words about its beginning and its end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["FlowQuestion", "read_flow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowQuestion:
    """The ends of the path that a question asks for, in its own words; "" for one that it does not name."""

    entry: str
    effect: str


_ASKS: Final = (
    r"(?:(?:and|but|so|please|explain|describe|show(?: me)?|trace|tell me)\s+)*"
    r"(?:how|where|when|in what way|by which way)?\s*(?:does|do|did|is|are|can|could|will|would)?\s*"
)
_REACHES: Final = (
    r"(?:reach(?:es|ed)?|gets? (?:in)?to|got to|go(?:es)? (?:from .{1,80}? )?to|ends? up (?:in|at|as|with)"
    r"|leads? to|arrive(?:s)? (?:at|in)|come(?:s)? to|finds? its way (?:in)?to|makes? (?:it|its way) (?:in)?to"
    r"|triggers?|travels? to|passe[sd] (?:on )?to|handed (?:on |over )?to|delivered to|flows? (?:in)?to|results? in)"
)
_FLOW_WORDS: Final = re.compile(
    r"\b(?:paths?|flows?|trace|steps?|chains?|happens?|happening|sequence|order|travels?|walk|through|route|journey"
    r"|gets?|goes?|reach(?:es)?|calls?|called|follow|lifecycle|life cycle)\b",
    re.IGNORECASE,
)
_FROM_TO: Final = re.compile(
    r"\bfrom (?P<entry>.+?) (?:all the way |down |up |on |over |through )?(?:to|until|into) (?P<effect>.+)",
    re.IGNORECASE,
)
_BETWEEN: Final = re.compile(r"\bbetween (?P<entry>.+?) and (?P<effect>.+)", re.IGNORECASE)
_REACHED: Final = re.compile(rf"^{_ASKS}(?P<entry>.+?) {_REACHES} (?P<effect>.+)", re.IGNORECASE)
_REACHED_FROM: Final = re.compile(
    rf"^{_ASKS}(?P<effect>.+?) (?:is |are |gets? )?(?:reached|invoked|triggered|called) from (?P<entry>.+)",
    re.IGNORECASE,
)
_ONWARDS: Final = (
    re.compile(
        r"\bwhat (?:all )?(?:happens|is done|goes on|takes place|is called|runs)(?: inside| internally| step by step"
        r"| in order)?,? (?:when|if|after|once|as|during|in|on|while)(?: i| you| we| someone)? (?P<entry>.+)",
        re.IGNORECASE,
    ),
    re.compile(r"\b(?:walk (?:me )?through|trace|follow|step through) (?P<entry>.+)", re.IGNORECASE),
    re.compile(
        r"\b(?:call|execution|control) (?:path|chain|flow|sequence|graph|order) (?:of|for|behind|in|through|after) "
        r"(?P<entry>.+)",
        re.IGNORECASE,
    ),
    re.compile(r"^(?P<entry>.+?),? step by step\b", re.IGNORECASE),
)
_BACKWARDS: Final = (
    re.compile(rf"^{_ASKS}(?P<effect>.+?) (?:reached|invoked|triggered|arrived at)\b", re.IGNORECASE),
    re.compile(r"\b(?:what leads|which calls lead|call path|path|way) to (?P<effect>.+)", re.IGNORECASE),
)
_ANYTHING: Final = re.compile(r"(?:what|who|which|which (?:calls?|functions?|code|path|way))(?: all)?", re.IGNORECASE)
_END: Final = " \t\n?!.,;:"


def read_flow(text: str) -> FlowQuestion | None:
    """Returns the ends of the path that a question asks for; None if it asks for no path."""
    if match := _REACHED_FROM.search(text):
        return _ends(match)
    for pattern in (_FROM_TO, _BETWEEN):
        match = pattern.search(text)
        rest = text if match is None else f"{text[: match.start()]} {text[match.end() :]}"
        if match and _FLOW_WORDS.search(rest):
            return _ends(match)
    if match := _REACHED.search(text):
        return _ends(match)
    for pattern in (*_ONWARDS, *_BACKWARDS):
        if match := pattern.search(text):
            return _ends(match)
    return None


def _ends(match: re.Match[str]) -> FlowQuestion:
    named = match.groupdict()
    entry = (named.get("entry") or "").strip(_END)
    return FlowQuestion(
        entry="" if _ANYTHING.fullmatch(entry) else entry,
        # What comes after a comma is no end of the path.
        effect=re.split(r"[,;?]\s", named.get("effect") or "", maxsplit=1)[0].strip(_END),
    )
