"""Turn the order that a form implies into dependencies; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

EDGE_LIMIT: Final = 2_500
"""Between two batches: 50 tasks that all wait for 50 others. Beyond it one task of the later batch waits for all, and
the others for it: a little less at once, but a large file does not become a graph of millions of edges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A task in the order of its file."""

    id: str
    beside: bool
    """It runs beside its neighbours that do, too."""
    section: object
    """What comes in another section waits for this one."""
    placed: bool = True
    """False for a task that says itself what it depends on; it has no order, but others come after it."""


def waits(places: Sequence[Place]) -> dict[str, tuple[str, ...]]:
    """Returns which tasks each task waits for, by the order alone.

    A task waits for all before it, save its neighbours if all of them run beside each other. Only the last of those
    before it are named: they have waited for the others.
    """
    found: dict[str, tuple[str, ...]] = {}
    frontier: list[str] = []
    for batch in _batches(places):
        placed = [place.id for place in batch if place.placed]
        if placed:
            found.update(_wait_for(tuple(frontier), placed))
            frontier = []
        frontier.extend(place.id for place in batch)
    return found


def _wait_for(before: tuple[str, ...], placed: Sequence[str]) -> dict[str, tuple[str, ...]]:
    if len(placed) * len(before) <= EDGE_LIMIT:
        return dict.fromkeys(placed, before)
    first, *others = placed
    return {first: before, **dict.fromkeys(others, (first,))}


def _batches(places: Sequence[Place]) -> Iterator[list[Place]]:
    """Cuts into runs of neighbours that go together."""
    batch: list[Place] = []
    for place in places:
        if batch and not (place.beside and batch[-1].beside and place.section == batch[-1].section):
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch
