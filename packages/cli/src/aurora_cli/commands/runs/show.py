"""`aur runs show`: show a run and the results of its tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option, run_argument
from aurora_cli.output import emit, emit_bytes, emit_json, note
from aurora_cli.render.pictures.documents import html_page, svg_file
from aurora_cli.render.recovery import recovery_document, recovery_lines
from aurora_cli.render.runs import RunDetail, as_detail, as_detail_document
from aurora_soar.replanning.record import decided
from aurora_spawner.control.approvals import approvals_of
from aurora_spawner.control.file_claims import seen_files
from aurora_spawner.control.lookup import find_run, hosts_of, recovery_of
from aurora_spawner.control.run_work import work_of_run
from aurora_spawner.control.sandboxes import sandboxes_of
from aurora_spawner.control.timeline import run_timeline
from aurora_spawner.conversations.kinds import SESSION_RUN

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_core import Project
    from aurora_soar.report.read_log import ConversationLog
    from aurora_spawner.journal.views import RunRow, TaskRow
    from aurora_spawner.recovery.report import RecoveryReport

__all__ = ["command"]


@click.command(
    "show",
    cls=AurCommand,
    examples=(
        ("aur runs show spawn-1763690000000", "Its tasks with their states and errors."),
        ("aur runs show spawn-1763690000000 --json", "The run as JSON, with every task's output."),
        ("aur runs show spawn-1763690000000 --recovery", "Retries, fallbacks and pauses, step by step."),
        ("aur runs show spawn-1763690000000 --html > run.html", "Its graph and timeline, as a page."),
        ("aur runs show soar-1763690000000", "A question: its phases and its answer, from the conversation log."),
    ),
)
@run_argument
@click.option("--recovery", is_flag=True, help="Show the retries and fallbacks of each task.")
@click.option("--svg", is_flag=True, help="Print a picture: the graph of the tasks, and the timeline of the run.")
@click.option(
    "--html", is_flag=True, help="Print the graph and the timeline as an HTML page, with a table of the tasks."
)
@json_option
def command(*, run_id: str, recovery: bool, svg: bool, html: bool, as_json: bool) -> int:
    """Show a run and the results of its tasks.

    For tasks in worktrees also their base, branch, commit and merge, and where the merged work is. Each task has the
    gates' questions about it, with their answers, and the sandbox of its agent if one was asked for. The name of a
    question, with which its conversation log begins, shows that log. --svg and --html print one file that loads
    nothing; redirect it.
    """
    if sum((recovery, svg, html)) > 1 or (as_json and (svg or html)):
        raise click.UsageError("--recovery, --svg and --html exclude each other; --json excludes --svg and --html")
    project = wiring.open_existing().project
    journal = project.runs_db
    if svg or html:
        timeline = run_timeline(journal, run_id)
        emit_bytes((svg_file(timeline) if svg else html_page(timeline)).encode())
        return ExitCode.DONE
    if not recovery and (log := _log_of(project, run_id)) is not None:
        return _show_log(log, as_json=as_json)
    run, tasks = find_run(journal, run_id)
    if recovery:
        _show_recovery(recovery_of(journal, run_id), as_json=as_json)
    elif as_json:
        emit_json(Schema.RUN, as_detail_document(_detail(journal, run, tasks)))
    else:
        for line in as_detail(_detail(journal, run, tasks)):
            emit(line)
        if run.kind == SESSION_RUN:
            note(f"all that was said: aur interact --log {run_id}")
    return ExitCode.DONE


def _detail(journal: Path, run: RunRow, tasks: list[TaskRow]) -> RunDetail:
    return RunDetail(
        run=run,
        tasks=tasks,
        work=work_of_run(run, tasks),
        approvals=approvals_of(journal, run.run_id),
        seen=seen_files(journal, run.run_id),
        sandboxes=sandboxes_of(journal, run.run_id),
        hosts=hosts_of(journal, run.run_id),
        replanned=decided(journal, run.run_id),
    )


def _log_of(project: Project, query_id: str) -> ConversationLog | None:
    """Returns the log of a question; a run of its agents, which has another name, is shown as a run."""
    if not query_id.startswith("soar-"):
        return None
    from aurora_soar.report.read_log import find_log

    return find_log(project.conversation_logs, query_id)


def _show_log(log: ConversationLog, *, as_json: bool) -> int:
    from aurora_cli.render.conversation import conversation_lines

    if as_json:
        emit_json(Schema.ANSWER, log.document)
    else:
        emit("\n".join(conversation_lines(log)))
    return ExitCode.DONE


def _show_recovery(report: RecoveryReport, *, as_json: bool) -> None:
    if as_json:
        emit_json(Schema.RECOVERY, recovery_document(report))
    else:
        for line in recovery_lines(report):
            emit(line)
