"""`aur ask`: ask a person, from inside an agent."""

from __future__ import annotations

import click

from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json, note
from aurora_spawner.control.asking import ask_person

__all__ = ["command"]


@click.command(
    "ask",
    cls=AurCommand,
    examples=(
        ('aur ask "May I drop support for Python 3.9?" --choices yes,no', "Wait for the user's answer."),
        ('aur ask "Which port?" --default 8080', "Without an answer in time, take this one."),
    ),
)
@click.argument("question", help="What you need to know, in one sentence.")
@click.option("--default", metavar="TEXT", help="The answer that counts if nobody answers in time.")
@click.option("--choices", metavar="A,B,…", help="Answers to choose from; the user may give another one.")
@json_option
def command(*, question: str, default: str | None, choices: str | None, as_json: bool) -> ExitCode:
    """Ask the user, from inside an agent.

    The call waits for the answer and prints it. The question goes to the inbox of the run: the user sees it at the
    terminal of the run and by `aur approvals`, and answers it there or with `aur answer`. While you wait, your task
    holds no slot and its time stands still. If this call is ended before, make it again: the question is asked
    once. The limit is `approvals.limit_seconds`; after it the default is printed, and without one the exit status
    is 1.
    """
    answer = ask_person(question, default=default, choices=[each for each in (choices or "").split(",") if each])
    if as_json:
        emit_json(Schema.QUESTION_ANSWER, {"answer": answer.text, "by": answer.by})
    elif answer.text is not None:
        emit(answer.text)
    if answer.text is None:
        note("nobody has answered; decide by yourself what is safe")
        return ExitCode.NOT_REACHED
    return ExitCode.DONE
