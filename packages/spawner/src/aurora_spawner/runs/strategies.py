"""The ways to the end of a running attempt: alone, or with a second one beside it if it takes unusually long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from aurora_spawner.attempts.executor import AttemptRefusedError
from aurora_spawner.backends.replies import reply_of
from aurora_spawner.errors import BackendError, first_failure
from aurora_spawner.journal.facts import AttemptIntended
from aurora_spawner.runs.evidence import judge
from aurora_spawner.runs.in_flight import HedgeAttempt
from aurora_spawner.runs.recorder import ended_fact, started_fact
from aurora_spawner.runs.task_result import began_at
from aurora_spawner.tasks.run_events import TaskHedged

if TYPE_CHECKING:
    from aurora_spawner.attempts.executor import AttemptEnd, RunningAttempt
    from aurora_spawner.runs.attempt import Attempt
    from aurora_spawner.runs.run_context import RunContext

Strategy = Callable[["RunContext", "Attempt", "RunningAttempt"], Awaitable["Attempt"]]
"""Waits for the end of a running attempt, and returns it or the attempt that counts instead."""


def strategy_for(run: RunContext, attempt: Attempt) -> Strategy:
    """Returns the way in which an attempt is brought to its end; two agents would share a worktree."""
    after_s = run.recovery.hedge_after_s(run.task(attempt.task_id)) if attempt.worktree is None else None
    return single if after_s is None else Hedged(after_s)


async def single(run: RunContext, attempt: Attempt, running: RunningAttempt) -> Attempt:
    """Waits for the attempt's own end."""
    return attempt._replace(end=await run.executor.collect(running))


@dataclass(frozen=True, slots=True)
class Hedged:
    """Starts a second attempt on another agent after some seconds; the first good end of the two counts."""

    after_s: float

    async def __call__(self, run: RunContext, attempt: Attempt, running: RunningAttempt) -> Attempt:
        """Waits for the end of the attempt, or of the second one."""
        task_id = attempt.task_id
        try:
            async with asyncio.TaskGroup() as group:
                first = group.create_task(run.executor.collect(running))
                await asyncio.wait({first}, timeout=self.after_s)
                hedge = None if first.done() or run.stopping(task_id) else await _start_hedge(run, task_id)
                if hedge is None:
                    return attempt._replace(end=await first)
                second = group.create_task(run.executor.collect(hedge.running))
                counts = await _race(run, attempt, (first, running), (second, hedge))
        except BaseExceptionGroup as failures:  # what went wrong is what the coordinator has to know
            raise first_failure(failures.exceptions) from None
        # After a failure the hedge stays in flight: the coordinator ends what is.
        _release_hedge(run, task_id)
        return counts


async def _start_hedge(run: RunContext, task_id: str) -> HedgeAttempt | None:
    """Starts a second attempt on another agent, if there is one and it has room."""
    agent = run.recovery.hedge_agent(run.task(task_id))
    if agent is None or not run.scheduler.borrow(agent):
        return None
    flight = run.tasks.flight(task_id)
    number = flight.next_number()
    try:
        order_now = partial(run.order, task_id, number=number, agent=agent, worktree=None)
        order = order_now()
        if order.resumes is None and (lessons := await run.lessons(task_id, agent)):
            order = order_now(lessons=lessons)
        intended = AttemptIntended(number=number, token=order.token, agent=agent, folder=str(order.folder))
        await run.recorder.append(task_id, intended)
        running = await run.executor.start(order)
    except (BackendError, OSError, AttemptRefusedError):
        run.scheduler.give_back(agent)
        return None
    hedge = flight.hedge = HedgeAttempt(agent=agent, number=number, running=running)
    run.recorder.append_nowait(task_id, started_fact(number, running))
    run.notifier.emit(TaskHedged(task_id=task_id, rival=agent))
    if run.stopping(task_id):
        run.executor.cancel(running, at_once=False)
    return hedge


def _release_hedge(run: RunContext, task_id: str) -> None:
    """Gives back the slot of a second attempt."""
    flight = run.tasks.flight(task_id)
    hedge, flight.hedge = flight.hedge, None
    if hedge is not None:
        run.scheduler.give_back(hedge.agent)
        run.dispatch()


async def _race(
    run: RunContext,
    attempt: Attempt,
    one: tuple[asyncio.Task[AttemptEnd], RunningAttempt],
    other: tuple[asyncio.Task[AttemptEnd], HedgeAttempt],
) -> Attempt:
    """Returns the first good end of the two; the end of the first attempt if neither is good."""
    first, running = one
    second, hedge = other
    await asyncio.wait({first, second}, return_when=asyncio.FIRST_COMPLETED)
    if first.done():
        attempt = _read(run, attempt, first.result())
        if not _is_good(run, attempt):
            await asyncio.wait({second})  # the one has failed: everything depends on the other
    if second.done():
        hedged = _read(run, attempt._replace(number=hedge.number, agent=hedge.agent), second.result())
        if _is_good(run, hedged):
            run.executor.cancel(running, at_once=False)
            run.recorder.append_nowait(attempt.task_id, ended_fact(attempt.number, await first))
            return hedged
    end = await first
    run.executor.cancel(hedge.running, at_once=False)
    run.recorder.append_nowait(attempt.task_id, ended_fact(hedge.number, await second))
    return attempt if attempt.reply is not None else _read(run, attempt, end)


def _read(run: RunContext, attempt: Attempt, end: AttemptEnd) -> Attempt:
    return attempt._replace(end=end, reply=reply_of(end, run.backends[attempt.agent]))


def _is_good(run: RunContext, attempt: Attempt) -> bool:
    """Returns True if an attempt whose output was read did its task, on evidence."""
    assert attempt.reply is not None
    outputs, began = run.task(attempt.task_id).files, began_at(attempt.end)
    return judge(
        attempt.end, attempt.reply, outputs=outputs, cwd=run.cwd_of(attempt.worktree), began_at=began
    ).success
