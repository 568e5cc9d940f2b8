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
        ('aur soar --continue "And who calls it?"', "Go on from the latest question."),
        ('aur soar --session-id login "How is a token checked?"', "Ask in a session of that name."),
    ),
)
@click.argument("query", nargs=-1, help="The question. Quote it, or your shell may read the `?`.")
@click.option(
    "--verbosity",
    type=click.Choice(["quiet", "normal", "verbose"]),
    default="normal",
    show_default=True,
    help="The answer alone, with what it is worth, or with everything that was done.",
)
@click.option("--tool", metavar="NAME", help="The agent that plans and writes the answer; none by default.")
@click.option("--no-index", is_flag=True, help="Answer from the index as it stands; do not look for changed files.")
@click.option("--session-id", metavar="NAME", help="Ask in this session, new or not: its earlier turns are context.")
@click.option("--continue", "continue_session", is_flag=True, help="Ask in the session of the latest question.")
@click.option("--sessions", "list_sessions", is_flag=True, help="List the sessions instead of asking.")
@click.option("--no-cache", is_flag=True, help="Take no plan and no answer from the cache; ask anew, and keep that.")
@max_concurrent_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    query: tuple[str, ...],
    verbosity: str,
    tool: str | None,
    no_index: bool,
    session_id: str | None,
    continue_session: bool,
    list_sessions: bool,
    no_cache: bool,
    max_concurrent: int | None,
    as_json: bool,
) -> int:
    """Answer a question from the project, with sources.

    The question is assessed, cut into subgoals and answered by agents that run side by side; every line of the
    answer names the file and line that it rests on. Without --tool (or AURORA_TOOL, or `tool:` in the configuration)
    no model is asked and nothing is spent. A folder that was never set up is set up first. The exit status is 1 when
    no answer with a source was found, and 130 when Ctrl-C ended it: what was found until then is shown.

    Each question begins a session. With --continue or --session-id, "it" and the like mean the subject of the turn
    before, and a model is shown the earlier turns, the newest within 2,000 tokens. `aur mem forget --session NAME`
    removes a session. The same question is answered from the cache as long as nothing that the answer rests on has
    changed: words, code, model, agents, policies, earlier turns, Aurora itself; `--verbosity verbose` shows the key.
    """
    _check_usage(ctx, query, session_id, continue_session=continue_session, list_sessions=list_sessions)
    if list_sessions:
        return _list(as_json=as_json)
    question = " ".join(query)
    with wiring.open_folder(tool=tool, max_concurrent=max_concurrent) as aurora:
        conversation = aurora.sessions.conversation(session_id, latest=continue_session)
        if not conversation.turns:
            from aurora_soar import read_question

            question = read_question(question).text  # an empty one is refused before anything is set up
        aurora.set_up()
        orchestrator = aurora.orchestrator(fresh=no_cache)  # refused before the index is updated
        if not no_index:
            index_with_progress(aurora.memory)
        with aurora.changes_told():
            result = orchestrator.execute(question, on_event=progress_listener(verbosity), conversation=conversation)
    if result.log_error:
        note(result.log_error)
    if result.interrupted:
        note(f"interrupted; a question cannot be resumed, ask it again: aur soar {shlex.quote(question)}")
    if as_json:
        emit_json(result.to_dict())
    elif result.sources or not result.interrupted:
        emit(as_text(result, verbosity))
    return _status(result)


def _check_usage(
    ctx: click.Context, query: tuple[str, ...], session_id: str | None, *, continue_session: bool, list_sessions: bool
) -> None:
    if session_id is not None and continue_session:
        raise click.UsageError("give either --session-id or --continue", ctx)
    if list_sessions and (query or session_id is not None or continue_session):
        raise click.UsageError("--sessions lists them all; leave out the question and the other session options", ctx)
    if not list_sessions and not " ".join(query).strip():
        raise click.UsageError("QUERY is missing: ask a question", ctx)


def _list(*, as_json: bool) -> ExitCode:
    """Shows the sessions of the project, the latest first."""
    from aurora_cli.render.sessions import as_documents, as_lines

    with wiring.open_existing() as aurora:
        sessions = aurora.sessions.all()
    if as_json:
        emit_json({"sessions": as_documents(sessions)})
    elif sessions:
        emit("\n".join(as_lines(sessions)))
    else:
        note('no question was asked in this project yet; ask one: aur soar "…"')
    return ExitCode.DONE


def _status(result: SoarResult) -> ExitCode:
    if result.interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.DONE if result.ok else ExitCode.NOT_REACHED
