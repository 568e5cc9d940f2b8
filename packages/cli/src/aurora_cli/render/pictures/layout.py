"""Places of the tasks in a picture of their graph: one column for each level of dependencies."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["columns_of"]


def columns_of(depends_on: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Arranges tasks in columns: each in the first one that is right of all that it depends on.

    Within a column a task stands near the middle of those that it depends on, so that few edges cross.

    Args:
        depends_on: For each task those that it depends on; names that are no task are passed over. Tasks that depend
            on each other in a circle, as only a damaged journal has them, are in a last column.
    """
    levels = _levels(depends_on)
    columns: list[list[str]] = [[] for _ in range(max(levels.values(), default=-1) + 1)]
    for task, level in levels.items():
        columns[level].append(task)
    rows: dict[str, float] = {}
    for column in columns:
        column.sort(key=lambda task: _middle([rows[each] for each in depends_on[task] if each in rows]))
        rows.update((task, row) for row, task in enumerate(column))
    return columns


def _levels(depends_on: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Returns the column of each task, in the order of the tasks."""
    waiting = {task: {each for each in needs if each in depends_on} for task, needs in depends_on.items()}
    dependants: dict[str, list[str]] = {task: [] for task in depends_on}
    for task, needs in waiting.items():
        for each in needs:
            dependants[each].append(task)
    levels = dict.fromkeys((task for task, needs in waiting.items() if not needs), 0)
    ready = list(levels)
    for task in ready:  # grows while it is walked
        for dependant in dependants[task]:
            waiting[dependant].discard(task)
            levels[dependant] = max(levels.get(dependant, 0), levels[task] + 1)
            if not waiting[dependant]:
                ready.append(dependant)
    in_a_circle = max(levels.values(), default=-1) + 1
    return {task: in_a_circle if waiting[task] else levels[task] for task in depends_on}


def _middle(rows: Sequence[float]) -> float:
    return sum(rows) / len(rows) if rows else 0.0
