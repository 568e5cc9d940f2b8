"""Writes outside of a sandbox that failed, as programs report them in their output. Pure."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST: Final = 20
"""Places that one attempt reports."""
_REASON: Final = r"(?:Permission denied|Read-only file system|permission denied|read-only file system)"
_PATH: Final = r"(/[^\s'\"`:\\]{1,400})"
_FORMS: Final = (
    re.compile(rf"{_PATH}['\"`\\]*: {_REASON}"),
    re.compile(rf"{_REASON}[^/\n]{{0,20}}{_PATH}"),
    re.compile(rf"(?:EACCES|EROFS): {_REASON}[^/\n]{{0,20}}{_PATH}"),
)
"""Those of shells and C programs, of Python, and of Node."""


def denied_places(texts: Iterable[str], writable: Sequence[str]) -> tuple[str, ...]:
    """Returns the places outside whose change was denied, in the order in which they are first mentioned.

    Args:
        writable: The places that may be changed: what fails there was not the sandbox.
    """
    found = (match for text in texts for form in _FORMS for match in form.findall(text))
    inside = tuple(map(PurePath, writable))
    outside = (each for each in found if not any(PurePath(each).is_relative_to(one) for one in inside))
    return tuple(dict.fromkeys(outside))[:MOST]
