"""Statistics of agents: the tasks that each has worked on in all runs of a journal, with their checks and times."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Final

from aurora_spawner.control.audit import existing_journal
from aurora_spawner.journal.facts import WORK
from aurora_spawner.journal.sqlite_errors import translated
from aurora_spawner.journal.views import as_written
from aurora_spawner.storage.stored_values import text
from aurora_spawner.tasks.checked import CheckOutcome
from aurora_spawner.tasks.result import TaskState

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from aurora_spawner.journal.store import Journal

__all__ = ["AgentStats", "FirstChecks", "agent_stats", "first_checks"]

_OVER: Final = (TaskState.SUCCEEDED, TaskState.FAILED)
_TASKS: Final = """
    SELECT a.agent, count(*), t.state, json_extract(t.result, '$.agent'), json_extract(t.result, '$.execution_time')
    FROM attempts a JOIN tasks t USING (run_id, task_id) JOIN runs r USING (run_id)
    WHERE a.role = ? AND a.state = 'ended' AND t.state IN (?, ?) AND r.kind IN (SELECT value FROM json_each(?))
    GROUP BY a.agent, a.run_id, a.task_id
"""
_CHECKS: Final = """
    SELECT a.agent, json_extract(c.value, '$.outcome') = ?, count(*)
    FROM tasks t JOIN runs r USING (run_id), json_each(COALESCE(t.checked, '[]')) c
    JOIN attempts a ON a.run_id = t.run_id AND a.task_id = t.task_id AND a.number = json_extract(c.value, '$.number')
    WHERE r.kind IN (SELECT value FROM json_each(?)) GROUP BY 1, 2
"""
_JUDGED: Final = """
    WITH first AS MATERIALIZED (
        SELECT run_id, task_id, json_extract(checked, '$[0].number') AS number,
            json_extract(checked, '$[0].outcome') AS outcome,
            json_extract(checked, '$[0].fails_on_base')
                AND trim(json_extract(checked, '$[0].runs[#-1].output'), char(9, 10, 13, 32)) = ''
                AND json_extract(checked, '$[#-1].outcome') <> ? AS vague
        FROM tasks JOIN runs r USING (run_id)
        WHERE checked IS NOT NULL AND r.kind IN (SELECT value FROM json_each(?))
    )
    SELECT a.agent, count(*), sum(outcome = ?) FROM first JOIN attempts a USING (run_id, task_id, number)
    WHERE outcome IN (?, ?) AND vague IS NOT TRUE GROUP BY a.agent
"""
"""Of a check that prints nothing and fails on the base too, only a later round that passes shows that it can pass."""
_JUDGING: Final = (CheckOutcome.PASSED, CheckOutcome.FAILED)
"""Outcomes of a first check that say something of the agent; one that fails on the base alike, or cannot run here,
does not."""
_TOKENS: Final = """
    SELECT a.agent, a.token FROM attempts a JOIN runs r USING (run_id)
    WHERE r.kind IN (SELECT value FROM json_each(?))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstChecks:
    """The first checks of tasks, each for the agent whose work it was.

    Attributes:
        judged: the tasks whose first check said something of its work.
        passed: those of them in which it passed.
    """

    judged: int = 0
    passed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStats:
    """The record of one agent.

    Attributes:
        tasks: the tasks that are over and that it has worked on; one that fell back counts for each of its agents.
        succeeded: those of them whose result is its own, and a success.
        attempts: its attempts at them.
        checked: how often checks have run on its work.
        checks_passed: how often they passed.
        first_checks: of the tasks whose first check was of its work.
        times_s: the durations of the last attempts of the tasks in which it succeeded.
        tokens: those of all its attempts, reviews included, to find their costs.
    """

    agent: str
    tasks: int = 0
    succeeded: int = 0
    attempts: int = 0
    checked: int = 0
    checks_passed: int = 0
    first_checks: FirstChecks = FirstChecks()
    times_s: tuple[float, ...] = ()
    tokens: frozenset[str] = field(default_factory=frozenset, repr=False)

    @property
    def median_s(self) -> float | None:
        """The median of the times; None without any."""
        return median(self.times_s) if self.times_s else None


def agent_stats(journal: Path, kinds: Iterable[str]) -> tuple[AgentStats, ...]:
    """Returns the record of each agent in the runs of some kinds, those with the most tasks first.

    Runs that were cleaned are not counted: nothing of them is left.

    Args:
        kinds: such as spawn and exec.

    Raises:
        JournalError: The journal cannot be read.
    """
    counts: defaultdict[str, _Counts] = defaultdict(_Counts)
    listed = _listed(kinds)
    with existing_journal(journal) as store, translated(journal):
        if store is None:
            return ()
        for agent, attempts, state, by, seconds in store.connection.execute(_TASKS, (WORK, *_OVER, listed)):
            counts[agent].add_task(attempts, won=state == TaskState.SUCCEEDED and by == agent, seconds=seconds)
        for agent, passed, number in store.connection.execute(_CHECKS, (CheckOutcome.PASSED, listed)):
            counts[agent].checked += number
            counts[agent].checks_passed += number if passed else 0
        for agent, first in _first_checks(store, listed).items():
            counts[agent].first_checks = first
        for agent, token in store.connection.execute(_TOKENS, (listed,)):
            counts[agent].tokens.add(token)
    with as_written(journal, "attempts: agent"):
        found = [each.stats_of(text(agent)) for agent, each in counts.items()]
    return tuple(sorted(found, key=lambda stats: (-stats.tasks, stats.agent)))


def first_checks(journal: Path, kinds: Iterable[str]) -> dict[str, FirstChecks]:
    """Returns the first checks of the tasks of some kinds of runs by agent; it reads less than `agent_stats`.

    Raises:
        JournalError: The journal cannot be read.
    """
    with existing_journal(journal) as store, translated(journal):
        found = {} if store is None else _first_checks(store, _listed(kinds))
    with as_written(journal, "attempts: agent"):
        return {text(agent): first for agent, first in found.items()}


def _first_checks(store: Journal, listed: str) -> dict[str, FirstChecks]:
    rows = store.connection.execute(_JUDGED, (CheckOutcome.PASSED, listed, CheckOutcome.PASSED, *_JUDGING))
    return {agent: FirstChecks(judged=number, passed=passed) for agent, number, passed in rows}


def _listed(kinds: Iterable[str]) -> str:
    return "[" + ",".join(f'"{kind}"' for kind in kinds) + "]"


class _Counts:
    """The counts of one agent while the journal is read."""

    def __init__(self) -> None:
        self.tasks = self.succeeded = self.attempts = self.checked = self.checks_passed = 0
        self.first_checks = FirstChecks()
        self.times_s: list[float] = []
        self.tokens: set[str] = set()

    def add_task(self, attempts: int, *, won: bool, seconds: object) -> None:
        """Counts a task that the agent has worked on."""
        self.tasks += 1
        self.attempts += attempts
        if won:
            self.succeeded += 1
            if isinstance(seconds, int | float):
                self.times_s.append(float(seconds))

    def stats_of(self, agent: str) -> AgentStats:
        """Returns the counts as a value."""
        return AgentStats(
            agent=agent,
            tasks=self.tasks,
            succeeded=self.succeeded,
            attempts=self.attempts,
            checked=self.checked,
            checks_passed=self.checks_passed,
            first_checks=self.first_checks,
            times_s=tuple(self.times_s),
            tokens=frozenset(self.tokens),
        )
