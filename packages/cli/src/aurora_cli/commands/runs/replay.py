"""`aur runs replay`: run a run's coordinator again over the journal."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option, run_argument
from aurora_cli.output import emit, emit_json
from aurora_cli.render.replay import replay_lines, what_if_lines
from aurora_spawner.replay.replay import replay_run
from aurora_spawner.replay.what_if import what_if

__all__ = ["command"]


@click.command(
    "replay",
    cls=AurCommand,
    examples=(
        ("aur runs replay spawn-1763690000000", "Make every decision again, and name the first that differs."),
        ("aur runs replay spawn-1763690000000 --what-if max_concurrent=20", "What more at once would have come to."),
        (
            "aur runs replay spawn-1763690000000 --what-if max_retries=0 --what-if fallback_to_llm=false",
            "What another recovery would have come to.",
        ),
    ),
)
@run_argument
@click.option(
    "--what-if",
    "changes",
    metavar="NAME=VALUE",
    multiple=True,
    help="Simulate with another setting: max_concurrent, start_rate_per_s, agent_limits.AGENT, a preset or a field "
    "of the recovery policy. Can be given several times.",
)
@json_option
def command(*, run_id: str, changes: tuple[str, ...], as_json: bool) -> int:
    """Make a run's decisions again, or ask what if.

    The run's coordinator runs again over the journal, with simulated agents. Nothing starts and nothing changes. What
    people, agents, the system and other runs did is taken from the journal; every decision that followed is made
    again and compared. The status is 1 if one comes out otherwise, or if the run was changed from outside.
    """
    journal = wiring.open_existing().project.runs_db
    if changes:
        simulated = what_if(journal, run_id, changes)
        if as_json:
            emit_json(Schema.SIMULATION, simulated.to_dict())
        else:
            emit("\n".join(what_if_lines(simulated)))
        return ExitCode.DONE
    report = replay_run(journal, run_id)
    if as_json:
        emit_json(Schema.REPLAY, report.to_dict())
    else:
        emit("\n".join(replay_lines(report)))
    return ExitCode.DONE if report.identical and report.changed is None else ExitCode.NOT_REACHED
