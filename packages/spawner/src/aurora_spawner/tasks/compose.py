"""Task graphs in common shapes."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aurora_spawner.errors import TaskError
from aurora_spawner.tasks.graph import name_tasks
from aurora_spawner.tasks.task import SpawnTask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from aurora_spawner.tasks.result import SpawnResult

T = TypeVar("T")

_FENCED = re.compile(r"```(?:json)?\s*\n(?P<body>.*?)\n\s*```", re.DOTALL)
_OPTIONS: Final = {
    "agent": str,
    "title": str,
    "priority": int,
    "timeout_s": int | float,
    "critical": bool,
    "model": str,
}
_TASK_KEYS: Final = {"id", "prompt", "depends_on", *_OPTIONS}


def sequential(tasks: Iterable[SpawnTask]) -> list[SpawnTask]:
    """Returns the tasks as a chain: each reads the result of the task before it."""
    chain: list[SpawnTask] = []
    for task in name_tasks(tasks):
        chain.append(_after(task, chain[-1:]))
    return chain


def parallel(tasks: Iterable[SpawnTask], *, merge: SpawnTask | None = None) -> list[SpawnTask]:
    """Returns the tasks side by side; `merge` reads the results of all."""
    named = name_tasks(tasks)
    if merge is None:
        return named
    return [*named, _after(merge if merge.id else merge.with_id("merge"), named)]


def map_reduce(items: Iterable[T], *, map_: Callable[[T], SpawnTask], reduce: SpawnTask) -> list[SpawnTask]:
    """Returns one task for each item, and the task that reads all their results."""
    return parallel([map_(item) for item in items], merge=reduce if reduce.id else reduce.with_id("reduce"))


def hierarchical(coordinator: SpawnTask, *, summary: SpawnTask | None = None) -> list[SpawnTask]:
    """Returns a coordinator, whose answer adds tasks (see `tasks_from_answer`), and a summary of all results.

    Run them with `expand=expand_coordinator`; the summary waits for the tasks that the answer adds.
    """
    first = coordinator if coordinator.id else coordinator.with_id("coordinator")
    if summary is None:
        return [first]
    return [first, _after(summary if summary.id else summary.with_id("summary"), [first])]


def expand_coordinator(task: SpawnTask, result: SpawnResult) -> list[SpawnTask]:
    """Returns the tasks that the answer of the task "coordinator" requests; pass it as `RunOptions(expand=…)`."""
    return tasks_from_answer(result.shown, prefix=str(task.id)) if task.id == "coordinator" else []


def map_result(
    task_id: str, items: Callable[[Any], Iterable[T]], *, map_: Callable[[T], SpawnTask]
) -> Callable[[SpawnTask, SpawnResult], list[SpawnTask]]:
    """Returns an expansion that adds one task for each item of a typed result; pass it as `RunOptions(expand=…)`.

    What waits for the task waits for them, too, so a task that depends on it reads all their results.

    Args:
        task_id: The task whose result is meant; it has a `result_schema`.
        items: Takes the document of that result, and returns its items.
    """

    def expand(task: SpawnTask, result: SpawnResult) -> list[SpawnTask]:
        return [map_(item) for item in items(result.document)] if task.id == task_id else []

    return expand


def tasks_from_answer(answer: str, *, prefix: str) -> list[SpawnTask]:
    """Returns the tasks of an agent's answer: a JSON array of strings or objects, alone or in a fenced block.

    An object needs `prompt` and may have id, agent, title, depends_on, priority, timeout_s, critical and model.
    Ids are local to the answer; each gets `prefix` and a slash in front.

    Raises:
        TaskError: The answer does not contain an array of tasks.
    """
    entries = _array(answer)
    known = {str(entry["id"]) for entry in entries if isinstance(entry, dict) and "id" in entry}
    return [_task(entry, number, prefix, known) for number, entry in enumerate(entries, start=1)]


def _array(answer: str) -> list[Any]:
    fenced = _FENCED.search(answer)
    try:
        entries = json.loads(fenced["body"] if fenced else answer)
    except (ValueError, RecursionError) as error:
        raise TaskError(f"the answer holds no JSON array of tasks: {error}", field="prompt") from error
    if not isinstance(entries, list):
        raise TaskError("the answer must be a JSON array of tasks", field="prompt")
    return entries


def _task(entry: object, number: int, prefix: str, known: set[str]) -> SpawnTask:
    if isinstance(entry, str):
        return SpawnTask(entry, id=f"{prefix}/{number}")
    if not isinstance(entry, dict) or not isinstance(entry.get("prompt"), str):
        raise TaskError(f"task {number} of the answer needs a prompt", field="prompt")
    unknown = sorted(map(str, entry.keys() - _TASK_KEYS))
    if unknown:
        raise TaskError(f"task {number} of the answer has unknown fields: {', '.join(unknown)}", field=unknown[0])
    needs = entry.get("depends_on", [])
    if not isinstance(needs, list):
        raise TaskError(f"task {number} of the answer: depends_on must be a list", field="depends_on")
    dependencies = tuple(f"{prefix}/{each}" if str(each) in known else str(each) for each in needs)
    options = {name: entry[name] for name in entry.keys() & _OPTIONS.keys()}
    for name, value in options.items():
        if not isinstance(value, _OPTIONS[name]):
            raise TaskError(f"task {number} of the answer: {name} cannot be {value!r}", field=name)
    return SpawnTask(entry["prompt"], id=f"{prefix}/{entry.get('id', number)}", depends_on=dependencies, **options)


def _after(task: SpawnTask, before: Sequence[SpawnTask]) -> SpawnTask:
    needs = dict.fromkeys([*task.depends_on, *(str(each.id) for each in before)])
    return replace(task, depends_on=tuple(needs))
