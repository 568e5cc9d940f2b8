"""Writes outside of a sandbox that failed, as programs report them in their output. Pure."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MOST: Final = 20
"""Places that one attempt reports."""
MOST_REPORTS: Final = 10_000
"""Reports that are read in one text; a flood of them would hold up the coordinator."""
LONGEST: Final = 400
"""Characters of a place."""
_REASONS: Final = (re.compile("ermission denied"), re.compile("ead-only file system"))
"""Without their first letters, which some write large; each by itself, since a search for either is far slower."""
_END_OF_PLACE: Final = r"\s'\"`:\\"
_BREAK: Final = re.compile(f"[{_END_OF_PLACE}]")
_PLACE_AFTER: Final = re.compile(rf"[^/\n]{{0,20}}(/[^{_END_OF_PLACE}]{{1,{LONGEST}}})")
"""As Python and Node say it: the reason first."""


def denied_places(texts: Iterable[str], writable: Sequence[str]) -> tuple[str, ...]:
    """Returns the places outside whose change was denied, in the order in which they are first mentioned.

    Args:
        writable: The places that may be changed: what fails there was not the sandbox.
    """
    inside = tuple(map(PurePath, writable))
    found = (place for text in texts for place in _places_in(text))
    outside = (each for each in found if not any(PurePath(each).is_relative_to(one) for one in inside))
    return tuple(islice(dict.fromkeys(outside), MOST))


def _places_in(text: str) -> Iterator[str]:
    """Yields the place of each report; the time for it grows with the number of reports, whatever else is there."""
    reasons = (match for reason in _REASONS for match in islice(reason.finditer(text), MOST_REPORTS))
    for reason in sorted(reasons, key=re.Match.start):
        if place := _place_before(text[max(0, reason.start() - LONGEST) : max(0, reason.start() - 1)]):
            yield place
        elif after := _PLACE_AFTER.match(text, reason.end()):
            yield after[1]


def _place_before(text: str) -> str:
    """Returns the place that a text ends with, as shells and C programs say it: `/place: `, or `'/place': `."""
    if not text.endswith(": "):
        return ""
    last = _BREAK.split(text[:-2].rstrip("'\"`\\"))[-1]
    _, slash, rest = last.partition("/")
    return f"/{rest}" if slash and rest else ""
