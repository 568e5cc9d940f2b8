"""The names of queues: one for each pool and set of labels; a worker serves those that its own labels cover. Pure."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


def queue_name(pool: str, labels: Collection[str]) -> str:
    """Returns the queue for attempts that need these labels; without any it is named as its pool."""
    return "|".join((pool, *sorted(set(labels))))


def queues_of(pool: str, labels: Collection[str]) -> list[str]:
    """Returns the queues that a worker with these labels serves."""
    own = sorted(set(labels))
    return [queue_name(pool, some) for count in range(len(own) + 1) for some in combinations(own, count)]
