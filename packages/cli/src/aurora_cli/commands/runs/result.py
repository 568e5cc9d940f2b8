"""`aur runs result`: print what the agent of a finished task answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.errors import IsQuestionError, IsSessionError, NoResultError
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option, name_here, target_argument
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render.run import row_of
from aurora_cli.render.words import one_line
from aurora_soar.resumption.kinds import QUESTION_RUN
from aurora_spawner.control.lookup import find_run
from aurora_spawner.conversations.kinds import SESSION_RUN
from aurora_spawner.errors import UnknownTaskError
from aurora_spawner.runs.task_result import JOURNAL_OUTPUT_LIMIT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_spawner.journal.views import TaskRow

__all__ = ["command"]


@click.command(
    "result",
    cls=AurCommand,
    examples=(
        ("aur runs result exec-1763690000000", "The answer to the task of `aur exec`."),
        ("aur runs result spawn-1763690000000/1.2", "The answer to one of several tasks."),
        ("aur runs result exec-1763690000000 --json", "The result as JSON, with checks, usage and work."),
    ),
)
@target_argument
@json_option
def command(*, target: str, as_json: bool) -> int:
    """Print the result of a finished task.

    That is the answer of its agent, from the journal, which keeps only the head and tail of a very long one. TASK can
    be left out of a run that has only one. The exit status is 1 if the task has no result yet, or did not succeed.
    """
    run_id, _, task_id = target.partition("/")
    run, rows = find_run(wiring.open_existing().project.runs_db, run_id)
    if run.kind == SESSION_RUN:
        raise IsSessionError(name_here(run_id))
    if run.kind == QUESTION_RUN:
        raise IsQuestionError(name_here(run_id))
    row = _task_of(run_id, task_id, rows)
    if row.result is None:
        raise NoResultError(name_here(run_id), row.task_id, str(row.state))
    if as_json:
        emit_json(Schema.TASK_RESULT, {"run_id": run_id} | row_of(row.result, row.task.headline))
    else:
        emit(row.result.output.rstrip("\n"))
        if len(row.result.output) >= JOURNAL_OUTPUT_LIMIT:
            note(
                f"the middle of a long answer is left out here; all of it: aur logs {name_here(run_id)}/{row.task_id}"
            )
        if row.result.error:
            note(one_line(row.result.error, 400))
    return ExitCode.DONE if row.result.success else ExitCode.NOT_REACHED


def _task_of(run_id: str, task_id: str, rows: Sequence[TaskRow]) -> TaskRow:
    """Returns a task of a run.

    Raises:
        UnknownTaskError: the run has no such task.
        click.UsageError: it has several, and none is named.
    """
    known = {row.task_id: row for row in rows}
    wanted = [row for row in rows if row.task.candidate_of is None and row.task.resolves is None]
    if task_id:
        if task_id not in known:
            raise UnknownTaskError(run_id, task_id, known)
        return known[task_id]
    if len(wanted) != 1:
        named = ", ".join(one_line(row.task_id) for row in wanted[:8])
        raise click.UsageError(
            f"{run_id} has {len(wanted)} tasks; name one: aur runs result {name_here(run_id)}/TASK ({named})"
        )
    return wanted[0]
