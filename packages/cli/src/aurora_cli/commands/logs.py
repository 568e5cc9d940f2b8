"""`aur logs`: show the output of a task's agent."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.errors import IsSessionError
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option, name_here, target_argument
from aurora_cli.output import emit_json
from aurora_cli.render.logs import emit_bytes
from aurora_spawner.control.logs import read_logs, task_outputs
from aurora_spawner.control.lookup import find_run
from aurora_spawner.conversations.kinds import SESSION_RUN

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner.control.logs import Stream

__all__ = ["command"]


@click.command(
    "logs",
    cls=AurCommand,
    examples=(
        ("aur logs spawn-1763690000000/1.2", "The output of the task's agent so far."),
        ("aur logs spawn-1763690000000/1.2 -f", "Follow the output until the task ends."),
        ("aur logs spawn-1763690000000/1.2 --stderr", "The agent's standard error."),
        ("aur logs spawn-1763690000000", "The output of all tasks of the run, one after another."),
    ),
)
@target_argument
@click.option("-f", "--follow", is_flag=True, help="Follow the output until the task ends; needs RUN/TASK.")
@click.option("--stderr", "errors", is_flag=True, help="Show standard error instead of standard output.")
@json_option
def command(*, target: str, follow: bool, errors: bool, as_json: bool) -> int:
    """Show the output of a task's agent, while it runs and after it ends.

    At a terminal the events of an agent CLI are readable lines; elsewhere they are printed as the agent wrote them.
    """
    run_id, _, task_id = target.partition("/")
    if follow and as_json:
        raise click.UsageError("-f follows what is still written, and --json is one document; leave one out")
    if follow and not task_id:
        raise click.UsageError("-f follows one task: aur logs -f RUN/TASK; `aur status` lists the running tasks")
    journal, stream = wiring.open_existing().project.runs_db, _stream(errors=errors)
    if not task_id and find_run(journal, run_id)[0].kind == SESSION_RUN:
        raise IsSessionError(name_here(run_id))
    if as_json:
        emit_json(Schema.LOGS, _document(journal, run_id, task_id or None, stream))
        return ExitCode.DONE
    pieces = read_logs(journal, run_id, task_id or None, follow=follow, stream=stream, transcript=sys.stdout.isatty())
    emit_bytes(pieces)
    return ExitCode.DONE


def _stream(*, errors: bool) -> Stream:
    return "stderr" if errors else "stdout"


def _document(journal: Path, run_id: str, task_id: str | None, stream: Stream) -> dict[str, object]:
    """Returns the output of one task, or of all, as data for `--json`, with escapes for invalid UTF-8."""
    tasks = [
        {"id": each.task_id, "title": each.title, "output": each.content.decode(errors="backslashreplace")}
        for each in task_outputs(journal, run_id, task_id, stream=stream)
    ]
    return {"run_id": run_id, "stream": stream, "tasks": tasks}
