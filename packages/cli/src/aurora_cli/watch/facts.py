"""Reads all that the live view shows; one thread at a time, since the journal is open in between."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_cli.render.words import one_line
from aurora_cli.render.work import outcome_of_run
from aurora_core import AuroraCoreError
from aurora_policies.errors import PoliciesError
from aurora_soar.taskruns.run_kinds import is_left_part
from aurora_spawner.control.live_runs import LiveRuns
from aurora_spawner.control.run_work import work_of_run
from aurora_spawner.errors import SpawnerError
from aurora_spawner.rate_limits.gate_store import ProviderStore, default_state_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from aurora_policies.budget import BudgetStatus
    from aurora_soar import Aurora
    from aurora_spawner.control.live_runs import LiveRun, RunDetail
    from aurora_spawner.control.log_tail import LogTail, TailPiece
    from aurora_spawner.journal.views import RunRow
    from aurora_spawner.rate_limits.gate import ProviderGate

__all__ = ["Facts", "Reader", "Spending", "Wanted"]

SPENDING_S: Final = 3.0
"""The shortest time between two reads of the ledger, which locks it for a moment."""
WORK_S: Final = 30.0
"""The time between two questions to git about a run that has not changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The run and the tasks that the user looks at."""

    run_id: str | None = None
    """The run whose tasks are shown; None for the first one."""
    tasks: tuple[str, ...] = ()
    """The tasks that stand on the screen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """The cost of agents."""

    month: BudgetStatus | None = None
    by_run: Mapping[str, float] = field(default_factory=dict)
    """US dollars, of the runs that were asked for."""
    problem: str = ""
    """The reason for which it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that is known at one moment."""

    at: float
    """Unix time."""
    runs: tuple[LiveRun, ...] = ()
    """The newest first."""
    selected: LiveRun | None = None
    detail: RunDetail | None = None
    """The tasks of the selected run."""
    last_lines: Mapping[str, str] = field(default_factory=dict)
    """The last line that the agents of the tasks on the screen have printed."""
    work: tuple[str, ...] = ()
    """The outcome of the work of the selected run, once no process works on it."""
    gates: tuple[ProviderGate, ...] = ()
    """The providers that are paused or stopped for all projects."""
    spending: Spending = field(default_factory=Spending)
    problems: tuple[str, ...] = ()
    """Sentences about things that could not be read."""


class Reader:
    """Reads the facts of one project.

    Args:
        only: The run that is shown alone; None for the newest runs, and those that have not ended.
        also: A run that is shown among them, however old it is and whatever it is a part of.
        shown_as: Returns the name by which commands are told to take a run.
    """

    def __init__(
        self,
        aurora: Aurora,
        *,
        only: str | None = None,
        also: str | None = None,
        shown_as: Callable[[str], str] = str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._aurora = aurora
        self._shown_as = shown_as
        self._only = only
        self._also = also
        self._clock = clock
        self._runs = LiveRuns(aurora.project.runs_db, also=only or also, clock=clock)
        self._spending = Spending()
        self._spending_due = float("-inf")
        self._cost_of: dict[str, tuple[RunRow, float]] = {}
        self._work: tuple[object, float, tuple[str, ...]] = (None, 0.0, ())
        """The run and its tasks that the lines are of, the time at which they grow old, and the lines."""

    def close(self) -> None:
        """Closes the journal."""
        self._runs.close()

    def has_changed(self) -> bool:
        """Returns True if a look would find something new in the journal.

        Raises:
            JournalError: The journal cannot be read.
        """
        return self._runs.has_changed()

    def look(self, wanted: Wanted) -> Facts:
        """Reads everything again, as far as it has changed.

        Raises:
            UnknownRunError: The run that was asked for is not in the journal.
            JournalError: The journal cannot be read.
        """
        runs = self._shown(self._runs.look())
        selected = next((each for each in runs if each.run.run_id == wanted.run_id), runs[0] if runs else None)
        detail = self._runs.detail(selected.run.run_id) if selected else None
        gates, problems = self._gates()
        if self._runs.is_missing:
            problems.append("the journal was removed; what was read before is shown")
        lines = {}
        if selected and detail:
            running = {each.task for each in selected.status.running}
            lines = self._last_lines(selected.run.run_id, [each for each in wanted.tasks if each in running])
        return Facts(
            at=self._clock(),
            runs=runs,
            selected=selected,
            detail=detail,
            last_lines=lines,
            work=self._work_of(selected, detail),
            gates=gates,
            spending=self._spent(runs),
            problems=tuple(problems),
        )

    def tail(self, run_id: str, task_id: str, tail: LogTail) -> TailPiece | None:
        """Returns what a task has printed since the last read; None before its first attempt.

        Raises:
            SpawnerError: The journal, or the output, cannot be read.
        """
        return self._runs.tail(run_id, task_id, tail)

    def _shown(self, runs: Sequence[LiveRun]) -> tuple[LiveRun, ...]:
        if self._only is None:
            return tuple(each for each in runs if self._is_shown(each))
        return tuple(each for each in runs if each.run.run_id == self._only)

    def _is_shown(self, live: LiveRun) -> bool:
        return live.run.run_id == self._also or not is_left_part(live.status) or live.run.state.settled

    def _last_lines(self, run_id: str, task_ids: Sequence[str]) -> dict[str, str]:
        try:
            return self._runs.last_lines(run_id, task_ids)
        except SpawnerError:  # the log pane says so of the task that is selected
            return {}

    def _gates(self) -> tuple[tuple[ProviderGate, ...], list[str]]:
        with ProviderStore(default_state_dir(), tolerant=True) as store:
            return tuple(store.gates()), [store.trouble] if store.trouble else []

    def _spent(self, runs: Sequence[LiveRun]) -> Spending:
        now = time.monotonic()
        if now >= self._spending_due:
            self._spending = self._read_spending(runs)
            self._spending_due = time.monotonic() + SPENDING_S
        return self._spending

    def _read_spending(self, runs: Sequence[LiveRun]) -> Spending:
        try:
            return Spending(month=self._aurora.ledger.status(), by_run=dict(self._costs(runs)))
        except (PoliciesError, AuroraCoreError) as error:
            return Spending(problem=one_line(str(error), 200))

    def _costs(self, runs: Sequence[LiveRun]) -> Iterator[tuple[str, float]]:
        """Yields what each run has cost; that of a run on which no process works changes with the run."""
        for each in runs:
            run = each.run
            of, cost = self._cost_of.get(run.run_id, (None, 0.0))
            if of != run or each.status.pid is not None:
                entries = self._aurora.ledger.history(limit=-1, run_id=run.run_id)
                cost = sum(entry.cost_usd or 0.0 for entry in entries)
                self._cost_of[run.run_id] = (run, cost)
            yield run.run_id, cost

    def _work_of(self, selected: LiveRun | None, detail: RunDetail | None) -> tuple[str, ...]:
        """Returns what became of a run's work; git is asked only while no process works on the run."""
        if selected is None or detail is None or selected.status.pid is not None:
            return ()
        of, due, lines = self._work
        now = time.monotonic()
        if of != selected.run or now >= due:
            work = work_of_run(selected.run, detail.tasks)
            lines = tuple(outcome_of_run(work, self._shown_as(selected.run.run_id))) if work else ()
            self._work = (selected.run, now + WORK_S, lines)
        return lines
