"""The dependency graph of a run's tasks, checked before anything runs."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from aurora_spawner.errors import GraphError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from aurora_spawner.tasks.task import SpawnTask

_SHOWN: Final = 10
"""The number of a cycle's tasks that an error names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskGraph:
    """Tasks by id in the given order, and the dependants of each."""

    tasks: Mapping[str, SpawnTask]
    dependants: Mapping[str, tuple[str, ...]]


def name_tasks(tasks: Iterable[SpawnTask]) -> list[SpawnTask]:
    """Returns the tasks; those without an id get their position, from 1."""
    return [task if task.id else task.with_id(str(number)) for number, task in enumerate(tasks, start=1)]


def build_graph(
    tasks: Sequence[SpawnTask],
    *,
    satisfied: Iterable[str] = (),
    lines: Mapping[str, int] | None = None,
    path: Path | None = None,
) -> TaskGraph:
    """Checks the tasks and returns their graph.

    Args:
        satisfied: Ids of finished tasks outside this run, on which tasks may depend.
        lines: The tasks' lines in their file, for messages.

    Raises:
        GraphError: An id is used twice, a dependency does not exist, or tasks form a cycle.
    """
    where = lines or {}
    by_id: dict[str, SpawnTask] = {}
    for task in name_tasks(tasks):
        assert task.id is not None
        if task.id in by_id:
            raise GraphError(task.id, "the id is used twice; ids must be unique", line=where.get(task.id), path=path)
        by_id[task.id] = task
    dependants = _link(by_id, frozenset(satisfied), where, path)
    cycle = _find_cycle(by_id, dependants)
    if cycle:
        shown = cycle if len(cycle) <= _SHOWN else [*cycle[:_SHOWN], f"… ({len(cycle) - _SHOWN} more)"]
        chain = " → ".join([*shown, cycle[0]])
        raise GraphError(cycle[0], f"depends on itself: {chain}", line=where.get(cycle[0]), path=path)
    return TaskGraph(tasks=by_id, dependants=dependants)


def _link(
    by_id: Mapping[str, SpawnTask], satisfied: frozenset[str], lines: Mapping[str, int], path: Path | None
) -> dict[str, tuple[str, ...]]:
    dependants: dict[str, list[str]] = {}
    for task_id, task in by_id.items():
        for dependency in dict.fromkeys(task.depends_on):
            if dependency in by_id:
                dependants.setdefault(dependency, []).append(task_id)
            elif dependency not in satisfied:
                problem = f"depends on {dependency}, which does not exist" + _suggestion(dependency, by_id)
                raise GraphError(task_id, problem, line=lines.get(task_id), path=path)
    return {task_id: tuple(waiting) for task_id, waiting in dependants.items()}


def _suggestion(wanted: str, known: Iterable[str]) -> str:
    close = get_close_matches(wanted, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _find_cycle(by_id: Mapping[str, SpawnTask], dependants: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Returns the ids of one cycle, each depending on the next; empty if there is none (Kahn 1962)."""
    waiting = {
        task_id: sum(dependency in by_id for dependency in dict.fromkeys(task.depends_on))
        for task_id, task in by_id.items()
    }
    free = [task_id for task_id, count in waiting.items() if not count]
    while free:
        done = free.pop()
        del waiting[done]
        for dependant in dependants.get(done, ()):
            waiting[dependant] -= 1
            if not waiting[dependant]:
                free.append(dependant)
    return _walk_back(by_id, waiting)


def _walk_back(by_id: Mapping[str, SpawnTask], stuck: Mapping[str, int]) -> list[str]:
    """Returns a cycle among tasks that wait for each other: follows dependencies until one repeats."""
    path: list[str] = []
    seen: set[str] = set()
    current = next(iter(stuck), None)
    while current is not None and current not in seen:
        seen.add(current)
        path.append(current)
        current = next(dependency for dependency in by_id[current].depends_on if dependency in stuck)
    return path[path.index(current) :] if current is not None else []
