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

__all__ = ["AgentStats", "agent_stats"]

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
    SELECT a.agent, count(*), sum(json_extract(t.checked, '$[0].outcome') = ?)
    FROM tasks t JOIN runs r USING (run_id)
    JOIN attempts a ON a.run_id = t.run_id AND a.task_id = t.task_id
        AND a.number = json_extract(t.checked, '$[0].number')
    WHERE a.role = ? AND json_extract(t.checked, '$[0].outcome') IN (?, ?, ?)
        AND r.kind IN (SELECT value FROM json_each(?))
    GROUP BY a.agent
"""
_JUDGING: Final = (CheckOutcome.PASSED, CheckOutcome.FAILED, CheckOutcome.UNCHANGED)
"""Outcomes that say something of the agent; a check that fails on the base alike, or cannot run here, does not."""
_TOKENS: Final = """
    SELECT a.agent, a.token FROM attempts a JOIN runs r USING (run_id)
    WHERE r.kind IN (SELECT value FROM json_each(?))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStats:
    """The record of one agent.

    Attributes:
        tasks: the tasks that are over and that it has worked on; one that fell back counts for each of its agents.
        succeeded: those of them whose result is its own, and a success.
        attempts: its attempts at them.
        checked: how often checks have run on its work.
        checks_passed: how often they passed.
        judged: the tasks whose first check was of its work, and said something of it.
        passed_at_once: those of them whose first check passed.
        times_s: the durations of the last attempts of the tasks in which it succeeded.
        tokens: those of all its attempts, reviews included, to find their costs.
    """

    agent: str
    tasks: int = 0
    succeeded: int = 0
    attempts: int = 0
    checked: int = 0
    checks_passed: int = 0
    judged: int = 0
    passed_at_once: int = 0
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
    listed = "[" + ",".join(f'"{kind}"' for kind in kinds) + "]"
    with existing_journal(journal) as store, translated(journal):
        if store is None:
            return ()
        for agent, attempts, state, by, seconds in store.connection.execute(_TASKS, (WORK, *_OVER, listed)):
            counts[agent].add_task(attempts, won=state == TaskState.SUCCEEDED and by == agent, seconds=seconds)
        for agent, passed, number in store.connection.execute(_CHECKS, (CheckOutcome.PASSED, listed)):
            counts[agent].checked += number
            counts[agent].checks_passed += number if passed else 0
        for agent, number, passed in store.connection.execute(
            _JUDGED, (CheckOutcome.PASSED, WORK, *_JUDGING, listed)
        ):
            counts[agent].judged, counts[agent].passed_at_once = number, passed
        for agent, token in store.connection.execute(_TOKENS, (listed,)):
            counts[agent].tokens.add(token)
    with as_written(journal, "attempts: agent"):
        found = [each.stats_of(text(agent)) for agent, each in counts.items()]
    return tuple(sorted(found, key=lambda stats: (-stats.tasks, stats.agent)))


class _Counts:
    """The counts of one agent while the journal is read."""

    def __init__(self) -> None:
        self.tasks = self.succeeded = self.attempts = self.checked = self.checks_passed = 0
        self.judged = self.passed_at_once = 0
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
            judged=self.judged,
            passed_at_once=self.passed_at_once,
            times_s=tuple(self.times_s),
            tokens=frozenset(self.tokens),
        )
