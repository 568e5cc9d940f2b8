"""`aur candidates`: list the candidates of a task."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option, run_argument, task_argument
from aurora_cli.output import emit, emit_json
from aurora_cli.render.candidates import as_document, as_lines

__all__ = ["command"]


@click.command(
    "candidates",
    cls=AurCommand,
    examples=(
        ("aur candidates spawn-1763690000000 1.2", "Each candidate with its checks, change and cost."),
        ("aur diff spawn-1763690000000 1.2:2", "The change of the second one."),
        ("aur pick spawn-1763690000000 1.2 2", "Take the second one."),
    ),
)
@run_argument
@task_argument
@json_option
def command(*, run_id: str, task_id: str, as_json: bool) -> int:
    """List the candidates of a task, with the one that was taken and why.

    A candidate is a task of its own, named TASK:NUMBER: `aur logs` and `aur diff` take that name, too.
    """
    aurora = wiring.open_existing()
    found, costs = aurora.candidates(run_id, task_id), aurora.ledger.costs_of_tasks(run_id)
    if as_json:
        emit_json(Schema.CANDIDATES, as_document(run_id, found, costs))
    else:
        for line in as_lines(run_id, found, costs):
            emit(line)
    return ExitCode.DONE
