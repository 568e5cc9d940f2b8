"""A second attempt beside one that takes unusually long; the first good end of the two counts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from aurora_spawner.attempts.executor import AttemptRefusedError
from aurora_spawner.backends.replies import reply_of
from aurora_spawner.errors import BackendError
from aurora_spawner.journal.facts import AttemptIntended
from aurora_spawner.runs.evidence import judge
from aurora_spawner.runs.in_flight import HedgeAttempt
from aurora_spawner.runs.recorder import ended_fact, started_fact
from aurora_spawner.runs.task_result import began_at
from aurora_spawner.tasks.run_events import TaskHedged

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder, Executor, RunningAttempt
    from aurora_spawner.backends.base import Backend
    from aurora_spawner.recovery.run_recovery import RunRecovery
    from aurora_spawner.runs.recorder import Record
    from aurora_spawner.runs.run_tasks import RunTasks
    from aurora_spawner.runs.scheduler import Scheduler
    from aurora_spawner.tasks.run_events import RunEvent
    from aurora_spawner.tasks.task import SpawnTask


class Host(Protocol):
    """What hedging needs of the coordinator that it serves."""

    def dispatch(self) -> None:
        """Starts what may start."""
        ...

    def stopping(self, task_id: str) -> bool:
        """Whether the task was told to end."""
        ...

    def order(self, task_id: str, number: int, agent: str) -> AttemptOrder:
        """The order for an attempt of some agent."""
        ...

    def tell(self, event: RunEvent) -> None:
        """Lets the watcher of the run know."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a coordinator makes attempts with; shared with those who serve it."""

    record: Record
    scheduler: Scheduler
    executor: Executor
    backends: Mapping[str, Backend]
    cwd: Path
    tasks: RunTasks


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """The end that counts, and the number of its attempt."""

    end: AttemptEnd
    number: int


class Hedging:
    """Begins second attempts for one coordinator, and ends the loser of each two."""

    def __init__(
        self,
        recovery: RunRecovery,
        *,
        host: Host,
        means: Means,
    ) -> None:
        self._recovery = recovery
        self._host = host
        self._means = means

    async def collect(self, task: SpawnTask, running: RunningAttempt, *, number: int) -> Finish:
        """Waits for an attempt, and after its usual time for another one beside it, too."""
        delay_s = self._recovery.hedge_after_s(task)
        if delay_s is None:
            return Finish(end=await self._means.executor.collect(running), number=number)
        try:
            async with asyncio.TaskGroup() as group:
                first = group.create_task(self._means.executor.collect(running))
                await asyncio.wait({first}, timeout=delay_s)
                hedge = None if first.done() or self._host.stopping(str(task.id)) else await self._begin(task)
                if hedge is None:
                    return Finish(end=await first, number=number)
                second = group.create_task(self._means.executor.collect(hedge.running))
                return await self._race(task, (first, running, number), (second, hedge))
        except BaseExceptionGroup as failures:  # what went wrong is what the coordinator has to know
            raise failures.exceptions[0] from None
        finally:
            self._forget(str(task.id))

    def _forget(self, task_id: str) -> None:
        flight = self._means.tasks.flight(task_id)
        hedge, flight.hedge = flight.hedge, None
        if hedge is not None:
            self._means.scheduler.give_back(hedge.agent)
            self._host.dispatch()

    async def _begin(self, task: SpawnTask) -> HedgeAttempt | None:
        """Begins a second attempt on another agent, where one is there and has room."""
        task_id, agent = str(task.id), self._recovery.hedge_agent(task)
        if agent is None or not self._means.scheduler.borrow(agent):
            return None
        flight = self._means.tasks.flight(task_id)
        number = flight.next_number()
        try:
            order = self._host.order(task_id, number, agent)
            intended = AttemptIntended(number=number, token=order.token, agent=agent, folder=str(order.folder))
            await self._means.record.note(task_id, intended)
            running = await self._means.executor.start(order)
        except (BackendError, OSError, AttemptRefusedError):
            self._means.scheduler.give_back(agent)
            return None
        hedge = flight.hedge = HedgeAttempt(agent=agent, number=number, running=running)
        self._means.record.jot(task_id, started_fact(number, running))
        self._host.tell(TaskHedged(task_id=task_id, rival=agent))
        if self._host.stopping(task_id):
            self._means.executor.cancel(running, at_once=False)
        return hedge

    async def _race(
        self,
        task: SpawnTask,
        one: tuple[asyncio.Task[AttemptEnd], RunningAttempt, int],
        other: tuple[asyncio.Task[AttemptEnd], HedgeAttempt],
    ) -> Finish:
        """The first good end of the two; where neither is good, the end of the first attempt counts."""
        first, running, number = one
        second, hedge = other
        await asyncio.wait({first, second}, return_when=asyncio.FIRST_COMPLETED)
        if first.done() and not self._did_it(task, first.result(), self._recovery.agent_of(task)):
            await asyncio.wait({second})  # the one has failed: everything depends on the other
        if second.done() and self._did_it(task, second.result(), hedge.agent):
            self._means.executor.cancel(running, at_once=False)
            self._means.record.jot(str(task.id), ended_fact(number, await first))
            self._recovery.hedge_won(task, hedge.agent)
            return Finish(end=second.result(), number=hedge.number)
        end = await first
        self._means.executor.cancel(hedge.running, at_once=False)
        self._means.record.jot(str(task.id), ended_fact(hedge.number, await second))
        return Finish(end=end, number=number)

    def _did_it(self, task: SpawnTask, end: AttemptEnd, agent: str) -> bool:
        """Whether an attempt did its task, on evidence."""
        reply = reply_of(end, self._means.backends[agent])
        return judge(end, reply, outputs=task.files, cwd=self._means.cwd, began_at=began_at(end)).success
