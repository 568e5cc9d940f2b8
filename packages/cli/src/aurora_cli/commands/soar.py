"""`aur soar`: answer a question from the project, with sources."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from aurora_cli import wiring
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option, max_concurrent_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render.answer import as_text, progress_listener
from aurora_cli.render.index import index_with_progress

if TYPE_CHECKING:
    from aurora_soar import SoarResult

__all__ = ["command"]


@click.command(
    "soar",
    cls=AurCommand,
    examples=(
        ('aur soar "Where is the configuration read?"', "Ask; the answer names file and line."),
        ('aur soar "Compare the two cache backends" --verbosity verbose', "See what each phase and agent did."),
        ('aur soar "Why does login fail twice?" --tool claude', "Let Claude Code plan, search and write."),
        ('aur soar "Where are retries limited?" --json', "The whole execution as JSON."),
    ),
)
@click.argument("query", nargs=-1, required=True, help="The question. Quote it, or your shell may read the `?`.")
@click.option(
    "--verbosity",
    type=click.Choice(["quiet", "normal", "verbose"]),
    default="normal",
    show_default=True,
    help="The answer alone, with what it is worth, or with everything that was done.",
)
@click.option("--tool", metavar="NAME", help="The agent that plans and writes the answer; none by default.")
@click.option("--no-index", is_flag=True, help="Answer from the index as it stands; do not look for changed files.")
@max_concurrent_option
@json_option
def command(
    *,
    query: tuple[str, ...],
    verbosity: str,
    tool: str | None,
    no_index: bool,
    max_concurrent: int | None,
    as_json: bool,
) -> int:
    """Answer a question from the project, with sources.

    The question is assessed, cut into subgoals and answered by agents that run side by side; every line of the
    answer names the file and line that it rests on. Without --tool (or AURORA_TOOL, or `tool:` in the configuration)
    no model is asked and nothing is spent. A folder that was never set up is set up first. The exit status is 1 when
    no answer with a source was found, and 130 when Ctrl-C ended it: what was found until then is shown.
    """
    from aurora_soar import read_question

    question = read_question(" ".join(query)).text  # an empty one is refused before anything is set up
    with wiring.open_folder(tool=tool, max_concurrent=max_concurrent) as aurora:
        aurora.set_up()
        orchestrator = aurora.orchestrator()  # refused before the index is updated
        if not no_index:
            index_with_progress(aurora.memory)
        with aurora.changes_told():
            result = orchestrator.execute(question, on_event=progress_listener(verbosity))
    if result.log_error:
        note(result.log_error)
    if result.interrupted:
        note(f"interrupted; a question cannot be resumed, ask it again: aur soar {shlex.quote(question)}")
    if as_json:
        emit_json(result.to_dict())
    elif result.sources or not result.interrupted:
        emit(as_text(result, verbosity))
    return _status(result)


def _status(result: SoarResult) -> ExitCode:
    if result.interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.DONE if result.ok else ExitCode.NOT_REACHED
