"""The tasks of a run: as they are now, in flight, and their results."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aurora_spawner.errors import BackendError, SpawnerError
from aurora_spawner.runs.candidate_places import check_places
from aurora_spawner.runs.in_flight import TaskInFlight
from aurora_spawner.runs.resume_state import tasks_added
from aurora_spawner.tasks.graph import build_graph
from aurora_spawner.tasks.growth import grow
from aurora_spawner.tasks.result import TaskState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from aurora_spawner.attempts.executor import RunningAttempt
    from aurora_spawner.backends.base import Backend
    from aurora_spawner.journal.facts import Fact
    from aurora_spawner.runs.resume_state import ResumeState
    from aurora_spawner.runs.run_options import RunOptions
    from aurora_spawner.runs.scheduler import Scheduler
    from aurora_spawner.tasks.approvals import AskingAttempt
    from aurora_spawner.tasks.result import SpawnResult
    from aurora_spawner.tasks.task import SpawnTask


class RunTasks:
    """The tasks of a run by their ids, and the state of those in flight; grows if results add tasks."""

    def __init__(self, state: ResumeState, *, options: RunOptions, backends: Mapping[str, Backend]) -> None:
        self._graph = state.graph
        self.tasks = state.graph.tasks
        """By id, in their order."""
        self.positions = state.positions
        """Of all tasks that the run ever had."""
        self.results = dict(state.results)
        """Of settled tasks, and of those that the end of the run cut off."""
        self.discarded = state.discarded
        """Tasks whose work the user does not want."""
        self._in_flight = _left_in_flight(state)
        self._room = options.max_added - state.added
        self._options = options
        self._backends = backends

    @property
    def in_flight(self) -> Mapping[str, TaskInFlight]:
        """Tasks that were attempted or cancelled and are not settled."""
        return self._in_flight

    def flight(self, task_id: str) -> TaskInFlight:
        """Returns the state of a task that is not settled."""
        found = self._in_flight.get(task_id)
        if found is None:
            found = self._in_flight[task_id] = TaskInFlight()
        return found

    def running(self, task_id: str) -> RunningAttempt | None:
        """Returns the attempt at a task that is under way."""
        found = self._in_flight.get(task_id)
        return None if found is None else found.running

    def asking(self, token: str) -> tuple[str, AskingAttempt] | None:
        """Returns the task of a token, and what works at it with that; None if nothing is known to have it."""
        for task_id, flight in self._in_flight.items():
            if (attempt := flight.asking(token)) is not None:
                return task_id, attempt
        return None

    def cancelled(self, task_id: str) -> bool:
        """Returns True if a user has asked for the end of a task that is not settled."""
        found = self._in_flight.get(task_id)
        return found is not None and found.cancelled

    def taken(self, task_id: str) -> bool:
        """Returns True if the user has taken a task over and not handed it back."""
        found = self._in_flight.get(task_id)
        return found is not None and found.taken is not None

    def held_by_user(self) -> dict[str, str]:
        """Returns a line for each task that the user has taken over, by its id."""
        return {
            task_id: f"taken over by the user (process {flight.taken.holder.pid})"
            for task_id, flight in self._in_flight.items()
            if flight.taken is not None
        }

    def settle(self, task_id: str, result: SpawnResult) -> None:
        """Keeps the final result of a task and forgets the rest."""
        self.results[task_id] = result
        flight = self._in_flight.pop(task_id, None)
        if flight is not None and flight.timer is not None:
            flight.timer.cancel()

    def before(self, task: SpawnTask) -> list[SpawnResult]:
        """Returns the results of a task's dependencies, each once."""
        return [self.results[each] for each in dict.fromkeys(task.depends_on) if each in self.results]

    def open_choices(self, after: Iterable[str], states: Mapping[str, TaskState]) -> list[SpawnTask]:
        """Returns the tasks among whose candidates one can be chosen now, since some of them have been settled."""
        wanted = dict.fromkeys(self.tasks[each].candidate_of for each in after)
        found = [self.tasks[each] for each in wanted if each is not None and each in self.tasks]
        return [
            task
            for task in found
            if task.choice_of
            and not states[str(task.id)].settled
            and all(states[each].settled for each in task.choice_of)
        ]

    def in_order(self, task_ids: Collection[str]) -> list[str]:
        """Returns some of the tasks in the order of the run."""
        return sorted(task_ids, key=self.positions.__getitem__)

    def expand(self, result: SpawnResult, scheduler: Scheduler) -> tuple[SpawnResult, Sequence[Fact]]:
        """Adds the tasks that a result asks for; a result that asks for what cannot be is a failure.

        A candidate adds none: the task does, once one is chosen.

        Returns:
            The result, and the facts about the tasks for the journal.
        """
        parent = self.tasks[result.task_id]
        if self._options.expand is None or not result.success or parent.candidate_of or parent.resolves is not None:
            return result, ()
        try:
            wanted = self._options.expand(parent, result)
            if not wanted:
                return result, ()
            growth = grow(self._graph, parent, wanted, open_tasks=scheduler.pending, room=self._room)
            for task in growth.added:
                self._check_agent(task.agent)
                self._check_agent(task.reviewer.agent if task.reviewer else None)
            check_places(
                growth.added,
                backends=self._backends,
                default_agent=self._options.default_agent,
                isolated=self._options.isolation is not None,
            )
        except SpawnerError as error:
            return replace(result, state=TaskState.FAILED, error=str(error)), ()
        self._graph, self.tasks = growth.graph, growth.graph.tasks
        self._room -= len(growth.added)
        first = max(self.positions.values()) + 1
        self.positions |= {str(task.id): first + offset for offset, task in enumerate(growth.added)}
        scheduler.grow(growth.graph)
        facts = tasks_added(growth.added, first_position=first, added_by=result.task_id, rewired=growth.rewired)
        return result, list(facts)

    def join(self, task: SpawnTask, scheduler: Scheduler, *, added_by: str) -> Sequence[Fact]:
        """Adds a task that nothing waits for; returns the facts about it for the journal."""
        self._graph = build_graph([*self._graph.tasks.values(), task])
        self.tasks = self._graph.tasks
        position = max(self.positions.values()) + 1
        self.positions[str(task.id)] = position
        scheduler.grow(self._graph)
        return list(tasks_added([task], first_position=position, added_by=added_by))

    def _check_agent(self, agent: str | None) -> None:
        if agent is not None and agent not in self._backends:
            raise BackendError(agent, f"has no backend; there are: {', '.join(sorted(self._backends))}")


def _left_in_flight(state: ResumeState) -> dict[str, TaskInFlight]:
    """Returns the tasks that an earlier coordinator has left open, each with its attempts and its cancellation."""
    left = {
        task_id: TaskInFlight(
            attempts=attempts,
            checking=state.checking.get(task_id),
            rounds=list(state.rounds.get(task_id, ())),
            returned=list(state.returned.get(task_id, ())),
            reviews=list(state.reviews.get(task_id, ())),
            reviewing=state.reviewing.get(task_id, 0),
        )
        for task_id, attempts in state.attempts.items()
        if task_id not in state.states
    }
    for task_id in state.cancelled:
        left.setdefault(task_id, TaskInFlight()).cancelled = True
    return left
