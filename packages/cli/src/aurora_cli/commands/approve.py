"""`aur approve`: approve a question of a gate."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import approval_argument, json_option, name_here
from aurora_cli.output import emit_json, note
from aurora_cli.render.approvals import answer_document, answer_line, question_lines
from aurora_cli.render.words import one_line
from aurora_cli.user_prompts import is_interactive
from aurora_spawner.control.approvals import answer_approval, check_is_user, find_approval

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["answer", "command"]


@click.command(
    "approve",
    cls=AurCommand,
    examples=(
        ("aur approve k7m2xq", "Approve it, this once; `aur approvals` has the ids."),
        ("aur approve k7m2xq --always-this-run", "And everything of its kind, for the rest of the run."),
    ),
)
@approval_argument
@click.option("--note", "remark", default="", help="A remark for the journal.")
@click.option(
    "--always-this-run",
    "always",
    is_flag=True,
    help="Also approve what has the same rule and shape, until the run ends; the shape is shown before.",
)
@click.option("--yes", is_flag=True, help="With --always-this-run: do not ask once more.")
@json_option
def command(*, approval: str, remark: str, always: bool, yes: bool, as_json: bool) -> int:
    """Approve a question of a gate, and let the task continue.

    Works from any terminal, also while no process works on the run: the answer counts when it is resumed. Of two
    answers the first counts, and the exit status of the other is 1 if it says something else. An agent cannot answer:
    the command refuses to run inside one.
    """
    return answer(approval, approved=True, remark=remark, always=always, yes=yes, as_json=as_json)


def answer(
    approval: str, *, approved: bool, remark: str, as_json: bool, always: bool = False, yes: bool = False
) -> ExitCode:
    """Gives the user's answer to a question, and says what came of it.

    Raises:
        AgentAnswersError: an agent tries to answer.
        UnknownApprovalError: there is no such question, or it needs no answer any longer.
    """
    check_is_user(approval)  # first: an agent's worktree is no project
    journal = wiring.open_existing().project.runs_db
    if always and not _agreed(journal, approval, yes=yes):
        return ExitCode.NOT_REACHED
    report = answer_approval(journal, approval, approved=approved, note=remark, always=always)
    if as_json:
        emit_json(Schema.APPROVAL_ANSWER, answer_document(report))
    note(answer_line(report, shown_as=name_here))
    return ExitCode.DONE if report.answer.approved is approved else ExitCode.NOT_REACHED


def _agreed(journal: Path, approval: str, *, yes: bool) -> bool:
    """Shows what would be approved for the rest of the run; asks, if a question can be answered."""
    row = find_approval(journal, approval)
    for line in question_lines(row, now=time.time()):
        note(line)
    if not row.shape:
        return True  # refused with the reason by whoever takes the answer
    note(f"for the rest of {row.run_id}, without a question: {one_line(row.shape, 300)} [{one_line(row.rule)}]")
    if yes or not is_interactive():
        return True
    return click.confirm("Approve all of that?", default=False, err=True)
