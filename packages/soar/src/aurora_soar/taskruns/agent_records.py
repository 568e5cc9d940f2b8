"""Records of a project's agents: the tasks of each, with their checks, times and costs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_policies.budget.statement import EntryState
from aurora_soar.taskruns.run_kinds import RUNS_OF_TASKS
from aurora_spawner.control.agent_stats import AgentStats, agent_stats

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_policies.budget import Ledger
    from aurora_policies.budget.statement import Entry

__all__ = ["AgentRecord", "agent_records"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRecord:
    """The record of one agent in a project.

    Attributes:
        priced: the number of its attempts whose cost is in the ledger, reviews included.
        cost_usd: their cost; None if there are none.
        estimated_usd: the part of it that no agent has reported.
    """

    stats: AgentStats
    priced: int
    cost_usd: float | None
    estimated_usd: float


def agent_records(journal: Path, ledger: Ledger) -> tuple[AgentRecord, ...]:
    """Returns the record of each agent in the runs of tasks of a project; questions are not counted.

    Raises:
        JournalError, BudgetStoreError: the journal or the ledger cannot be read.
    """
    found = agent_stats(journal, sorted(RUNS_OF_TASKS))
    agents = {token: stats.agent for stats in found for token in stats.tokens}
    entries: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in ledger.history(limit=-1) if agents else ():
        if entry.state is EntryState.SETTLED and entry.token in agents:
            entries[agents[entry.token]].append(entry)
    return tuple(_record(stats, entries[stats.agent]) for stats in found)


def _record(stats: AgentStats, entries: list[Entry]) -> AgentRecord:
    return AgentRecord(
        stats=stats,
        priced=len(entries),
        cost_usd=sum(entry.cost_usd or 0.0 for entry in entries) if entries else None,
        estimated_usd=sum(entry.cost_usd or 0.0 for entry in entries if entry.estimated),
    )
