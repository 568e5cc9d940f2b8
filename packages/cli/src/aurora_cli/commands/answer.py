"""`aur answer`: answer a question of an agent."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import approval_argument, json_option, name_here
from aurora_cli.output import emit_json, note
from aurora_cli.render.approvals import answer_document, answer_line
from aurora_spawner.control.approvals import answer_agent, check_is_user

__all__ = ["command"]


@click.command(
    "answer",
    cls=AurCommand,
    examples=(('aur answer k7m2xq "use port 8081"', "Answer it; `aur approvals` has the ids."),),
)
@approval_argument
@click.argument("text", help="The answer, in words for the agent.")
@json_option
def command(*, approval: str, text: str, as_json: bool) -> ExitCode:
    """Answer a question of an agent.

    The agent has asked with `aur ask`, and gets the text. Works from any terminal, also while no process works on
    the run: the agent gets the answer when the run is resumed and it asks again. Of two answers the first counts,
    and the exit status of the other is 1.
    """
    check_is_user(approval)  # first: an agent's worktree is no project
    report = answer_agent(wiring.open_existing().project.runs_db, approval, text)
    if as_json:
        emit_json(Schema.APPROVAL_ANSWER, answer_document(report))
    note(answer_line(report, shown_as=name_here))
    return ExitCode.DONE if report.first else ExitCode.NOT_REACHED
