"""`aur runs diff`: compare two runs task by task."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json
from aurora_cli.render.run_comparison import comparison_lines
from aurora_spawner.replay.comparison import compare_runs

__all__ = ["command"]


@click.command(
    "diff",
    cls=AurCommand,
    examples=(
        ("aur runs diff spawn-1763690000000 spawn-1763700000000", "What came out otherwise the second time."),
        (
            "aur runs diff spawn-1763690000000 spawn-1763700000000 --all",
            "Every task, also those that came out alike.",
        ),
    ),
)
@click.argument("first", metavar="A", help="A run's name, as `aur runs list` shows it.")
@click.argument("second", metavar="B", help="The name of another.")
@click.option("--all", "all_tasks", is_flag=True, help="Show all tasks, not only those that came out otherwise.")
@json_option
def command(*, first: str, second: str, all_tasks: bool, as_json: bool) -> int:
    """Compare two runs task by task.

    States, agents, attempts, time, cost, tokens, changed files and answers. Tasks are compared by their ids. Costs
    and tokens are those of each task's last attempt.
    """
    comparison = compare_runs(wiring.open_existing().project.runs_db, first, second)
    if as_json:
        emit_json(Schema.RUNS_COMPARED, comparison.to_dict())
    else:
        emit("\n".join(comparison_lines(comparison, all_tasks=all_tasks)))
    return ExitCode.DONE
