"""A session at a terminal: a prompt, the answer as it comes, and commands that begin with a slash."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from aurora_cli.approval_prompts import ApprovalPrompts
from aurora_cli.escapes import printable
from aurora_cli.exits import ExitCode
from aurora_cli.interaction.leaving import Leaving
from aurora_cli.output import emit, note
from aurora_cli.render.talks import end_line, transcript_lines, usage_line
from aurora_cli.render.words import count, one_line
from aurora_soar.errors import SoarError
from aurora_spawner.conversations.orders import PART
from aurora_spawner.conversations.session_events import (
    AgentReady,
    Answered,
    Asked,
    DefaultTaken,
    SessionNotice,
    Spoke,
    TurnOver,
    UsedTool,
)
from aurora_spawner.conversations.transcript import TurnState
from aurora_spawner.errors import SpawnerError, TurnTooLongError
from aurora_spawner.tasks.run_events import ApprovalAsked, ApprovalSettled

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aurora_cli.interaction.prompt_line import PromptLine
    from aurora_soar import Aurora
    from aurora_spawner.conversations.session import Session
    from aurora_spawner.conversations.session_events import SessionEvent

__all__ = ["COMMANDS", "TerminalTalk"]

COMMANDS: Final = {
    "/help": "what the prompt takes",
    "/agents": "the agents that can be talked with",
    "/switch": "talk with another agent from the next turn on: /switch NAME",
    "/status": "the session, its agent and its turns",
    "/cost": "what the turns have used",
    "/quit": "leave; aur interact --resume goes on with it",
}
_HELP: Final = (
    "Alt-Enter begins a new line, Tab completes, Ctrl-R searches what was typed before.",
    "Ctrl-C interrupts the agent's turn; at an empty prompt, twice leaves, as Ctrl-D does at once.",
)


class TerminalTalk:
    """Shows a session, and takes turns and commands.

    Args:
        asks: a person can be asked at this terminal.
    """

    def __init__(self, aurora: Aurora, *, asks: bool) -> None:
        self._aurora = aurora
        self._asks = asks
        self._prompts = ApprovalPrompts(aurora.project.runs_db)
        self._in_line = False
        """True if the cursor stands behind a part of an answer."""
        self._failed_turns = 0
        self._defaults: list[DefaultTaken] = []
        self._leaving = Leaving()

    # What is shown.

    def show(self, event: SessionEvent) -> None:
        """Shows an event."""
        match event:
            case Spoke():
                sys.stdout.write(printable(event.text))
                sys.stdout.flush()
                self._in_line = not event.text.endswith("\n")
            case UsedTool():
                self._note(f"  · {one_line(event.name)} {one_line(event.about, 160)}".rstrip())
            case AgentReady():
                self._note(f"@{one_line(event.agent)} {event.how} ({event.words})")
            case SessionNotice():
                self._note(event.text)
            case DefaultTaken():
                self._defaults.append(event)
            case TurnOver():
                self._show_end(event)
            case Asked():
                self._end_line()
                asked = ApprovalAsked(
                    task_id=PART, approval=event.approval, question=event.question, limit_s=event.limit_s
                )
                self._prompts.follow(asked)
            case Answered():
                self._prompts.follow(ApprovalSettled(task_id=PART, approval=event.approval, answer=event.answer))

    def _show_end(self, event: TurnOver) -> None:
        self._end_line()
        self._failed_turns += event.turn.state is not TurnState.DONE
        if end := end_line(event.turn):
            note(end)

    def _end_line(self) -> None:
        if self._in_line:
            sys.stdout.write("\n")
            sys.stdout.flush()
            self._in_line = False

    def _note(self, text: str) -> None:
        self._end_line()
        note(text)

    # Turns.

    async def once(self, session: Session, text: str) -> ExitCode:
        """Says one turn; returns the status, and lists the defaults that were taken."""
        await self._leaving.until_left(self._turn(session, text))
        for taken in self._defaults:
            note(f"by default: {one_line(taken.subject, 160)}: {one_line(taken.answer, 160)}")
        return self._status()

    async def talk(self, session: Session, line: PromptLine, *, first: str, resumed: bool) -> ExitCode:
        """Takes turns until the user leaves."""
        if resumed:
            emit("\n".join(transcript_lines(self._aurora.read_session(session.run_id))))
        await self._leaving.until_left(self._turns(session, line, first))
        note(f"aur interact --resume {session.run_id} goes on with this session")
        return ExitCode.INTERRUPTED if self._leaving.is_set else ExitCode.DONE

    def _status(self) -> ExitCode:
        if self._leaving.is_set:
            return ExitCode.INTERRUPTED
        return ExitCode.NOT_REACHED if self._failed_turns else ExitCode.DONE

    async def _turns(self, session: Session, line: PromptLine, first: str) -> None:
        if first:
            await self._turn(session, first)
        interrupts = 0
        while True:
            try:
                text = (await line.read(f"@{one_line(session.transcript.agent)}> ")).strip()
            except EOFError:
                return
            except KeyboardInterrupt:
                interrupts += 1
                if interrupts > 1:
                    return
                note("Ctrl-C once more leaves")
                continue
            interrupts = 0
            if text == "/quit":
                return
            if text.startswith("/"):
                await self._command(session, text)
            elif text:
                try:
                    await self._turn(session, text)
                except TurnTooLongError as error:
                    note(str(error))

    async def _turn(self, session: Session, text: str) -> None:
        """Says a turn, while what its agent asks is asked here."""
        with self._leaving.on_signals(session):
            asking = asyncio.ensure_future(self._prompts.serve()) if self._asks else None
            try:
                await session.say(text)
            finally:
                if asking is not None:
                    asking.cancel()
                    with suppress(asyncio.CancelledError):
                        await asking

    # Commands.

    async def _command(self, session: Session, text: str) -> None:
        name, _, rest = text.partition(" ")
        commands: dict[str, Callable[[Session, str], Awaitable[None]]] = {
            "/help": self._help,
            "/agents": self._agents,
            "/switch": self._switch,
            "/status": self._show_status,
            "/cost": self._cost,
        }
        command = commands.get(name)
        if command is None:
            note(f"there is no command {one_line(name, 40)}; /help lists them")
            return
        try:
            await command(session, rest.strip())
        except (SpawnerError, SoarError) as error:
            note(str(error))

    async def _help(self, _session: Session, _rest: str) -> None:
        for name, about in COMMANDS.items():
            note(f"{name:<9} {about}")
        for sentence in _HELP:
            note(sentence)

    async def _agents(self, session: Session, _rest: str) -> None:
        for name in self._aurora.talking_agents:
            note(f"{'*' if name == session.transcript.agent else ' '} {one_line(name)}")

    async def _switch(self, session: Session, name: str) -> None:
        agent = name.removeprefix("@")
        self._aurora.check_talks(agent, "/switch")
        await session.switch(agent)

    async def _show_status(self, session: Session, _rest: str) -> None:
        talk = session.transcript
        note(f"{session.run_id}: {count(len(talk.turns), 'turn')}, @{one_line(talk.agent)}")
        for agent, how in talk.went_on[-1:]:
            note(f"@{one_line(agent)} {how}")

    async def _cost(self, session: Session, _rest: str) -> None:
        note(usage_line(session.transcript.usage))
