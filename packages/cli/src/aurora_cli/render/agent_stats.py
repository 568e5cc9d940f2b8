"""Text and JSON of what agents have achieved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_cli.render.words import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_soar.taskruns.agent_records import AgentRecord

__all__ = ["as_document", "as_lines"]

_HEAD = ("agent", "tasks succeeded", "attempts", "checks passed", "passed at once", "median time", "cost")


def as_lines(records: Sequence[AgentRecord]) -> Iterator[str]:
    """Yields a table with a line per agent; nothing without agents."""
    if not records:
        return
    rows = [_HEAD, *map(_row, records)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for row in rows:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def as_document(records: Sequence[AgentRecord]) -> dict[str, object]:
    """Returns the records as data for `--json`."""
    return {
        "agents": [
            {
                "agent": each.stats.agent,
                "tasks": each.stats.tasks,
                "succeeded": each.stats.succeeded,
                "attempts": each.stats.attempts,
                "checked": each.stats.checked,
                "checks_passed": each.stats.checks_passed,
                "judged": each.stats.first_checks.judged,
                "passed_at_once": each.stats.first_checks.passed,
                "timed": len(each.stats.times_s),
                "median_s": None if each.stats.median_s is None else round(each.stats.median_s, 3),
                "priced": each.priced,
                "cost_usd": None if each.cost_usd is None else round(each.cost_usd, 6),
                "estimated_usd": round(each.estimated_usd, 6),
            }
            for each in records
        ]
    }


def _row(record: AgentRecord) -> tuple[str, ...]:
    stats = record.stats
    return (
        f"@{one_line(stats.agent)}",
        _share(stats.succeeded, stats.tasks),
        f"{stats.attempts}",
        _share(stats.checks_passed, stats.checked),
        _share(stats.first_checks.passed, stats.first_checks.judged),
        "-" if stats.median_s is None else f"{stats.median_s:.1f} s (n = {len(stats.times_s)})",
        _cost(record),
    )


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / whole:.0%})" if whole else "-"


def _cost(record: AgentRecord) -> str:
    if record.cost_usd is None:
        return "-"
    estimated = f", ${record.estimated_usd:.2f} of it estimated" if record.estimated_usd else ""
    return f"${record.cost_usd:.2f} (n = {record.priced}{estimated})"
