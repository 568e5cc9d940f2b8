"""Ids of boxes: makes every id unique, and finds the tasks that a reference names."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from aurora_spawner.errors import GraphError
from aurora_spawner.taskfiles.form import DONE, ancestors

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from aurora_spawner.taskfiles.form import Item
    from aurora_spawner.taskfiles.lines import Heading

_NO_WORD: Final = re.compile(r"[^\w]+")
_LETTERS: Final = re.compile(r"[A-Za-z_-]*")
_SLUG_LENGTH: Final = 32


def name_items(items: Sequence[Item], path: Path) -> None:
    """Sets the id of each item: its number, with its heading if several sections use that number.

    Raises:
        GraphError: Two tasks of one section have the same number, and neither is done.
    """
    numbered = any(item.number for item in items)
    for position, item in enumerate(items, start=1):
        item.id = item.number or (f"task-{position}" if numbered else str(position))
    for depth in (1, 2, 6):
        for item in _doubles(items):
            item.id = _qualified(item, depth)
    seen: dict[str, Item] = {}
    for position, item in enumerate(items, start=1):
        if item.id in seen:
            first = seen[item.id]
            if item.entry.box not in DONE and first.entry.box not in DONE:
                where = f"first in line {first.entry.line}"
                problem = f"the id is used twice in one section, {where}: ids must be unique"
                raise GraphError(item.number or item.id, problem, line=item.entry.line, path=path)
            item.id = f"{item.id}/again-{position}"
        seen[item.id] = item


def _doubles(items: Iterable[Item]) -> list[Item]:
    counts = Counter(item.id for item in items)
    return [item for item in items if counts[item.id] > 1]


def _qualified(item: Item, depth: int) -> str:
    """Returns the number after the names of its nearest headings."""
    slugs = [_slug(heading) for heading, _ in zip(ancestors(item.entry.heading), range(depth), strict=False)]
    return "/".join([*reversed(slugs), item.number or item.id])


def _slug(heading: Heading) -> str:
    words = _NO_WORD.sub("-", heading.text.lower()[:200]).strip("-_")[:_SLUG_LENGTH].strip("-")
    return words if words and words.isprintable() else f"line-{heading.line}"


class Directory:
    """Finds items by the names that references use."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._by_id = {item.id: item for item in items}
        self._by_number: dict[str, list[Item]] = defaultdict(list)
        for item in items:
            self._by_number[(item.number or item.id).lower()].append(item)
        self._prefixes = {_prefix(item.number) for item in items if item.number}

    def knows_style(self, name: str) -> bool:
        """Returns True if a name looks like the ids in this file."""
        return _prefix(name) in self._prefixes

    def find(self, name: str, seeker: Item) -> Item | None:
        """Returns the item of that id; if several have that number, the one in the seeker's own section.

        Raises:
            LookupError: Several items have that number, none in the seeker's section; the message names them.
        """
        if name in self._by_id:
            return self._by_id[name]
        found = self._by_number.get(name.lower(), [])
        if len(found) <= 1:
            return found[0] if found else None
        found = [item for item in found if item is not seeker]
        if len(found) == 1:
            return found[0]
        for heading in ancestors(seeker.entry.heading):
            near = [item for item in found if item.entry.heading is heading]
            if len(near) == 1:
                return near[0]
        listed = ", ".join(item.id for item in found[:5])
        message = f"depends on {name}, which several sections have: name one of {listed}"
        raise LookupError(message)

    def suggestion(self, name: str) -> str:
        """Returns a hint at the nearest id; "" if none is near."""
        close = get_close_matches(name, list(self._by_id)[:2000], n=1)
        return f"; did you mean {close[0]}?" if close else ""


def _prefix(name: str) -> str:
    match = _LETTERS.match(name)
    return match[0] if match else ""
