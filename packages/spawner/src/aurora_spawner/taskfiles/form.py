"""The forms of task files: how each is recognised, which marks its lines bear, and the order that it implies."""

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
"""What a ticked box holds."""

_PHASE: Final = re.compile(r"\W{0,8}phase\b", re.IGNORECASE)


@dataclass(slots=True, kw_only=True)
class Item:
    """A box on its way to being a task or a group."""

    entry: Entry
    settings: Settings
    lead: Lead | None = None
    """The id that its text begins with."""
    number: str | None = None
    """The id as the file has it, not yet unique."""
    title: str = ""
    parent: Item | None = None
    children: list[Item] = field(default_factory=list)
    beside: bool = False
    """It runs beside its neighbours."""
    optional: bool = False
    """It is marked as optional."""
    id: str = ""

    @property
    def details(self) -> list[BodyLine]:
        """The lines below it that are no settings."""
        return [line for line in self.entry.body if line.line not in self.settings.lines]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One kind of task file."""

    name: str
    order: str
    """How its order is told to people."""
    fits: Callable[[Sequence[Item], Sequence[Heading]], bool]
    side_mark: re.Pattern[str] | None = None
    """In a title: the task runs beside its neighbours."""
    beside: bool = False
    """Every task does, whatever its title."""
    sections: Callable[[Sequence[Heading]], Callable[[Item], object]] | None = None
    """What tells the sections, which wait for each other; None for a file that is one section."""
    groups_by_number: bool = False
    """1.1 is in group 1 without being indented."""
    dash_is_open: bool = False
    """`[-]` marks a task in progress; elsewhere it may as well be cancelled."""
    paths_are_files: bool = False
    """Paths in the text of a task that creates something are its outputs."""


def ancestors(heading: Heading | None) -> Iterator[Heading]:
    """Yields a heading and those that it is below, the nearest first."""
    while heading is not None:
        yield heading
        heading = heading.above


def phases(headings: Sequence[Heading]) -> Callable[[Item], object]:
    """Returns what tells an item's phase: its `Phase` heading, else its heading of the second level."""
    level = min((each.level for each in headings if _PHASE.match(each.text)), default=2)

    def phase_of(item: Item) -> object:
        above = ancestors(item.entry.heading)
        found = next((each for each in above if each.level <= level or _PHASE.match(each.text)), None)
        return found.line if found else None

    return phase_of


def has_native_settings(items: Sequence[Item]) -> bool:
    """Tells whether the file says by Aurora's own settings who does what after what."""
    return any(item.settings.references or item.settings.values for item in items)


def body_has(items: Sequence[Item], pattern: re.Pattern[str]) -> bool:
    """Tells whether a line below a task begins with a pattern."""
    return any(pattern.match(line.text) for item in items for line in item.details)
