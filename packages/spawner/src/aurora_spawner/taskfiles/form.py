"""The type of a task file's form: its recognition, the marks in its lines, and the order that it implies."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aurora_spawner.taskfiles.ids import Lead
    from aurora_spawner.taskfiles.lines import BodyLine, Entry, Heading
    from aurora_spawner.taskfiles.settings import Settings

DONE: Final = ("x", "X")
"""The characters of a ticked box."""

_PHASE: Final = re.compile(r"\W{0,8}phase\b", re.IGNORECASE)


@dataclass(slots=True, kw_only=True)
class Item:
    """A box that becomes a task or a group."""

    entry: Entry
    settings: Settings
    lead: Lead | None = None
    """The id at the start of its text."""
    number: str | None = None
    """The id in the file, not yet unique."""
    title: str = ""
    parent: Item | None = None
    children: list[Item] = field(default_factory=list)
    beside: bool = False
    """True if it runs beside its neighbours."""
    optional: bool = False
    """True if it is marked as optional."""
    id: str = ""

    @property
    def details(self) -> list[BodyLine]:
        """The lines below it that are not settings."""
        return [line for line in self.entry.body if line.line not in self.settings.lines]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A kind of task file."""

    name: str
    order: str
    """Its order in words, for people."""
    fits: Callable[[Sequence[Item], Sequence[Heading]], bool]
    side_mark: re.Pattern[str] | None = None
    """The mark in a title of a task that runs beside its neighbours."""
    beside: bool = False
    """True if every task runs beside its neighbours, whatever its title."""
    sections: Callable[[Sequence[Heading]], Callable[[Item], object]] | None = None
    """Returns the function that names an item's section; sections wait for each other. None for a single section."""
    groups_by_number: bool = False
    """True if 1.1 is in group 1 even without indentation."""
    dash_is_open: bool = False
    """True if `[-]` marks a task in progress; in other forms it may mark a cancelled one."""
    paths_are_files: bool = False
    """True if paths in the text of a task that creates something are its outputs."""


def ancestors(heading: Heading | None) -> Iterator[Heading]:
    """Yields a heading and the headings above it, the nearest first."""
    while heading is not None:
        yield heading
        heading = heading.above


def phases(headings: Sequence[Heading]) -> Callable[[Item], object]:
    """Returns a function that names an item's phase: its `Phase` heading, else its second-level heading."""
    level = min((each.level for each in headings if _PHASE.match(each.text)), default=2)

    def phase_of(item: Item) -> object:
        above = ancestors(item.entry.heading)
        found = next((each for each in above if each.level <= level or _PHASE.match(each.text)), None)
        return found.line if found else None

    return phase_of


def has_native_settings(items: Sequence[Item]) -> bool:
    """Returns True if the file uses Aurora's own settings or dependencies."""
    return any(item.settings.references or item.settings.values for item in items)


def body_has(items: Sequence[Item], pattern: re.Pattern[str]) -> bool:
    """Returns True if a line below a task starts with a pattern."""
    return any(pattern.match(line.text) for item in items for line in item.details)
