"""Growth of a run: tasks that the result of a task adds, within a cap. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aurora_spawner.errors import TaskError
from aurora_spawner.tasks.candidates import with_candidates
from aurora_spawner.tasks.graph import TaskGraph, build_graph

if TYPE_CHECKING:
    from collections.abc import Collection

    from aurora_spawner.tasks.result import SpawnResult
    from aurora_spawner.tasks.task import SpawnTask

Expansion = Callable[["SpawnTask", "SpawnResult"], Sequence["SpawnTask"]]
"""Takes a task that succeeded and its result; returns the tasks to add. A SpawnerError fails the task."""

DEFAULT_MAX_ADDED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """A graph with added tasks."""

    graph: TaskGraph
    added: tuple[SpawnTask, ...]
    rewired: tuple[SpawnTask, ...]
    """The tasks that waited for the parent and now also wait for the added tasks."""


def grow(
    graph: TaskGraph, parent: SpawnTask, tasks: Sequence[SpawnTask], *, open_tasks: Collection[str], room: int
) -> Growth:
    """Returns a graph with tasks below their parent; tasks that wait for the parent now also wait for them.

    Args:
        open_tasks: Ids of the tasks that have not started.
        room: The number of tasks that the run may still add.

    Raises:
        TaskError: There are more tasks than room.
        GraphError: The tasks do not fit into the graph.
    """
    added = tuple(
        with_candidates(
            _with_parent(task if task.id else task.with_id(f"{parent.id}/{number}"), parent)
            for number, task in enumerate(tasks, start=1)
        )
    )
    if len(added) > room:
        problem = f"task {parent.id} adds {len(added)} tasks, but the run may add only {room} more"
        raise TaskError(problem, field="max_added")
    names = tuple(str(task.id) for task in added if task.candidate_of is None)
    waiting = [each for each in graph.dependants.get(str(parent.id), ()) if each in open_tasks]
    rewired = {
        each: replace(graph.tasks[each], depends_on=(*graph.tasks[each].depends_on, *names)) for each in waiting
    }
    everything = [rewired.get(task_id, task) for task_id, task in graph.tasks.items()]
    return Growth(graph=build_graph([*everything, *added]), added=added, rewired=tuple(rewired.values()))


def _with_parent(task: SpawnTask, parent: SpawnTask) -> SpawnTask:
    """Returns the task with its parent as a dependency, so that it reads the parent's result."""
    return replace(task, depends_on=tuple(dict.fromkeys([str(parent.id), *task.depends_on])))
