"""The choice of the next task: dataflow over dependencies, priorities, limits. Knows no time and no processes."""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_spawner.runs.file_claims import FileClaims
from aurora_spawner.tasks.candidates import with_candidates
from aurora_spawner.tasks.graph import TaskGraph
from aurora_spawner.tasks.result import TaskState, TaskStep, advance

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aurora_spawner.tasks.task import SpawnTask

_Ranked = tuple[int, int, str]
"""Negated priority, position, id: the smallest starts first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits on attempts that run at once."""

    max_concurrent: int
    per_agent: Mapping[str, int]


class Scheduler:
    """Knows every task's state and what may start; O(log n) for each decision.

    Args:
        agent_of: The agent that a task will run on, for the limits by agent.
        positions: Decide among tasks of equal priority; shared with the caller, who enters those that join. None
            takes the order of the graph.
        admits: Returns True if an attempt of an agent may start now; else its tasks wait for `release`.
        claims: The files that tasks have claimed; a task that declares one of them waits. None for no claims.
        states: Of tasks that an earlier execution has settled already; `skip_hopeless` does what follows from them.
    """

    def __init__(
        self,
        graph: TaskGraph,
        *,
        limits: Limits,
        agent_of: Callable[[SpawnTask], str],
        states: Mapping[str, TaskState],
        positions: dict[str, int] | None = None,
        admits: Callable[[str], bool] | None = None,
        claims: FileClaims | None = None,
    ) -> None:
        self._graph = graph
        self._limits = limits
        self._agent_of = agent_of
        self._admits = admits
        self.claims = FileClaims(waits=False) if claims is None else claims
        self._behind: dict[str, list[_Ranked]] = {}
        """Ready tasks that wait for the end of another, which has claimed a file of theirs."""
        self._running = 0
        self._running_by_agent: dict[str, int] = {}
        self._ready: list[_Ranked] = []
        self._parked: dict[str, list[_Ranked]] = {}
        """Ready tasks whose agent is at its limit, or not admitted."""
        self._slots: dict[str, str | None] = {}
        """Running tasks, with the agent that they count for; None while they wait for room for another one."""
        self._wanting: dict[str, str] = {}
        """Tasks whose slot counts for no agent, because they wait for room for this one."""
        self._later: set[str] = set()
        """Postponed tasks that are not to start yet."""
        self._position = (
            {task_id: number for number, task_id in enumerate(graph.tasks)} if positions is None else positions
        )
        self.states = {task_id: states.get(task_id, TaskState.PENDING) for task_id in graph.tasks}
        self._open = sum(not state.settled for state in self.states.values())
        self._open_choices = sum(
            not self.states[task_id].settled for task_id, task in graph.tasks.items() if task.choice_of
        )
        self._waits_for = {task_id: self._unmet(task) for task_id, task in graph.tasks.items()}
        for task_id, unmet in self._waits_for.items():
            if not unmet and self.states[task_id] is TaskState.PENDING:
                self._queue(task_id)

    def _unmet(self, task: SpawnTask) -> int:
        return sum(
            dependency in self.states and not self._met(dependency) for dependency in dict.fromkeys(task.depends_on)
        )

    def _met(self, dependency: str) -> bool:
        """Returns True if dependants of this task may start."""
        state = self.states[dependency]
        return state is TaskState.SUCCEEDED or (state.settled and not self._graph.tasks[dependency].critical)

    def _queue(self, task_id: str) -> None:
        """Lets a task start; a choice among candidates never does, its caller settles it."""
        if not self._graph.tasks[task_id].choice_of:
            heapq.heappush(self._ready, self._rank(task_id))

    def _rank(self, task_id: str) -> _Ranked:
        return -self._graph.tasks[task_id].priority, self._position[task_id], task_id

    @property
    def running(self) -> int:
        """Attempts that hold a slot."""
        return self._running

    @property
    def settled(self) -> int:
        """Tasks whose outcome is known."""
        return len(self.states) - self._open

    @property
    def open(self) -> int:
        """Tasks that are not settled and that agents work on, so no choices among candidates."""
        return self._open - self._open_choices

    @property
    def done(self) -> bool:
        """True if every task is settled."""
        return not self._open

    @property
    def pending(self) -> set[str]:
        """Tasks that have not started."""
        return {task_id for task_id, state in self.states.items() if state is TaskState.PENDING}

    @property
    def startable(self) -> bool:
        """True if `start_next` may find a task; cheap, and wrong only if all ready tasks are held up."""
        return bool(self._ready) and self._running < self._limits.max_concurrent

    def grow(self, graph: TaskGraph) -> None:
        """Continues with a larger graph: new tasks, and pending ones that wait for more than before."""
        changed = [task_id for task_id, task in graph.tasks.items() if task is not self._graph.tasks.get(task_id)]
        self._graph = graph
        for task_id in changed:
            if task_id not in self.states:
                self._position.setdefault(task_id, len(self._position))
                self.states[task_id] = TaskState.PENDING
                self._open += 1
                self._open_choices += bool(graph.tasks[task_id].choice_of)
        for task_id in changed:
            self._waits_for[task_id] = self._unmet(graph.tasks[task_id])
            if not self._waits_for[task_id] and self.states[task_id] is TaskState.PENDING:
                self._queue(task_id)

    def start_next(self) -> str | None:
        """Takes the best task that may start now and counts it as running; None when none may."""
        while self._ready and self._running < self._limits.max_concurrent:
            ranked = heapq.heappop(self._ready)
            task_id = ranked[2]
            if self.states[task_id] is not TaskState.PENDING or self._waits_for[task_id] or task_id in self._later:
                # skipped, cancelled, postponed or given more to wait for since; others may have waited behind it
                self.release(self._agent_of(self._graph.tasks[task_id]))
                continue
            agent = self._agent_of(self._graph.tasks[task_id])
            if (holder := self.claims.holder(self._graph.tasks[task_id])) is not None:
                self._behind.setdefault(holder, []).append(ranked)
                self.release(agent)
                continue
            if not self._has_room(agent, beside=self._kept(agent)):
                heapq.heappush(self._parked.setdefault(agent, []), ranked)
                continue
            if self._admits is not None and not self._admits(agent):
                heapq.heappush(self._parked.setdefault(agent, []), ranked)
                continue
            self.begin(task_id)
            self.release(agent)
            return task_id
        return None

    def borrow(self, agent: str) -> bool:
        """Takes a slot for an attempt beside a task's own, if one is free; until `give_back`."""
        busy = self._running_by_agent.get(agent, 0)
        full = self._running >= self._limits.max_concurrent
        if (
            full
            or not self._has_room(agent, beside=self._kept(agent))
            or (self._admits is not None and not self._admits(agent))
        ):
            return False
        self._running += 1
        self._running_by_agent[agent] = busy + 1
        return True

    def give_back(self, agent: str) -> None:
        """Returns a borrowed slot."""
        self._running -= 1
        self._running_by_agent[agent] -= 1
        self.release(agent)

    def lend(self, task_id: str, agent: str) -> bool:
        """Lets the slot of a running task count for another agent, until `take_back`.

        Returns:
            False if that agent is at its limit: its next room is kept for this task, which has to ask again.
        """
        if task_id not in self._slots:  # it waits for a person
            return True
        own = self._slots[task_id] == agent
        if self._has_room(agent, beside=-1 if own else 0):
            self._wanting.pop(task_id, None)
            self._count_for(task_id, agent)
            return True
        self._wanting[task_id] = agent  # first, so that what the own agent releases does not take the room
        self._count_for(task_id, None)
        return False

    def take_back(self, task_id: str) -> None:
        """Lets a lent slot count for the agent of its task again, whatever the limits."""
        wanted = self._wanting.pop(task_id, None)
        self._count_for(task_id, self._agent_of(self._graph.tasks[task_id]))
        if wanted is not None:
            self.release(wanted)

    def _has_room(self, agent: str, *, beside: int = 0) -> bool:
        """Returns True if one more attempt of an agent, beside so many others, is within its limit."""
        limit = self._limits.per_agent.get(agent)
        return limit is None or self._running_by_agent.get(agent, 0) + beside < limit

    def _kept(self, agent: str) -> int:
        """Returns the number of running tasks that wait for room for an agent."""
        return sum(each == agent for each in self._wanting.values())

    def _count_for(self, task_id: str, agent: str | None) -> None:
        """Lets the slot of a task count for an agent; one that waits for a person has none."""
        if task_id not in self._slots:
            return
        before, self._slots[task_id] = self._slots[task_id], agent
        if agent is not None:
            self._running_by_agent[agent] = self._running_by_agent.get(agent, 0) + 1
        if before is not None:
            self._running_by_agent[before] -= 1
            self.release(before)

    def release(self, agent: str) -> None:
        """Lets the next of an agent's parked tasks ask again; the one after it asks when that one has started."""
        if self._parked.get(agent):
            heapq.heappush(self._ready, heapq.heappop(self._parked[agent]))

    def begin(self, task_id: str) -> None:
        """Counts a task as running, whatever the limits; for attempts that run already."""
        self.states[task_id] = advance(self.states[task_id], TaskStep.BEGIN)
        self.claims.take(self._graph.tasks[task_id])
        self._occupy(task_id)

    def suspend(self, task_id: str) -> None:
        """Gives back the slot of a running task that waits for a person; it stays running."""
        self._release(task_id)

    def continue_task(self, task_id: str) -> None:
        """Takes a slot for a suspended task again, whatever the limits: it cannot wait for one in the middle of work.

        A task that was settled or reopened meanwhile is left alone.
        """
        if self.states[task_id] is TaskState.RUNNING and task_id not in self._slots:
            self._occupy(task_id)

    def reopen(self, task_id: str) -> None:
        """Gives back a running task that was cut off; it may start again."""
        self._release(task_id)
        self.states[task_id] = advance(self.states[task_id], TaskStep.REOPEN)
        heapq.heappush(self._ready, self._rank(task_id))

    def postpone(self, task_id: str) -> None:
        """Gives back the slot of a running task, or holds one that has not started, until `requeue`."""
        if self.states[task_id] is TaskState.RUNNING:
            self._release(task_id)
            self.states[task_id] = advance(self.states[task_id], TaskStep.REOPEN)
        self._later.add(task_id)

    def requeue(self, task_id: str) -> None:
        """Lets a postponed task start when there is room; one that was settled meanwhile is left alone."""
        self._later.discard(task_id)
        if self.states[task_id] is TaskState.PENDING and not self._waits_for[task_id]:
            self._queue(task_id)

    def settle(self, task_id: str, step: TaskStep) -> list[tuple[str, str]]:
        """Records how a task ended; dependants become ready or are skipped.

        Returns:
            The tasks skipped in consequence, each with the task to blame, in order.
        """
        if self.states[task_id] is TaskState.RUNNING:
            self._release(task_id)
        self._close(task_id, step)
        return self._propagate(task_id)

    def skip_hopeless(self) -> list[tuple[str, str]]:
        """Skips pending tasks whose dependencies failed in an earlier execution; returns them as `settle` does."""
        failed = [task_id for task_id, state in self.states.items() if state.settled and not self._met(task_id)]
        return [skipped for task_id in failed for skipped in self._propagate(task_id)]

    def _propagate(self, task_id: str) -> list[tuple[str, str]]:
        skipped = []
        consequences = deque([task_id])
        while consequences:
            cause = consequences.popleft()
            for dependant in self._graph.dependants.get(cause, ()):
                if self.states[dependant] is not TaskState.PENDING:
                    continue
                if self._met(cause):
                    self._free(dependant)
                else:
                    self._close(dependant, TaskStep.SKIP)
                    skipped.append((dependant, cause))
                    consequences.append(dependant)
        return skipped

    def _close(self, task_id: str, step: TaskStep) -> None:
        self.states[task_id] = advance(self.states[task_id], step)
        self._open -= 1
        self._open_choices -= bool(self._graph.tasks[task_id].choice_of)
        self.claims.release(task_id)
        for ranked in self._behind.pop(task_id, ()):
            heapq.heappush(self._ready, ranked)

    def _free(self, task_id: str) -> None:
        self._waits_for[task_id] -= 1
        if not self._waits_for[task_id]:
            self._queue(task_id)

    def _occupy(self, task_id: str) -> None:
        self._slots[task_id] = None
        self._count_for(task_id, self._agent_of(self._graph.tasks[task_id]))
        self._running += 1

    def _release(self, task_id: str) -> None:
        if task_id not in self._slots:  # suspended
            return
        self._count_for(task_id, None)
        del self._slots[task_id]
        self._wanting.pop(task_id, None)
        self._running -= 1


def starting_tasks(
    tasks: Sequence[SpawnTask], *, limits: Limits, agent_of: Callable[[SpawnTask], str]
) -> frozenset[str]:
    """Returns the tasks that a run would start at once; a task of which a candidate starts is one of them.

    Args:
        agent_of: as for `Scheduler`.
    """
    expanded = {str(task.id): task for task in with_candidates(tasks)}
    scheduler = Scheduler(
        TaskGraph(tasks=expanded, dependants={}),
        limits=limits,
        agent_of=agent_of,
        states={},
        claims=FileClaims(waits=True),
    )
    started = iter(scheduler.start_next, None)
    return frozenset(expanded[task_id].candidate_of or task_id for task_id in started)
