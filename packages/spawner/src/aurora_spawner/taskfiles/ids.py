"""The ids at the start of tasks.

A number, or a letter with a number, is an id if the file uses it as an id: “404 page is missing” and “S3 upload
fails” are sentences; `1. Search`, `1.2 Rank the hits` and `T001 Create the project` are numbered tasks.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_LEAD: Final = re.compile(
    r"(?P<open>\*\*|__|`)?(?P<word>[Tt]ask[ \t]+)?#?"
    r"(?P<id>(?P<letters>[A-Za-z]{1,10}[-_]?)?[0-9]{1,9}[a-z]?(?:[.-][0-9]{1,9}[a-z]?){0,9})"
    r"(?P<point>[.:)])?(?P<close>\*\*|__|`)?(?P<star>\*)?(?P<late>[.:)])?(?:[ \t]+(?:[-\u2013\u2014][ \t]+)?|$)"
)
_SMALL: Final = "abcdefghijklmnopqrstuvwxyz"
_INTEGER: Final = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """A possible id at the start of a task's text."""

    id: str
    letters: str
    """The letters before the number."""
    marked: bool
    """True if a point, colon or bracket follows, it is in bold, or the word "task" precedes it."""
    starred: bool
    """True if an asterisk follows, which marks an optional task."""
    rest: str
    """The text without the id."""

    @property
    def integer(self) -> int | None:
        """The number, if the id is only a number."""
        return int(self.id) if _INTEGER.fullmatch(self.id) else None


def read_lead(text: str) -> Lead | None:
    """Returns the possible id at the start of a text; None if there is none."""
    match = _LEAD.match(text)
    if match is None:
        return None
    rest = text[match.end() :]
    if match["open"] and match["close"] != match["open"]:
        if match["close"]:
            return None
        rest = match["open"] + rest  # the whole title is set in bold
    elif match["close"] and not match["open"]:
        return None
    if match["word"]:
        rest = text
    if not rest.strip("*_` \t"):
        return None
    return Lead(
        id=match["id"],
        letters=match["letters"] or "",
        marked=bool(match["point"] or match["late"] or match["open"] or match["word"]),
        starred=bool(match["star"]),
        rest=rest,
    )


def choose_ids(leads: Sequence[Lead | None], referenced: Collection[str]) -> list[Lead | None]:
    """Returns the leads that are ids, None for the others.

    Args:
        leads: The possible ids of all boxes of a file, in its order.
        referenced: The ids that tasks depend on.
    """
    found = [lead for lead in leads if lead is not None]
    numbered = [lead for lead in found if not lead.letters]
    by_letters = Counter(lead.letters for lead in found)
    integers = {lead.integer for lead in numbered if lead.integer is not None}
    starts = {lead.id.split(".")[0] for lead in numbered if "." in lead.id}
    known = {lead.id for lead in numbered if lead.integer is None}
    several = len(known) > 2
    most = 2 * len(numbered) >= len(leads)
    limit = 2 * len(leads) + 20

    def is_id(lead: Lead) -> bool:
        if lead.id in referenced:
            return True
        if lead.letters:
            return lead.marked or lead.id[len(lead.letters)] == "0" or 2 * by_letters[lead.letters] >= len(leads)
        if lead.integer is None:
            return lead.marked or (lead.id.strip(_SMALL) in known if lead.id[-1].isalpha() else most or several)
        if lead.integer > limit:
            return False
        counts = bool({0, 1} & integers) or bool({lead.integer - 1, lead.integer + 1} & integers)
        return lead.marked or (most and (counts or lead.id in starts))

    return [lead if lead is not None and is_id(lead) else None for lead in leads]


def is_sure(lead: Lead) -> bool:
    """Returns True if an id is not part of the sentence after it, so that the prompt can omit it."""
    return not lead.letters or lead.marked or lead.id[len(lead.letters)] == "0"
