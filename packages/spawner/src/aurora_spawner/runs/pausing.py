"""Pausing a run: nothing more starts, and running attempts continue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_spawner.journal.facts import RunPaused, RunUnpaused
from aurora_spawner.tasks import run_events

if TYPE_CHECKING:
    from aurora_spawner.runs.run_context import RunContext


async def pause(run: RunContext, *, by: str) -> None:
    """Starts nothing more until `unpause`; returns when that is durable."""
    hold(run, by=by)
    await run.recorder.flush()


def hold(run: RunContext, *, by: str) -> None:
    """Starts nothing more until `unpause`, without waiting until that is durable."""
    if not run.wishes.paused:
        run.wishes.paused = True
        run.recorder.append_nowait(None, RunPaused(by=by))
        run.notifier.emit(run_events.RunPaused(by=by))


async def unpause(run: RunContext, *, by: str) -> None:
    """Continues after a pause; returns when that is durable."""
    if run.wishes.paused:
        run.wishes.paused = False
        run.breaker.forgive(run)
        run.recorder.append_nowait(None, RunUnpaused(by=by))
        run.notifier.emit(run_events.RunUnpaused(by=by))
        run.dispatch()
    await run.recorder.flush()
