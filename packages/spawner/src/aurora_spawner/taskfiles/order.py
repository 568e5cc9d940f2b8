"""Dependencies from the order that a form implies. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

EDGE_LIMIT: Final = 2_500
"""The most edges between two batches, as for 50 tasks that wait for 50 others. Beyond it, one task of the later batch
waits for all of the earlier, and the others wait for it: fewer run at once, but the graph stays small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A task in the order of its file."""

    id: str
    beside: bool
    """True if it runs beside those of its neighbours that have this mark too."""
    section: object
    """Its section; later sections wait for it."""
    placed: bool = True
    """False for a task that names its own dependencies: no order applies to it, but others come after it."""


def waits(places: Sequence[Place]) -> dict[str, tuple[str, ...]]:
    """Returns the tasks that each task waits for because of the order alone.

    A task waits for all tasks before it, except neighbours that run beside it. Only the last of them are named,
    because these have waited for the others.
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
    """Yields batches of neighbours that run beside each other."""
    batch: list[Place] = []
    for place in places:
        if batch and not (place.beside and batch[-1].beside and place.section == batch[-1].section):
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch
