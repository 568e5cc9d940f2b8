"""`aur interact`: talk with an agent, for as many turns as it takes."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import accept_changes_option
from aurora_cli.output import emit, emit_json, emit_json_line, note

if TYPE_CHECKING:
    from aurora_soar import Aurora

__all__ = ["command"]

INTERACTIVE = "interactive"
BATCH = "batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    """The options of one call, as they were given."""

    goal: tuple[str, ...]
    agent: str | None
    tool: str | None
    team: bool
    isolation: str | None
    mode: str
    resume: str | None
    list_sessions: bool
    log: str | None
    hold: bool
    accept_changes: bool
    as_json: bool

    @property
    def text(self) -> str:
        """The goal in one text."""
        return " ".join(self.goal).strip()

    @property
    def at_terminal(self) -> bool:
        """True if a person types and reads."""
        return sys.stdin.isatty() and sys.stdout.isatty() and not (self.as_json or self.hold)

    def check(self) -> None:
        """Refuses options that contradict each other.

        Raises:
            click.UsageError: they do.
        """
        self._check_goal()
        only = [name for name, given in (("--list", self.list_sessions), ("--log", self.log)) if given]
        talks = self.goal or self.agent or self.tool or self.resume or self.team or self.hold
        if only and (talks or len(only) > 1):
            raise click.UsageError(f"{only[0]} only shows; leave out what begins or continues a session")
        if self.resume and (self.agent or self.tool):
            raise click.UsageError("a session keeps its agent; /switch or a line with switch changes it")
        if self.agent and self.tool:
            raise click.UsageError("--agent and --tool both name who answers; give one")
        if self.team and (self.resume or not self.text):
            raise click.UsageError("--team needs the GOAL of a new session; --resume keeps its team")
        if self.isolation and not self.team:
            raise click.UsageError(
                "--isolation is for --team; an agent that is talked with works in the project's folder"
            )
        if self.hold and (self.team or self.mode == BATCH):
            raise click.UsageError("--hold takes turns from elsewhere, and has no --team and no --mode batch")
        if self.accept_changes and not self.resume:
            raise click.UsageError("--accept-changes needs --resume")
        if self.mode == BATCH and self.at_terminal and not (self.text or only):
            raise click.UsageError("--mode batch at a terminal needs the GOAL: it is the only turn")

    def _check_goal(self) -> None:
        from aurora_spawner.conversations.transcript import checked_turn
        from aurora_spawner.errors import TurnTooLongError

        if self.goal and not self.text:
            raise click.UsageError("the GOAL is empty; leave it out to begin with the prompt, or with a line")
        if "\0" in self.text:
            raise click.UsageError("the goal contains a NUL character")
        try:
            checked_turn(self.text)
        except TurnTooLongError as error:
            raise click.UsageError(str(error)) from error


@click.command(
    "interact",
    cls=AurCommand,
    examples=(
        ("aur interact", "Talk with the default agent; /help shows what else the prompt takes."),
        ('aur interact "Why is the start slow?" --agent claude', "Begin with a goal, and with Claude Code."),
        (
            'aur interact "Add rate limits to the API" --team',
            "Plan it, let agents do it, then talk about the result.",
        ),
        (
            'aur interact "Port the parser" --team --isolation worktree',
            "The same, with a git worktree for each task of the plan.",
        ),
        ("aur interact --list", "The sessions of this project."),
        ("aur interact --resume interact-1763690000000", "Go on where a session was left, or cut off."),
        ("aur interact --resume interact-1763690000000 --hold", "Hold it for turns from elsewhere."),
        ("aur interact --log interact-1763690000000", "Everything that was said in it."),
        ('aur interact "Update the docs" --mode batch', "Ask nobody: stated defaults hold, and are listed."),
        ("aur interact < turns.jsonl", 'Turns as JSON, one object a line, such as {"say": "Go on"}.'),
    ),
)
@click.argument("goal", nargs=-1, metavar="[GOAL]", help="What the session is about; it is the first turn.")
@click.option(
    "--agent",
    metavar="NAME",
    help="The agent to talk with (default: `tool` of the configuration, else an installed CLI).",
)
@click.option("--tool", metavar="NAME", help="The same as `tool` of the configuration, for this call.")
@click.option(
    "--team", is_flag=True, help="Plan the goal with you, run the plan's tasks, then talk about the result."
)
@click.option(
    "--isolation",
    type=click.Choice(["auto", "worktree", "none"]),
    help="With --team: a git worktree for each task, or none; as for `aur spawn`.",
)
@click.option(
    "--mode",
    type=click.Choice([INTERACTIVE, BATCH]),
    default=INTERACTIVE,
    show_default=True,
    help="Ask you what agents ask, or let stated defaults hold and list each.",
)
@click.option("--resume", metavar="ID", help="Go on with a session.")
@click.option(
    "--hold",
    is_flag=True,
    help="Hold the session for turns from `aur attach` and `aur dashboard`, until 10 minutes after the last one.",
)
@click.option("--list", "list_sessions", is_flag=True, help="List the sessions instead.")
@click.option("--log", metavar="ID", help="Show what was said in a session instead.")
@accept_changes_option
@click.option(
    "--json", "as_json", is_flag=True, help="Lines of JSON also at a terminal; with --list and --log one document."
)
def command(**given: object) -> int:
    """Talk with an agent, for as many turns as it takes.

    Everything that is said is in the journal before it is sent, and as it is answered: a session outlives its
    terminal and a kill, and --resume continues it. A tool call that the policies do not allow outright is asked
    about here, and in every other terminal (`aur approvals`). With --team the goal is planned and reviewed as by
    `aur goals`, its tasks run as by `aur spawn`, and the agent that you then talk with is told the results. Off the
    terminal, turns are read from standard input and events written to standard output, one JSON object a line.
    Ctrl-C interrupts the agent's turn; a second one leaves. The exit status is 0 when you leave a prompt; elsewhere
    it is 1 if a turn was not answered, and 2 if a line could not be understood. It is 130 after an interruption.
    """
    options = _Options(**given)  # type: ignore[arg-type]
    options.check()
    if options.list_sessions:
        return _list(as_json=options.as_json)
    if options.log is not None:
        return _log(options.log, as_json=options.as_json)
    if options.resume is not None:
        with wiring.open_existing(tool=_tool_of_team(options.resume)) as aurora:
            return _go_on(aurora, options.resume, options)
    with wiring.open_folder(tool=options.tool) as aurora:
        if options.team:
            _check_goal(options.text)  # an empty one is refused before anything begins
        session_id = aurora.new_session(
            options.text, agent=options.agent, mode=options.mode, team=options.team, isolation=options.isolation
        )
        return _go_on(aurora, session_id, options)


def _tool_of_team(session_id: str) -> str | None:
    """Returns the agent that a session's team was begun with, while that has work to do; else None."""
    with wiring.open_existing() as aurora:
        talk = aurora.read_session(session_id).transcript
    return (talk.tool or None) if talk.team_works else None


def _go_on(aurora: Aurora, session_id: str, options: _Options) -> ExitCode:
    """Lets the team of a session do what it has not done, and talks."""
    talk = aurora.read_session(session_id).transcript
    if not talk.team:
        return _talk(aurora, session_id, options, first=options.text)
    defaults = 0
    if talk.team_works:
        if options.hold:
            raise click.UsageError(f"its team has not done its work; first: aur interact --resume {session_id}")
        from aurora_cli.teamwork.team import work_as_team

        waits = options.mode == INTERACTIVE
        tell, resumed = None if options.at_terminal else _emit_event, options.resume is not None
        asks = waits and tell is None
        end = work_as_team(aurora, session_id, asks=asks, waits=waits, resumed=resumed, tell=tell)
        if end.code is not ExitCode.DONE:
            return end.code
        defaults = end.defaults
    if options.mode == BATCH and options.at_terminal and options.resume is None:
        note(f"aur interact --resume {session_id} talks about it")
        return ExitCode.DONE if not _failed(aurora, session_id) else ExitCode.NOT_REACHED
    return _talk(
        aurora,
        session_id,
        options,
        first=options.text if options.resume else "",
        defaults=defaults,
        failed=_failed(aurora, session_id),
    )


def _check_goal(text: str) -> None:
    from aurora_soar.plans.goal_text import looked_up
    from aurora_soar.question.question import read_question

    read_question(looked_up(text))


def _failed(aurora: Aurora, session_id: str) -> bool:
    from aurora_spawner.conversations.transcript import TEAM, TurnState

    turns = aurora.read_session(session_id).transcript.turns
    return any(turn.agent == TEAM and turn.state is not TurnState.DONE for turn in turns)


def _emit_event(event: dict[str, object]) -> None:
    emit_json_line(Schema.INTERACT_EVENT, event)


def _list(*, as_json: bool) -> ExitCode:
    from aurora_cli.render.talks import sessions_document, sessions_lines

    with wiring.open_existing() as aurora:
        sessions = aurora.all_sessions()
    if as_json:
        emit_json(Schema.INTERACT_SESSIONS, sessions_document(sessions))
    elif sessions:
        emit("\n".join(sessions_lines(sessions)))
    else:
        note("no session has begun in this project yet; begin one: aur interact")
    return ExitCode.DONE


def _log(session_id: str, *, as_json: bool) -> ExitCode:
    from aurora_cli.render.talks import transcript_lines

    with wiring.open_existing() as aurora:
        session = aurora.read_session(session_id)
    if as_json:
        emit_json(Schema.INTERACT_SESSION, session.to_json())
    else:
        emit("\n".join(transcript_lines(session)))
    return ExitCode.DONE


def _talk(
    aurora: Aurora, session_id: str, options: _Options, *, first: str, defaults: int = 0, failed: bool = False
) -> ExitCode:
    from aurora_cli.interaction.talk import at_terminal, in_lines

    talk = (
        at_terminal
        if options.at_terminal
        else partial(in_lines, defaults=defaults, failed=failed, holds=options.hold)
    )
    return asyncio.run(
        talk(
            aurora,
            session_id,
            first=first,
            asks=options.mode == INTERACTIVE,
            resumed=options.resume is not None or options.team,
            accept_changes=options.accept_changes,
        )
    )
