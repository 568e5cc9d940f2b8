"""`aur policies check`: show what the policies say to a command or the call of a tool, or to many."""

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
from aurora_policies.questions import Question, QuestionError, parse_arguments, parse_question, question_of
from aurora_policies.repository import workspace_of
from aurora_spawner.gates.hook_command import hook_files
from aurora_spawner.gates.reading import UnreadableCallError

if TYPE_CHECKING:
    from aurora_policies import PoliciesEngine, PolicyResult

__all__ = ["command"]


@click.command(
    "check",
    cls=AurCommand,
    examples=(
        ("aur policies check 'rm -rf build'", "What the policies say, why, and what to do instead."),
        ("aur policies check 'git push -f' --json", "The answer as JSON."),
        (
            """aur policies check --tool mcp__shell__run --arguments '{"command": "rm -rf src"}'""",
            "The same for the call of a tool.",
        ),
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
@click.option("--tool", metavar="NAME", help="The name of a tool: mcp__SERVER__TOOL, or as its CLI has it.")
@click.option(
    "--arguments", "arguments_json", metavar="JSON", help="What the tool would be given (default: nothing)."
)
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
    tool: str | None,
    arguments_json: str | None,
    from_stdin: bool,
    cwd: Path | None,
    agent: str | None,
    as_json: bool,
) -> int:
    """Show what the policies say to a command or the call of a tool: allow, prompt or deny.

    It is analysed, never run. What cannot be decided is a prompt. The exit status is 0 whatever the answer
    is, and 2 if a line of the input could not be read; the answer to such a line is deny. A line of the input may
    have {"tool": …, "arguments": {…}} in place of a command.
    """
    if (given is not None) + (line is not None) + (tool is not None) + from_stdin != 1:
        raise click.UsageError("give either one COMMAND in quotes, --tool or --stdin", ctx)
    if arguments_json is not None and tool is None:
        raise click.UsageError("--arguments needs --tool", ctx)
    line = line if given is None else given
    folder = (cwd or Path.cwd()).resolve()
    engine = wiring.open_folder().policies
    if from_stdin:
        return _answer_lines(engine, folder, agent)
    try:
        arguments = parse_arguments(arguments_json) if arguments_json is not None else {}
        question = question_of(command=line, tool=tool, arguments=arguments, agent=agent)
        result = _answer(engine, question, folder)
    except (QuestionError, UnreadableCallError) as error:
        raise click.UsageError(str(error), ctx) from error
    if as_json:
        emit_json(Schema.POLICY_ANSWER, policies.result_document(result))
    else:
        emit(policies.result_text(result))
    return ExitCode.DONE


def _answer(engine: PoliciesEngine, question: Question, folder: Path) -> PolicyResult:
    """Returns the answer to a question about a command, or about a tool as the hook would ask it.

    Raises:
        UnreadableCallError: the arguments of the tool cannot be understood.
    """
    workspace = workspace_of(folder, around=Path.cwd())
    if question.tool is not None:
        from aurora_soar.taskruns.tool_question import answer_to_tool  # with all that a run needs

        return answer_to_tool(
            engine,
            question.tool,
            question.arguments,
            agent=question.agent or "",
            cwd=folder,
            workspace=workspace,
        )
    return engine.check(
        Operation(
            type=OperationType.COMMAND,
            command=question.command or "",
            cwd=folder,
            workspace=workspace,
            agent=question.agent,
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
            where = Path(os.path.normpath(folder / question.cwd))
            asked = question.model_copy(update={"agent": question.agent or agent})
            result = _answer(engine, asked, where)
        except (QuestionError, UnreadableCallError) as error:
            emit_json_line(Schema.POLICY_ANSWER, policies.unreadable_document(number, error))
            status = ExitCode.USAGE
            continue
        emit_json_line(Schema.POLICY_ANSWER, policies.result_document(result))
    return status
