"""`aur soar`: answer a question from the project, with sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
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
        ('aur soar --continue "And who calls it?"', "Go on from the latest question."),
        ('aur soar --session-id login "How is a token checked?"', "Ask in a session of that name."),
        ('aur soar "Which code is never called?" --bg', "In the background; `aur runs show` has the answer."),
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
    help="The answer in short, with its scores, or with every finding and a line for each phase and agent.",
)
@click.option("--tool", metavar="NAME", help="The agent that plans and writes the answer; none by default.")
@click.option("--no-index", is_flag=True, help="Answer from the index as it stands; do not look for changed files.")
@click.option("--session-id", metavar="NAME", help="Ask in this session, new or not: its earlier turns are context.")
@click.option("--continue", "continue_session", is_flag=True, help="Ask in the session of the latest question.")
@click.option("--sessions", "list_sessions", is_flag=True, help="List the sessions instead of asking.")
@click.option("--no-cache", is_flag=True, help="Take no plan and no answer from the cache; ask anew, and keep that.")
@max_concurrent_option
@click.option("--bg", "background", is_flag=True, help="In the background; survives this terminal and the logout.")
@accept_changes_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    query: tuple[str, ...],
    query_id: str | None,
    verbosity: str,
    tool: str | None,
    no_index: bool,
    session_id: str | None,
    continue_session: bool,
    list_sessions: bool,
    no_cache: bool,
    max_concurrent: int | None,
    background: bool,
    accept_changes: bool,
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
    changed: words, code, commits, model, agents, policies, earlier turns, Aurora itself; `--verbosity verbose` shows
    the key.

    A question that was interrupted or killed is continued with --resume, in its session: no model is asked again what
    it has answered, finished subgoals stay finished, and agents that still work are adopted.
    """
    if query_id is not None:
        asked_anew = {"--tool": tool, "--max-concurrent": max_concurrent, "--session-id": session_id}
        flags = {"--continue": continue_session, "--sessions": list_sessions, "--no-cache": no_cache}
        flags["--bg"] = background
        _refuse_with_resume(query, {**asked_anew, **flags})
        return resume_question(
            query_id, verbosity=verbosity, no_index=no_index, accept_changes=accept_changes, as_json=as_json
        )
    if accept_changes:
        raise click.UsageError("--accept-changes needs --resume", ctx)
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
        if background:
            from aurora_cli.run_progress import question_in_background  # nothing else of a question needs it

            query_id = orchestrator.create(question, conversation=conversation)
            return question_in_background(aurora, query_id, more=("--verbosity", verbosity), as_json=as_json)
        listener = progress_listener(verbosity, aurora.config.tool)
        with aurora.changes_told():
            result = orchestrator.execute(question, on_event=listener, conversation=conversation)
    return _shown(result, verbosity, as_json=as_json)


def _refuse_with_resume(query: tuple[str, ...], options: dict[str, object]) -> None:
    given = [*(["QUERY"] if query else []), *(name for name, value in options.items() if value not in (None, False))]
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
        emit_json(Schema.ANSWER, result.to_dict())
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
        emit_json(Schema.SESSIONS, {"sessions": as_documents(sessions)})
    elif sessions:
        emit("\n".join(as_lines(sessions)))
    else:
        note('no question was asked in this project yet; ask one: aur soar "…"')
    return ExitCode.DONE


def _status(result: SoarResult) -> ExitCode:
    if result.interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.DONE if result.ok else ExitCode.NOT_REACHED
