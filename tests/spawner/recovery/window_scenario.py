"""Runs whose account's usage window closes, in simulated time; started by its test, killed by itself.

    python window_scenario.py FOLDER START [--die-at TIME] [--resume RUN] [--beside]

Times are Unix times. Every attempt takes five minutes of simulated time; from `CLOSES` to `RESETS` the provider
refuses whatever is running or starts. The starts are written to FOLDER/starts.jsonl, so that a kill loses none.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import selectors
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from aurora_spawner import RecoveryPolicy, RecoverySettings, Run, RunOptions, SpawnTask
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder, RunningAttempt
from aurora_spawner.journal.writer import GroupWriter
from aurora_spawner.runs import run as run_module
from aurora_spawner.testing import SimulatedBackend, SimulatedExecutor

CLOSES = 1_790_691_600.0
"""29 September 2026, 14:20 in UTC."""
RESETS = CLOSES + 2 * 3_600.0
WORDS = "5-hour limit reached ∙ resets 4:20pm (UTC)"
TASK_S = 300.0
IDLE_S = 0.003
"""Real time without anything to do, after which simulated time goes on to the next timer."""


class Simulated(selectors.DefaultSelector):
    """Lets the loop's time pass as soon as nothing happens in real time, and no thread is at work."""

    now = 0.0
    awaited: ClassVar[set[asyncio.Future[Any]]] = set()
    """What threads are to bring."""

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            return super().select(None)
        ready = super().select(min(timeout, IDLE_S))
        if not ready and not self.awaited:
            self.now += timeout
        return ready


def awaited(future: asyncio.Future[Any]) -> asyncio.Future[Any]:
    """Keeps simulated time still until the future is done."""
    Simulated.awaited.add(future)
    future.add_done_callback(Simulated.awaited.discard)
    return future


class Writer(GroupWriter):
    """The journal's writer, for whose thread simulated time waits."""

    def write(self, *entries: Any) -> asyncio.Future[None]:
        return awaited(super().write(*entries))


run_module.GroupWriter = Writer  # type: ignore[attr-defined]


class Loop(asyncio.SelectorEventLoop):
    """An event loop in simulated time."""

    def __init__(self, start: float) -> None:
        self._simulated = Simulated()
        self.start = start
        super().__init__(self._simulated)

    def time(self) -> float:
        return self._simulated.now

    def run_in_executor(self, *work: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        return awaited(super().run_in_executor(*work))

    def clock(self) -> float:
        return self.start + self._simulated.now


@dataclass(slots=True)
class Watched:
    """Notes every start, and says how attempts end."""

    loop: Loop
    folder: Path
    run: str
    inner: SimulatedExecutor
    began: dict[str, float]

    async def start(self, order: AttemptOrder) -> RunningAttempt:
        self.began[order.token] = self.loop.clock()
        self._note("start", order)
        return await self.inner.start(order)

    def end(self, order: AttemptOrder) -> AttemptEnd:
        now, began = self.loop.clock(), self.began[order.token]
        refused = began < RESETS and now > CLOSES
        self._note("refused" if refused else "done", order)
        how: dict[str, Any] = {"exit_code": 1, "stderr": WORDS} if refused else {"exit_code": 0, "stdout": "done"}
        return AttemptEnd(reason=EndReason.EXITED, started_at=began, ended_at=now, duration_s=now - began, **how)

    def _note(self, what: str, order: AttemptOrder) -> None:
        row = {"what": what, "at": self.loop.clock(), "run": self.run, "task": order.task_id, "number": order.number}
        with (self.folder / "starts.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def run_in(loop: Loop, folder: Path, name: str, resumed: str | None) -> Run:
    place = folder / name
    place.mkdir(exist_ok=True)
    watched = Watched(loop, folder, name, SimulatedExecutor(duration_s=TASK_S), {})
    watched.inner.agent = watched.end
    policy = RecoveryPolicy(max_retries=0, fallback_to_llm=False, max_provider_wait=900.0)
    common: dict[str, Any] = {
        "recovery": RecoverySettings(policy=policy, state_dir=folder / "state", clock=loop.clock, chance=lambda: 0.5),
        "executor": watched,
    }
    backends = {"agent": SimulatedBackend("agent")}
    if resumed:
        return Run.resume(place / "runs.db", resumed, backends, **common)
    return Run.create(
        place / "runs.db",
        [SpawnTask("go") for _ in range(20)],
        backends,
        RunOptions(
            default_agent="agent",
            max_concurrent=4,
            cwd=place,
            spool=place / "runs",
            **common,
        ),
    )


def main() -> None:
    """Execute one run, or one and another beside it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("start", type=float)
    parser.add_argument("--die-at", type=float)
    parser.add_argument("--resume")
    parser.add_argument("--beside", action="store_true")
    given = parser.parse_args()
    loop = Loop(given.start)
    asyncio.set_event_loop(loop)
    runs = [run_in(loop, given.folder, "one", given.resume)]
    if given.beside:
        runs.append(run_in(loop, given.folder, "two", None))
    print(runs[0].run_id, flush=True)
    if given.die_at:
        loop.call_later(given.die_at - given.start, os._exit, 9)

    async def all_of_them() -> list[Any]:
        return [
            {
                "run": report.run_id,
                "ok": report.ok,
                "retries": sum(result.retry_count for result in report.results.values()),
                "ended": loop.clock(),
            }
            for report in await asyncio.gather(*(run.execute() for run in runs))
        ]

    print(json.dumps(loop.run_until_complete(all_of_them())))


if __name__ == "__main__":
    main()
