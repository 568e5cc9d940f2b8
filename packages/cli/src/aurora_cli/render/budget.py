"""Text and JSON of budgets."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from aurora_cli.render.moments import to_the_minute
from aurora_cli.render.words import count, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_policies.budget import BudgetStatus, Entry, Limits

__all__ = ["as_document", "as_text", "history_document", "history_lines", "limits_text"]


def as_text(status: BudgetStatus, limits: Limits) -> str:
    """Returns the status of a month, and the cost of each agent."""
    return "\n".join(_lines(status, limits))


def as_document(status: BudgetStatus, limits: Limits) -> dict[str, object]:
    """Returns the status of a month as data for `--json`."""
    return {
        "period": status.period,
        "limit_usd": status.limit_usd,
        "consumed_usd": status.consumed_usd,
        "reserved_usd": status.reserved_usd,
        "remaining_usd": status.remaining_usd,
        "estimated_usd": status.estimated_usd,
        "percent_consumed": round(status.percent_consumed, 2),
        "at_soft_limit": status.at_soft_limit,
        "at_hard_limit": status.at_hard_limit,
        "total_entries": status.total_entries,
        "per_run_limit_usd": limits.per_run_usd,
        "warn_at_percent": limits.warn_at_percent,
        "hard_limit_action": limits.hard_action.value,
        "by_agent": [asdict(each) for each in status.by_agent],
    }


def limits_text(limits: Limits) -> str:
    """Returns the limits in force as a line."""
    per_run = "" if limits.per_run_usd is None else f" · ${limits.per_run_usd:.2f} per run"
    beyond = "refuse beyond a limit" if limits.hard_action.value == "reject" else "only warn beyond a limit"
    return f"limits: ${limits.monthly_usd:.2f} per month{per_run} · warn at {limits.warn_at_percent:.0f} % · {beyond}"


def history_lines(entries: Sequence[Entry]) -> Iterator[str]:
    """Yields one line per attempt."""
    for each in entries:
        at = to_the_minute(each.at)
        who = one_line(each.agent if each.model is None else f"{each.agent} ({each.model})", 40)
        yield f"{at}  {_amount(each):>18}  {who}  {one_line(each.run_id)}/{one_line(each.task_id, 40)}"


def history_document(entries: Sequence[Entry]) -> dict[str, object]:
    """Returns attempts as data for `--json`."""
    return {"entries": [{**asdict(each), "state": each.state.value} for each in entries]}


def _amount(entry: Entry) -> str:
    if entry.cost_usd is None:
        return f"{entry.state.value} ${entry.reserved_usd:.4f}"
    return f"{'estimated ' if entry.estimated else ''}${entry.cost_usd:.4f}"


def _lines(status: BudgetStatus, limits: Limits) -> Iterator[str]:
    share = f" ({status.percent_consumed:.0f} %)" if status.limit_usd else ""
    yield (
        f"{status.period}: ${status.consumed_usd:.2f} of ${status.limit_usd:.2f} spent{share}, "
        f"${status.remaining_usd:.2f} left"
    )
    if status.reserved_usd:
        yield f"  ${status.reserved_usd:.2f} reserved for unfinished attempts"
    if status.estimated_usd:
        yield f"  ${status.estimated_usd:.2f} of it is estimated, for agents that do not report their cost"
    for each in status.by_agent:
        yield f"  {one_line(each.agent, 40)}: ${each.cost_usd:.2f} in {count(each.attempts, 'attempt')}"
    yield limits_text(limits)
