"""The costs of agents by day, agent and model, from the ledger."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from aurora_cli.watch.facts import Spending
from aurora_cli.watch.view import budget_line
from aurora_policies.budget import EntryState
from aurora_policies.errors import PoliciesError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aurora_policies.budget import Entry
    from aurora_soar import Aurora

__all__ = ["NO_COSTS", "costs_of"]

MOST: Final = 5_000
"""The newest entries of the ledger that are added up."""

NO_COSTS: Final[dict[str, Any]] = {"problem": "", "line": "", "tables": [], "most": None}


def costs_of(aurora: Aurora) -> dict[str, Any]:
    """Returns the values of the page of costs."""
    try:
        ledger = aurora.ledger
        month = ledger.status()
        newest = ledger.history(limit=MOST)
    except PoliciesError as error:
        return NO_COSTS | {"problem": str(error)}
    entries = [each for each in newest if each.state is not EntryState.RELEASED]
    tables = [
        ("Day", _added_up(entries, lambda each: f"{datetime.fromtimestamp(each.at, UTC):%Y-%m-%d}")),
        ("Agent", _added_up(entries, lambda each: each.agent)),
        ("Model", _added_up(entries, lambda each: each.model or "unknown")),
    ]
    line, most = budget_line(Spending(month=month)), MOST if len(newest) == MOST else None
    return {"problem": "", "line": line, "tables": tables, "most": most}


def _added_up(entries: Sequence[Entry], key: Callable[[Entry], str]) -> list[tuple[str, int, float]]:
    number: dict[str, int] = defaultdict(int)
    cost: dict[str, float] = defaultdict(float)
    for entry in entries:
        number[key(entry)] += 1
        cost[key(entry)] += entry.cost_usd or 0.0
    return [(name, number[name], cost[name]) for name in sorted(number, reverse=True)]
