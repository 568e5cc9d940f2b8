"""The tasks of a run as they are now, and what came of those that are over."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aurora_spawner.errors import BackendError, SpawnerError
from aurora_spawner.runs.resume_state import tasks_added
from aurora_spawner.tasks.growth import grow
from aurora_spawner.tasks.result import TaskState

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from aurora_spawner.journal.facts import Fact
    from aurora_spawner.runs.resume_state import Standing
    from aurora_spawner.runs.run_options import Conduct
    from aurora_spawner.runs.scheduler import Scheduler
    from aurora_spawner.tasks.result import SpawnResult
    from aurora_spawner.tasks.task import SpawnTask


class Roster:
    """What a coordinator knows of its tasks by their ids; grows where results add tasks."""

    def __init__(self, standing: Standing, *, conduct: Conduct, agents: Collection[str]) -> None:
        self._graph = standing.graph
        self.tasks = standing.graph.tasks
        """By id, in their order."""
        self.positions = standing.positions
        """Of all tasks that the run ever had."""
        self.results = dict(standing.results)
        """Of settled tasks, and of those that the end of the run cut off."""
        self._expand = conduct.expand
        self._room = conduct.max_added - standing.added
        self._agents = agents

    def before(self, task: SpawnTask) -> list[SpawnResult]:
        """The results of a task's dependencies, each once."""
        return [self.results[each] for each in dict.fromkeys(task.depends_on) if each in self.results]

    def in_order(self, task_ids: Collection[str]) -> list[str]:
        """Some of the tasks in the order of the run."""
        return sorted(task_ids, key=self.positions.__getitem__)

    def expand(self, result: SpawnResult, scheduler: Scheduler) -> tuple[SpawnResult, Sequence[Fact]]:
        """Adds the tasks that a result asks for; a result that asks for what cannot be is a failure.

        Returns:
            The result, and what the journal has to know of the tasks.
        """
        if self._expand is None or not result.success:
            return result, ()
        parent = self.tasks[result.task_id]
        try:
            wanted = self._expand(parent, result)
            if not wanted:
                return result, ()
            growth = grow(self._graph, parent, wanted, open_tasks=scheduler.pending, room=self._room)
            for task in growth.added:
                self._check_agent(task.agent)
        except SpawnerError as error:
            return replace(result, state=TaskState.FAILED, error=str(error)), ()
        self._graph, self.tasks = growth.graph, growth.graph.tasks
        self._room -= len(growth.added)
        first = max(self.positions.values()) + 1
        self.positions |= {str(task.id): first + offset for offset, task in enumerate(growth.added)}
        scheduler.grow(growth.graph)
        facts = tasks_added(growth.added, first_position=first, added_by=result.task_id, rewired=growth.rewired)
        return result, list(facts)

    def _check_agent(self, agent: str | None) -> None:
        if agent is not None and agent not in self._agents:
            raise BackendError(agent, f"has no backend; there are: {', '.join(sorted(self._agents))}")
