"""`aur agents stats`: show what each agent has achieved in this project."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render import agent_stats

__all__ = ["command"]


@click.command(
    "stats",
    cls=AurCommand,
    examples=(
        ("aur agents stats", "Tasks, checks, times and costs of each agent."),
        ("aur agents stats --json", "The same as JSON."),
    ),
)
@json_option
def command(*, as_json: bool) -> int:
    """Show what each agent has achieved in this project.

    Each figure is shown with its sample size. Only finished tasks of task files and of `aur exec` count, in runs that
    were not cleaned. Agents had different tasks, so these figures compare them only roughly.
    """
    records = wiring.open_existing().agent_records()
    if as_json:
        emit_json(Schema.AGENT_STATS, agent_stats.as_document(records))
        return ExitCode.DONE
    for line in agent_stats.as_lines(records):
        emit(line)
    if not records:
        note("no agent has worked on a task of this project yet")
    return ExitCode.DONE
