"""The labels of workers: what a machine has, and what a task or an agent needs of one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_LABELS: Final = 8
"""The most labels of a worker, a task or an agent: a worker serves a queue for each choice among its own."""
_LABEL: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}", re.ASCII)


def label_problem(labels: Iterable[str]) -> str:
    """Returns what is wrong with labels; "" if nothing is."""
    found = list(dict.fromkeys(labels))
    wrong = next((each for each in found if not _LABEL.fullmatch(each)), None)
    if wrong is not None:
        return f"{ascii(wrong)[:60]} is no label: lower-case letters, digits, dots and dashes, at most 40"
    return f"{len(found)} labels are too many; {MOST_LABELS} are the most" if len(found) > MOST_LABELS else ""
