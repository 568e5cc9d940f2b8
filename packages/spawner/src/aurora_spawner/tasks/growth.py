"""Tasks that the result of a task adds to its run, within caps; pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aurora_spawner.errors import TaskError
from aurora_spawner.tasks.graph import TaskGraph, build_graph

if TYPE_CHECKING:
    from collections.abc import Collection

    from aurora_spawner.tasks.result import SpawnResult
    from aurora_spawner.tasks.task import SpawnTask

Expansion = Callable[["SpawnTask", "SpawnResult"], Sequence["SpawnTask"]]
"""Given a task that succeeded and its result: the tasks to add. What it raises as SpawnerError fails the task."""

DEFAULT_MAX_ADDED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """A larger graph."""

    graph: TaskGraph
    added: tuple[SpawnTask, ...]
    rewired: tuple[SpawnTask, ...]
    """Tasks that waited for the parent and now wait for what it added, too."""


def grow(
    graph: TaskGraph, parent: SpawnTask, tasks: Sequence[SpawnTask], *, open_tasks: Collection[str], room: int
) -> Growth:
    """Adds tasks below their parent; whatever waits for the parent waits for them as well.

    Args:
        open_tasks: Ids of the tasks that have not begun.
        room: How many more tasks the run may add.

    Raises:
        TaskError: More tasks than there is room for.
        GraphError: They do not fit into the graph.
    """
    if len(tasks) > room:
        problem = f"task {parent.id} asks for {len(tasks)} more tasks, and the run has room for {room}"
        raise TaskError(problem, field="max_added")
    added = tuple(
        _below(task if task.id else task.with_id(f"{parent.id}/{number}"), parent)
        for number, task in enumerate(tasks, start=1)
    )
    names = tuple(str(task.id) for task in added)
    waiting = [each for each in graph.dependants.get(str(parent.id), ()) if each in open_tasks]
    rewired = {
        each: replace(graph.tasks[each], depends_on=(*graph.tasks[each].depends_on, *names)) for each in waiting
    }
    everything = [rewired.get(task_id, task) for task_id, task in graph.tasks.items()]
    return Growth(graph=build_graph([*everything, *added]), added=added, rewired=tuple(rewired.values()))


def _below(task: SpawnTask, parent: SpawnTask) -> SpawnTask:
    """A task knows its parent as a dependency, and so reads the parent's result."""
    return replace(task, depends_on=tuple(dict.fromkeys([str(parent.id), *task.depends_on])))
