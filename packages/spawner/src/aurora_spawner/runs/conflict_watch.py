"""The watch for conflicts while agents run: told when they are foreseen, not when the work is merged."""

from __future__ import annotations

import asyncio
import resource
import time
from typing import TYPE_CHECKING, Final

from aurora_spawner.journal.work_facts import ConflictForeseen
from aurora_spawner.runs.seen_files import claim_changed
from aurora_spawner.tasks import run_events
from aurora_spawner.tasks.candidates import untaken_candidates
from aurora_spawner.workspaces.forecast import FinishedWork, Forecaster

if TYPE_CHECKING:
    from aurora_spawner.runs.run_context import RunContext
    from aurora_spawner.workspaces.forecast import Forecast
    from aurora_spawner.workspaces.worktrees import Worktree

_SHARE: Final = 0.1
"""The share of a processor that looks take, if they take much. Time that a look only waits for one is not counted: on
a busy machine that would make looks rare, when each of them takes no more from the agents than before."""
_SOON_S: Final = 0.25
"""The pause before a look that a contested file asks for: the agent has yet to write it."""
_LONGEST: Final = 5
"""The longest pause, in pauses as they should be: a large repository must not end the watch."""


class ConflictWatch:
    """Compares the work of running tasks from time to time, and reports each pair once."""

    def __init__(self, run: RunContext, *, every_s: float) -> None:
        self._run = run
        self._every_s = every_s
        self._foreseen: dict[tuple[str, str], Forecast] = {}

    async def watch(self, finished: asyncio.Event) -> None:
        """Looks until the tasks of the run have ended."""
        worktrees = self._run.worktrees
        assert worktrees is not None
        forecaster = Forecaster(worktrees.workspaces.git, worktrees.merger())
        pause_s = self._every_s
        while not await self._pause(finished, pause_s):
            found, spent_s = await asyncio.to_thread(_timed_look, forecaster, self._works())
            for task_id in self._run.tasks.in_flight:
                claim_changed(self._run, task_id, forecaster.changed(task_id))
            self._report(found)
            pause_s = min(max(self._every_s, spent_s / _SHARE), _LONGEST * self._every_s)

    async def _pause(self, finished: asyncio.Event, seconds: float) -> bool:
        """Waits for the next look, which comes soon if a task changes what another has claimed; True at the end."""
        contested = self._run.scheduler.claims.contested
        early = min(_SOON_S, seconds)
        if await _within(finished, early):
            return True
        until = time.monotonic() + seconds - early
        while not contested.is_set() and (left := until - time.monotonic()) > 0:
            if await _within(finished, min(left, early)):
                return True
        contested.clear()
        return finished.is_set()

    def _works(self) -> list[Worktree | FinishedWork]:
        """Returns the work of tasks that run and of tasks that have succeeded, in the order of the run."""
        tasks = self._run.tasks
        works: dict[str, Worktree | FinishedWork] = {
            task_id: flight.worktree for task_id, flight in tasks.in_flight.items() if flight.worktree is not None
        }
        untaken = {*untaken_candidates(tasks.tasks, tasks.results)}
        for task_id, result in tasks.results.items():
            if task_id in untaken or result.choice is not None:  # whose work is the winner's
                continue
            if result.work is not None and result.work.commit is not None:
                works[task_id] = FinishedWork(task_id=task_id, base=result.work.base, commit=result.work.commit)
        return [works[task_id] for task_id in tasks.in_order(works)]

    def _report(self, found: list[Forecast]) -> None:
        now = {(each.first, each.second): each for each in found if not self._are_alternatives(each)}
        for pair in [*now, *(pair for pair in self._foreseen if pair not in now)]:
            each = now.get(pair)
            if each is None and pair[1] not in self._run.tasks.in_flight and pair[0] not in self._run.tasks.in_flight:
                continue  # both have ended with it, and the merge will tell
            if each != self._foreseen.get(pair):
                self._tell(pair, each)
        self._foreseen = now

    def _are_alternatives(self, found: Forecast) -> bool:
        """Returns True for two candidates of one task, of which only one is merged."""
        first, second = (self._run.task(each).candidate_of for each in (found.first, found.second))
        return first is not None and first == second

    def _tell(self, pair: tuple[str, str], now: Forecast | None) -> None:
        first, second = pair
        files = now.files if now else ()
        fact = ConflictForeseen(other=first, files=list(files), over=now is None)
        self._run.recorder.append_nowait(second, fact)
        self._run.notifier.emit(run_events.TaskConflict(task_id=second, other=first, files=files, over=now is None))


def _timed_look(forecaster: Forecaster, works: list[Worktree | FinishedWork]) -> tuple[list[Forecast], float]:
    """Returns what a look finds, and the seconds of processor time that it took at most."""
    began, before_s = time.monotonic(), _processor_s()
    found = forecaster.look(works)
    # Other programs that this process has started meanwhile are in the second figure, too.
    return found, min(time.monotonic() - began, _processor_s() - before_s)


def _processor_s() -> float:
    """Returns the processor time of this thread, and of the programs that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.thread_time() + ended.ru_utime + ended.ru_stime


async def _within(event: asyncio.Event, seconds: float) -> bool:
    """Returns True once an event is set, False after a time without it."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
