"""Waiting without a slot: tasks for their next attempt, agents for their providers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_spawner.rate_limits.provider_signal import ProviderSignal
    from aurora_spawner.runs.run_context import RunContext

LONGEST_TIMER_S: Final = 60.0
"""A clock that is set, or a machine that slept, is noticed within this time."""


def wait(run: RunContext, task_id: str, after_s: float) -> None:
    """Gives back the slot of a task and queues it again after some seconds, unless the user has taken it over."""
    run.scheduler.postpone(task_id)
    flight = run.tasks.flight(task_id)
    if flight.taken is not None:  # until it is handed back
        return
    if not after_s:
        run.scheduler.requeue(task_id)
        return

    def due() -> None:
        flight.timer = None
        run.scheduler.requeue(task_id)
        run.dispatch()

    flight.timer = asyncio.get_running_loop().call_later(after_s, due)


def ask_again(run: RunContext, agent: str) -> None:
    """Lets the next task of an agent find out if the agent's provider still makes it wait."""
    run.recovery.release(agent)
    run.scheduler.release(agent)


def take_signal(
    run: RunContext, agent: str, listener: Callable[[ProviderSignal], bool], heard: ProviderSignal
) -> None:
    """Takes in a report of a running attempt on its provider, which may change what may start."""
    if listener(heard):
        run.recorder.append_nowait(None)
        ask_again(run, agent)
        run.dispatch()


class PauseTimers:
    """Asks again for agents whose providers make them wait, once the wait is over."""

    def __init__(self) -> None:
        self._timers: dict[str, asyncio.TimerHandle] = {}
        """By agent."""

    def set(self, run: RunContext) -> None:
        """Sets a timer for each agent that waits and has none."""
        for agent, left_s in run.recovery.held().items():
            if agent not in self._timers:
                delay_s = min(LONGEST_TIMER_S, max(0.001, left_s))
                self._timers[agent] = asyncio.get_running_loop().call_later(delay_s, self._due, run, agent)

    def close(self) -> None:
        """Cancels all timers."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _due(self, run: RunContext, agent: str) -> None:
        del self._timers[agent]
        ask_again(run, agent)
        run.dispatch()
