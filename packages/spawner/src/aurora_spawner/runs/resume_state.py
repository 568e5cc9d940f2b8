"""The state in which a coordinator finds a run: what is done stays done, what was cut off is open again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from aurora_spawner.journal.facts import WORK, CancelWithdrawn, Fact, TaskReopened, TasksAdded, TaskSettled
from aurora_spawner.runs.task_result import without_attempt
from aurora_spawner.tasks.candidates import with_candidates
from aurora_spawner.tasks.choice import ChosenBy
from aurora_spawner.tasks.graph import TaskGraph, build_graph
from aurora_spawner.tasks.result import PROVIDER_LIMITED, PROVIDER_STOPPED, TaskState
from aurora_spawner.tasks.task import task_to_json

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from aurora_spawner.journal.views import AttemptRow, TaskRow
    from aurora_spawner.tasks.checked import CheckedWork, CheckingWork
    from aurora_spawner.tasks.result import SpawnResult
    from aurora_spawner.tasks.returned import Returned
    from aurora_spawner.tasks.review import Review
    from aurora_spawner.tasks.task import SpawnTask
    from aurora_spawner.tasks.work import TaskMerge

CUT_OFF = ("interrupted", "cancelled")
"""The reasons for opening tasks again that continue where they were."""
ASKED_ANEW = "its provider is asked anew"
EDITED = "edited"
COMMENTED = "commented"
"""The reason for opening a task again on whose work a user has written comments."""
AFTER_OTHERS = "what it needs runs again"
DROPPED = "dropped"
"""Termination reason of an unfinished task that a resume no longer wants."""
_NONE_REVIEWED: Mapping[str, int] = MappingProxyType({})
_NONE_SEEN: Mapping[str, tuple[str, ...]] = MappingProxyType({})
_OF_PROVIDERS = (PROVIDER_STOPPED, PROVIDER_LIMITED)
TASKS_PER_EVENT = 500
"""The most tasks in one event, so that events stay small in runs of very many tasks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """The changes that the user wants to a run as the journal has it."""

    tasks: tuple[SpawnTask, ...] | None = None
    """The tasks as they are now; None takes them from the journal. Finished ones may be left out."""
    retry_failed: bool = False
    """Also run again what failed, and what was skipped or cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeState:
    """The state of a run when its coordinator takes it."""

    graph: TaskGraph
    states: Mapping[str, TaskState]
    """Of settled tasks."""
    results: Mapping[str, SpawnResult]
    positions: dict[str, int]
    """Of all tasks the run ever had; the coordinator enters those that join."""
    added: int
    """Tasks that results of others added."""
    attempts: Mapping[str, int]
    """The attempts so far of each task that has had one."""
    reviewing: Mapping[str, int]
    """Those of them that were attempts of reviewers."""
    checking: Mapping[str, CheckingWork]
    """The latest work of a task whose checks have begun."""
    rounds: Mapping[str, tuple[CheckedWork, ...]]
    """The checks so far of each task that goes on where it was."""
    returned: Mapping[str, tuple[Returned, ...]]
    """The returns so far of each task that goes on where it was."""
    reviews: Mapping[str, tuple[Review, ...]]
    """The reviews so far of each task that goes on where it was."""
    seen: Mapping[str, tuple[str, ...]]
    """The files that each task was seen to change."""
    open_attempts: tuple[AttemptRow, ...]
    """Attempts that were intended or started and whose ends are not journalled."""
    outdated_attempts: tuple[AttemptRow, ...]
    """Such attempts at tasks that have been edited or are gone."""
    cancelled: frozenset[str]
    """Tasks that the user has cancelled and that are not settled."""
    discarded: frozenset[str]
    """Settled tasks whose work the user has discarded."""
    merges: Mapping[str, TaskMerge]
    """The merges so far of the work of settled tasks."""
    changes: tuple[tuple[str | None, Fact], ...]
    """Facts to be journalled before the run continues, each with its task."""

    @property
    def begun(self) -> list[SpawnTask]:
        """The tasks that were started and have not ended, without those that start over or wait for another again."""
        again = self.begun_anew
        return [
            task
            for task_id, task in self.graph.tasks.items()
            if self.attempts.get(task_id)
            and task_id not in self.states
            and task_id not in again
            and all(each in self.states for each in task.depends_on)
        ]

    @property
    def asks_providers_anew(self) -> bool:
        """Returns True if tasks are opened again that failed for nothing but their providers."""
        return any(isinstance(fact, TaskReopened) and fact.why == ASKED_ANEW for _task_id, fact in self.changes)

    @property
    def edited(self) -> tuple[str, ...]:
        """Tasks that are opened again because they are others now."""
        opened = ((task_id, fact.why) for task_id, fact in self.changes if isinstance(fact, TaskReopened))
        return tuple(str(task_id) for task_id, why in opened if why == EDITED)

    @property
    def begun_anew(self) -> frozenset[str]:
        """Tasks that were reopened to start over, not only cut off."""
        opened = ((task_id, fact.why) for task_id, fact in self.changes if isinstance(fact, TaskReopened))
        return frozenset(str(task_id) for task_id, why in opened if why not in CUT_OFF)


def stored_task(task: SpawnTask) -> dict[str, object]:
    """Returns a task as facts carry it."""
    return {**task_to_json(task), "content_hash": task.content_hash}


def tasks_added(
    tasks: Sequence[SpawnTask],
    *,
    first_position: int,
    added_by: str | None = None,
    rewired: Sequence[SpawnTask] = (),
) -> Iterator[TasksAdded]:
    """Yields facts that add tasks, none of them very large."""
    for start in range(0, len(tasks), TASKS_PER_EVENT):
        yield TasksAdded(
            first_position=first_position + start,
            tasks=[stored_task(task) for task in tasks[start : start + TASKS_PER_EVENT]],
            added_by=added_by,
            rewired=[stored_task(task) for task in rewired] if not start else [],
        )


def find_resume_state(
    rows: Sequence[TaskRow],
    open_attempts: Sequence[AttemptRow],
    revision: Revision,
    *,
    reviewing: Mapping[str, int] = _NONE_REVIEWED,
    seen: Mapping[str, tuple[str, ...]] = _NONE_SEEN,
) -> ResumeState:
    """Compares the journal with the tasks that are wanted; reads nothing else.

    Args:
        reviewing: The attempts of reviewers, by task.
        seen: The files that tasks were seen to change.

    Raises:
        GraphError: The revised tasks do not fit together.
    """
    by_id = {row.task_id: row for row in rows}
    wanted = _wanted_tasks(by_id, revision)
    graph = build_graph(list(wanted.values()))
    edited = {
        task_id
        for task_id, task in wanted.items()
        if task_id in by_id and task.content_hash != by_id[task_id].task.content_hash
    }
    attempted = {attempt.task_id for attempt in open_attempts if attempt.role == WORK}
    gone = _gone(by_id, revision)
    reopened = _reopened(by_id, graph, edited, attempted, retry_failed=revision.retry_failed, gone=gone)
    new = [task for task_id, task in wanted.items() if task_id not in by_id]
    first_position = max((row.position for row in rows), default=-1) + 1
    wanted |= {
        task_id: _with_pick(wanted[task_id], by_id[task_id])
        for task_id, why in reopened.items()
        if why == AFTER_OTHERS and wanted[task_id].choice_of
    }
    graph = build_graph(list(wanted.values()))
    changes: list[tuple[str | None, Fact]] = [
        (task_id, TaskReopened(why=why, task=stored_task(wanted[task_id]))) for task_id, why in reopened.items()
    ]
    changes += [(None, fact) for fact in tasks_added(new, first_position=first_position)]
    changes += [
        (row.task_id, TaskSettled(result=_dropped(row.task).to_json()))
        for row in rows
        if row.task_id not in wanted and not row.state.settled
    ]
    cancelled = {row.task_id for row in rows if row.cancel_asked and not row.state.settled} & (wanted.keys() - edited)
    if revision.retry_failed:
        changes += [(task_id, CancelWithdrawn()) for task_id in sorted(cancelled)]
        cancelled = set()
    current = wanted.keys() - edited
    kept = [row for row in rows if row.task_id in wanted and row.task_id not in reopened]
    return ResumeState(
        graph=graph,
        states={row.task_id: row.state for row in kept if row.state.settled},
        results={row.task_id: row.result for row in kept if row.state.settled and row.result is not None},
        positions={
            **{row.task_id: row.position for row in rows},
            **{str(task.id): position for position, task in enumerate(new, start=first_position)},
        },
        added=sum(row.added_by is not None for row in rows),
        attempts={row.task_id: row.attempts for row in rows if row.attempts},
        reviewing=reviewing,
        checking={row.task_id: row.checking for row in rows if row.checking is not None},
        rounds={
            row.task_id: row.checked for row in rows if row.checked and reopened.get(row.task_id) in (None, *CUT_OFF)
        },
        returned={
            row.task_id: row.returned
            for row in rows
            if row.returned and reopened.get(row.task_id) in (None, *CUT_OFF)
        },
        reviews={
            row.task_id: row.reviews for row in rows if row.reviews and reopened.get(row.task_id) in (None, *CUT_OFF)
        },
        seen=seen,
        open_attempts=tuple(attempt for attempt in open_attempts if attempt.task_id in current),
        outdated_attempts=tuple(attempt for attempt in open_attempts if attempt.task_id not in current),
        cancelled=frozenset(cancelled),
        discarded=frozenset(row.task_id for row in kept if row.state.settled and row.is_discarded),
        merges={row.task_id: row.merge for row in kept if row.merge is not None},
        changes=tuple(changes),
    )


def _wanted_tasks(by_id: Mapping[str, TaskRow], revision: Revision) -> dict[str, SpawnTask]:
    """Returns the tasks of this execution in the journal's order, new ones last; unchanged ones are the journal's."""
    if revision.tasks is None:
        return {task_id: row.task for task_id, row in by_id.items()}
    revised = {str(task.id): task for task in with_candidates(revision.tasks)}
    wanted: dict[str, SpawnTask] = {}
    reordered: dict[str, tuple[str, ...]] = {}
    edited = False
    for task_id, row in by_id.items():
        if task_id not in revised:
            if (row.state.settled and not _is_dropped(row)) or row.added_by is not None or row.is_commented:
                wanted[task_id] = row.task
                reordered[task_id] = ()
            continue
        task = _with_met_dependencies(revised.pop(task_id).with_id(task_id), row, by_id)
        if task.content_hash == row.task.content_hash:
            wanted[task_id] = row.task
            reordered[task_id] = () if row.attempts else task.order_only
        else:
            wanted[task_id] = task
            edited = True
    for task_id, order in reordered.items():
        # What an edited task comes after is not what the journal knows; old order could go round in a circle with it.
        met = () if edited else tuple(filter(wanted.__contains__, _succeeded(by_id[task_id].task.order_only, by_id)))
        wanted[task_id] = _in_order(wanted[task_id], (*order, *met))
    return wanted | {task_id: task.with_id(task_id) for task_id, task in revised.items()}


def _gone(by_id: Mapping[str, TaskRow], revision: Revision) -> frozenset[str]:
    """Returns the settled tasks that the user no longer lists: none is run again because another one is."""
    if revision.tasks is None:
        return frozenset()
    listed = {str(task.id) for task in with_candidates(revision.tasks)}
    return frozenset(
        task_id
        for task_id, row in by_id.items()
        if task_id not in listed and row.state.settled and row.added_by is None and not row.is_commented
    )


def _dropped(task: SpawnTask) -> SpawnResult:
    error = "it is no longer among the open tasks of the run"
    return without_attempt(task, TaskState.SKIPPED, error, agent=task.agent or "", reason=DROPPED)


def _is_dropped(row: TaskRow) -> bool:
    return row.result is not None and row.result.termination_reason == DROPPED


def _in_order(task: SpawnTask, order: tuple[str, ...]) -> SpawnTask:
    """Returns the task with this place in the order of its file; itself if that is its place."""
    if set(order) == set(task.order_only):
        return task
    needed = (each for each in task.depends_on if each not in task.order_only)
    return replace(task, depends_on=tuple(dict.fromkeys([*needed, *order])), order_only=tuple(dict.fromkeys(order)))


def _succeeded(task_ids: Iterable[str], by_id: Mapping[str, TaskRow]) -> Iterator[str]:
    return (each for each in task_ids if each in by_id and by_id[each].state is TaskState.SUCCEEDED)


def _with_met_dependencies(task: SpawnTask, row: TaskRow, by_id: Mapping[str, TaskRow]) -> SpawnTask:
    """Puts back dependencies that a task file leaves out: they are ticked, or results of others added them."""
    met = [
        each
        for each in row.task.depends_on
        if each not in task.depends_on
        and each not in row.task.order_only
        and each not in row.task.choice_of
        and each in by_id
        and _left_out(by_id[each])
    ]
    return replace(task, depends_on=(*task.depends_on, *met))


def _left_out(row: TaskRow) -> bool:
    return row.state is TaskState.SUCCEEDED or row.added_by is not None


def _reopened(
    by_id: Mapping[str, TaskRow],
    graph: TaskGraph,
    edited: Collection[str],
    attempted: Collection[str],
    *,
    retry_failed: bool,
    gone: Collection[str],
) -> dict[str, str]:
    """Returns the tasks that the journal has to open again, each with the reason."""
    reopened: dict[str, str] = {}
    chosen = {each for row in by_id.values() if row.state is TaskState.SUCCEEDED for each in row.task.choice_of}
    for task_id, row in by_id.items():
        chosen_among = task_id in chosen and row.state.settled and task_id not in edited
        if task_id not in graph.tasks or chosen_among:
            continue
        why = _reason_to_reopen(row, edited=task_id in edited, attempted=task_id in attempted, failed=retry_failed)
        if why is not None:
            reopened[task_id] = why
    commented = {task_id for task_id, row in by_id.items() if row.is_commented and task_id in graph.tasks}
    for task_id in _downstream([*reopened, *commented], graph):
        if task_id not in by_id or task_id in reopened or task_id in gone:
            continue
        state, among = by_id[task_id].state, graph.tasks[task_id].choice_of
        if state is TaskState.SKIPPED or (state.settled and not (reopened.keys() | commented).isdisjoint(among)):
            reopened[task_id] = AFTER_OTHERS
    return reopened


def _with_pick(task: SpawnTask, row: TaskRow) -> SpawnTask:
    """Returns a choice that is made again, with the candidate that the user has picked, if it was the user."""
    choice = row.result.choice if row.result else None
    if choice is None:
        return task
    return replace(task, picked=choice.winner if choice.by is ChosenBy.USER else None)


def _reason_to_reopen(row: TaskRow, *, edited: bool, attempted: bool, failed: bool) -> str | None:
    """Returns why a task is opened again for its own sake; None if it stays as it is.

    Args:
        attempted: An attempt at it has not ended.
        failed: Tasks that did not succeed are wanted again.
    """
    if edited:
        return EDITED
    if row.state is TaskState.RUNNING and not attempted:
        return "interrupted"
    if row.state is TaskState.FAILED and row.result and row.result.termination_reason in _OF_PROVIDERS:
        return ASKED_ANEW
    if _is_dropped(row):
        return "wanted again"
    if failed and row.state in (TaskState.FAILED, TaskState.SKIPPED, TaskState.CANCELLED):
        return "retry_failed"
    return None


def _downstream(start: Iterable[str], graph: TaskGraph) -> list[str]:
    """Returns these tasks and everything that depends on them, nearest first."""
    found = dict.fromkeys(start)
    queue = list(found)
    for task_id in queue:
        for dependant in graph.dependants.get(task_id, ()):
            if dependant not in found:
                found[dependant] = None
                queue.append(dependant)
    return queue
