"""Candidates: a task that runs several times side by side becomes so many tasks, and a choice among them.

The candidates are ordinary tasks. The task itself then depends on them and has no attempt: once all have ended, it
takes over the result of the best one (`choosing.py`). Whatever waits for the task waits for the choice. Pure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aurora_spawner.tasks.graph import name_tasks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from aurora_spawner.tasks.result import SpawnResult
    from aurora_spawner.tasks.task import SpawnTask


def candidate_id(task_id: str, number: int) -> str:
    """Returns the id of a candidate, by its number from 1."""
    return f"{task_id}:{number}"


def with_candidates(tasks: Iterable[SpawnTask]) -> list[SpawnTask]:
    """Returns tasks, and before each one that has candidates, these; what was returned before stays as it is."""
    return [each for task in name_tasks(tasks) for each in _expanded(task)]


def attempted(tasks: Iterable[SpawnTask]) -> list[SpawnTask]:
    """Returns the tasks that agents work on: the candidates of a task instead of the task."""
    return [task for task in with_candidates(tasks) if not task.choice_of]


def _expanded(task: SpawnTask) -> Iterator[SpawnTask]:
    if task.choice_of or (task.candidate_count == 1 and not task.agents):
        yield task
        return
    if task.candidate_count == 1:
        yield replace(task, agent=task.agents[0], agents=(), candidates=None)
        return
    names = tuple(candidate_id(str(task.id), number + 1) for number in range(task.candidate_count))
    for at, name in enumerate(names):
        yield replace(
            task,
            id=name,
            agent=task.agents[at % len(task.agents)] if task.agents else task.agent,
            candidate_of=task.id,
            candidates=None,
            agents=(),
            pick="best",
            critical=False,  # the choice waits for those that fail, too
        )
    yield replace(task, depends_on=names, order_only=(), choice_of=names)


def untaken_candidates(tasks: Mapping[str, SpawnTask], results: Mapping[str, SpawnResult]) -> tuple[str, ...]:
    """Returns the candidates beside which another one was taken."""
    winners = {task_id: _winner(results.get(task_id)) for task_id, task in tasks.items() if task.choice_of}
    return tuple(
        task_id
        for task_id, task in tasks.items()
        if task.candidate_of and winners.get(task.candidate_of) not in (None, task_id)
    )


def without_work(tasks: Mapping[str, SpawnTask], results: Mapping[str, SpawnResult]) -> frozenset[str]:
    """Returns the tasks whose work is not merged as theirs: choices, and candidates that were not taken.

    The work of a choice is that of its winner, and merged as such.
    """
    return frozenset(
        task_id
        for task_id, task in tasks.items()
        if task.choice_of or (task.candidate_of and _winner(results.get(task.candidate_of)) != task_id)
    )


def _winner(result: SpawnResult | None) -> str | None:
    return result.choice.winner if result is not None and result.choice is not None else None
