"""`aur policies check`: show what the policies say to a command, or to many."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import ExistingPath, json_option
from aurora_cli.output import emit, emit_json, emit_json_line
from aurora_cli.render import policies
from aurora_policies import Operation, OperationType
from aurora_policies.questions import QuestionError, parse_question
from aurora_policies.repository import workspace_of
from aurora_spawner.gates.hook_command import hook_files

if TYPE_CHECKING:
    from aurora_policies import PoliciesEngine, PolicyResult

__all__ = ["command"]


@click.command(
    "check",
    cls=AurCommand,
    examples=(
        ("aur policies check 'rm -rf build'", "What the policies say, why, and what to do instead."),
        ("aur policies check 'git push -f' --json", "The answer as JSON."),
        ("aur policies check --stdin < commands.jsonl", 'An answer for each line {"command": …, "cwd": …}.'),
    ),
)
@click.argument(
    "given",
    metavar="[COMMAND]",
    required=False,
    help="A command line in quotes, as an agent would give it to a shell.",
)
@click.option("--command", "line", metavar="TEXT", help="The same as COMMAND.")
@click.option(
    "--stdin", "from_stdin", is_flag=True, help="Read a JSON object a line, and answer a JSON object a line."
)
@click.option(
    "--cwd", type=ExistingPath("folder"), help="The folder that the command runs in (default: the current one)."
)
@click.option("--agent", metavar="NAME", help="Apply the section of this agent too.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    given: str | None,
    line: str | None,
    from_stdin: bool,
    cwd: Path | None,
    agent: str | None,
    as_json: bool,
) -> int:
    """Show what the policies say to a command: allow, prompt or deny.

    The command is analysed, never run. What cannot be decided is a prompt. The exit status is 0 whatever the answer
    is, and 2 if a line of the input could not be read; the answer to such a line is deny.
    """
    if (given is not None) + (line is not None) + from_stdin != 1:
        raise click.UsageError("give either one COMMAND in quotes or --stdin", ctx)
    line = line if given is None else given
    engine = wiring.open_folder().policies
    folder = (cwd or Path.cwd()).resolve()
    if line is None:
        return _answer_lines(engine, folder, agent)
    result = _ask(engine, line, folder, agent)
    if as_json:
        emit_json(Schema.POLICY_ANSWER, policies.result_document(result))
    else:
        emit(policies.result_text(result))
    return ExitCode.DONE


def _ask(engine: PoliciesEngine, line: str, folder: Path, agent: str | None) -> PolicyResult:
    workspace = workspace_of(folder, around=Path.cwd())
    return engine.check(
        Operation(
            type=OperationType.COMMAND,
            command=line,
            cwd=folder,
            workspace=workspace,
            agent=agent,
            controls=hook_files(),
        )
    )


def _answer_lines(engine: PoliciesEngine, folder: Path, agent: str | None) -> ExitCode:
    status = ExitCode.DONE
    for number, content in enumerate(sys.stdin.buffer, 1):
        if not content.strip():
            continue
        try:
            question = parse_question(content)
        except QuestionError as error:
            emit_json_line(Schema.POLICY_ANSWER, policies.unreadable_document(number, error))
            status = ExitCode.USAGE
            continue
        where = Path(os.path.normpath(folder / question.cwd))
        result = _ask(engine, question.command, where, question.agent or agent)
        emit_json_line(Schema.POLICY_ANSWER, policies.result_document(result))
    return status
