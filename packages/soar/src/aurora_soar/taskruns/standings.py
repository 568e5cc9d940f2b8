"""Reads how the agents of `routing` stand in a project: their results in its journal, their programs and logins."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from aurora_soar.taskruns.agent_records import agent_records
from aurora_soar.taskruns.backends import check_routing, missing_program, untrusted_backends
from aurora_soar.taskruns.ledger import open_ledger
from aurora_soar.taskruns.logins import SignedIn, signed_in
from aurora_soar.taskruns.routing import Standing, choose
from aurora_soar.taskruns.run_kinds import RUNS_OF_TASKS
from aurora_spawner.control.agent_stats import FirstChecks, first_checks
from aurora_spawner.errors import JournalError
from aurora_spawner.journal.anchor import is_own
from aurora_spawner.rate_limits.gate_store import default_state_dir

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_core import Config
    from aurora_core.settings.routing_config import RoutingConfig
    from aurora_policies import PoliciesEngine
    from aurora_soar.taskruns.routing import AgentChoice
    from aurora_spawner import Backend

__all__ = ["choose_by_results"]


def choose_by_results(
    config: Config,
    routing: RoutingConfig,
    backends: Mapping[str, Backend],
    *,
    journal: Path,
    policies: PoliciesEngine,
) -> AgentChoice:
    """Chooses the agent of tasks that name none, by the results in a project's journal.

    A journal that the user has not written in this place, or that cannot be read, has no say: it could come with a
    clone.

    Args:
        policies: for the ledger, which is read if two agents have done equally well.

    Raises:
        ConfigError: `routing` names what is no agent.
        BudgetStoreError: the ledger is needed, and cannot be read.
    """
    check_routing(config)
    found, unread = _results(journal)

    def costs() -> dict[str, float]:
        records = agent_records(journal, open_ledger(policies))
        return {each.stats.agent: each.cost_usd / each.priced for each in records if each.cost_usd is not None}

    untrusted, nothing = untrusted_backends(config), FirstChecks()
    standings = [
        Standing(
            agent=name,
            judged=found.get(name, nothing).judged,
            passed_at_once=found.get(name, nothing).passed,
            problem=_problem(backends.get(name), trusted=name not in untrusted),
        )
        for name in routing.among
    ]
    return choose(standings, at_least=routing.at_least, costs=costs, unread=unread)


def _results(journal: Path) -> tuple[dict[str, FirstChecks], str]:
    """Returns the first checks of each agent, and the reason if those that are there have no say."""
    try:
        if journal.exists() and not is_own(default_state_dir(), journal):
            return {}, "the results in this journal have no say, as you have not written it in this place"
        found = first_checks(journal, sorted(RUNS_OF_TASKS))
    except JournalError as error:
        return {}, f"the results here cannot be read ({error})"
    return found, ""


def _problem(backend: Backend | None, *, trusted: bool) -> str:
    """Returns the reason why an agent can do no task here, as far as it is visible without a call; "" for none."""
    if backend is None:
        return "is not installed" if trusted else "is not trusted (aur trust)"
    if missing_program(backend, os.environ) is not None:
        return "is not installed"
    login, _ = signed_in(backend, os.environ, Path.home())
    return "is not signed in" if login is SignedIn.NO else ""
