"""`aur soar`: answer a question from the project, with sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aurora_cli import wiring
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import accept_changes_option, json_option, max_concurrent_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render.answer import as_text, progress_listener
from aurora_cli.render.index import index_with_progress
from aurora_cli.render.words import one_line
from aurora_soar.resumption.record import asked_question

if TYPE_CHECKING:
    from aurora_soar import SoarResult

__all__ = ["command", "resume_question"]


@click.command(
    "soar",
    cls=AurCommand,
    examples=(
        ('aur soar "Where is the configuration read?"', "Ask; the answer names file and line."),
        ('aur soar "Compare the two cache backends" --verbosity verbose', "See what each phase and agent did."),
        ('aur soar "Why does login fail twice?" --tool claude', "Let Claude Code plan, search and write."),
        ('aur soar "Where are retries limited?" --json', "The whole execution as JSON."),
        ("aur soar --resume soar-1763690000000", "Continue a question that was cut off."),
    ),
)
@click.argument("query", nargs=-1, help="The question. Quote it, or your shell may read the `?`.")
@click.option(
    "--resume", "query_id", metavar="ID", help="Continue a question that was cut off, instead of a new one."
)
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
@accept_changes_option
@json_option
def command(
    *,
    query: tuple[str, ...],
    query_id: str | None,
    verbosity: str,
    tool: str | None,
    no_index: bool,
    max_concurrent: int | None,
    accept_changes: bool,
    as_json: bool,
) -> int:
    """Answer a question from the project, with sources.

    The question is assessed, cut into subgoals and answered by agents that run side by side; every line of the
    answer names the file and line that it rests on. Without --tool (or AURORA_TOOL, or `tool:` in the configuration)
    no model is asked and nothing is spent. A folder that was never set up is set up first. The exit status is 1 when
    no answer with a source was found, and 130 when Ctrl-C ended it: what was found until then is shown.

    A question that was interrupted or killed is continued with --resume: no model is asked again what it has
    answered, finished subgoals stay finished, and agents that still work are adopted.
    """
    if query_id is not None:
        _refuse_with_resume(query, {"--tool": tool, "--max-concurrent": max_concurrent})
        return resume_question(
            query_id, verbosity=verbosity, no_index=no_index, accept_changes=accept_changes, as_json=as_json
        )
    if not query or accept_changes:
        raise click.UsageError("--accept-changes needs --resume" if query else "Missing argument 'QUERY...'.")
    from aurora_soar import read_question

    question = read_question(" ".join(query)).text  # an empty one is refused before anything is set up
    with wiring.open_folder(tool=tool, max_concurrent=max_concurrent) as aurora:
        aurora.set_up()
        orchestrator = aurora.orchestrator()  # refused before the index is updated
        if not no_index:
            index_with_progress(aurora.memory)
        with aurora.changes_told():
            result = orchestrator.execute(question, on_event=progress_listener(verbosity))
    return _shown(result, verbosity, as_json=as_json)


def _refuse_with_resume(query: tuple[str, ...], options: dict[str, object]) -> None:
    given = [*(["QUERY"] if query else []), *(name for name, value in options.items() if value is not None)]
    if given:
        raise click.UsageError(f"--resume continues a question as it was asked, without {' and '.join(given)}")


def resume_question(
    query_id: str, *, verbosity: str = "normal", no_index: bool = False, accept_changes: bool, as_json: bool
) -> ExitCode:
    """Continues a question that was cut off, and shows its answer."""
    with wiring.open_existing() as aurora:
        asked = asked_question(aurora.project.runs_db, query_id)
        note(f"continuing {query_id}: {one_line(asked.text, 200)}")
        if not no_index:
            index_with_progress(aurora.memory)
        result = aurora.resume_question(
            query_id, index=False, accept_changes=accept_changes, on_event=progress_listener(verbosity)
        )
    return _shown(result, verbosity, as_json=as_json)


def _shown(result: SoarResult, verbosity: str, *, as_json: bool) -> ExitCode:
    if result.log_error:
        note(result.log_error)
    if result.interrupted:
        note(f"interrupted; aur soar --resume {result.query_id} continues it")
    if as_json:
        emit_json(result.to_dict())
    elif result.sources or not result.interrupted:
        emit(as_text(result, verbosity))
    return _status(result)


def _status(result: SoarResult) -> ExitCode:
    if result.interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.DONE if result.ok else ExitCode.NOT_REACHED
