"""A session at a terminal: a prompt, the answer as it comes, and commands that begin with a slash."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from aurora_cli.exits import ExitCode
from aurora_cli.interaction.leaving import Leaving
from aurora_cli.interaction.shown import ShownSession
from aurora_cli.interaction.typed_ahead import without_echo
from aurora_cli.output import emit, note
from aurora_cli.render.merge_report import delivery_lines, task_lines
from aurora_cli.render.talks import transcript_lines, usage_line
from aurora_cli.render.words import count, one_line
from aurora_soar.errors import SoarError
from aurora_spawner.errors import SpawnerError, TurnTooLongError

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
    "/diff": "what the team of the session has changed: /diff [TASK]",
    "/merge": "bring the team's work to the branch that it is for",
    "/quit": "leave; aur interact --resume continues it",
}
_HELP: Final = (
    "Alt-Enter begins a new line, Tab completes, Ctrl-R searches what was typed before.",
    "Ctrl-C interrupts the agent's turn; at an empty prompt, twice leaves, as Ctrl-D does at once.",
)


class TerminalTalk:
    """Shows a session, and takes turns and commands.

    Args:
        asks: a person can be asked at this terminal.
        changed: called after each change of the terminal's modes.
    """

    def __init__(self, aurora: Aurora, *, asks: bool, changed: Callable[[], None]) -> None:
        self._aurora = aurora
        self._asks = asks
        self._changed = changed
        self._shown = ShownSession(aurora.project.runs_db)
        self._leaving = Leaving()

    def show(self, event: SessionEvent) -> None:
        """Shows an event."""
        self._shown.show(event)

    # Turns.

    async def once(self, session: Session, text: str) -> ExitCode:
        """Says one turn; returns the status, and lists the defaults that were taken."""
        await self._leaving.until_left(self._turn(session, text))
        for taken in self._shown.defaults:
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
        return ExitCode.NOT_REACHED if self._shown.failed_turns else ExitCode.DONE

    async def _turns(self, session: Session, line: PromptLine, first: str) -> None:
        if first:
            await self._turn(session, first)
        interrupts = 0
        while True:
            if session.transcript.open_turn is not None:  # another terminal has said it
                await self._asking_during(session, session.quiet())
            try:
                typed = await self._shown.prompted(line, f"@{one_line(session.transcript.agent)}> ")
            except EOFError:
                return
            except KeyboardInterrupt:
                interrupts += 1
                if interrupts > 1:
                    return
                note("Ctrl-C once more leaves")
                continue
            if typed is None:
                continue
            interrupts = 0
            if typed.strip() == "/quit":
                return
            await self._take(session, typed.strip())

    async def _take(self, session: Session, text: str) -> None:
        """Does a command, or says a turn."""
        if text.startswith("/"):
            await self._command(session, text)
        elif text:
            try:
                await self._turn(session, text)
            except TurnTooLongError as error:
                note(str(error))

    async def _turn(self, session: Session, text: str) -> None:
        """Says a turn, while what its agent asks is asked here."""
        await self._asking_during(session, session.say(text))

    async def _asking_during(self, session: Session, turn: Awaitable[object]) -> None:
        with self._leaving.on_signals(session), without_echo(self._changed):
            asking = asyncio.ensure_future(self._shown.prompts.serve()) if self._asks else None
            try:
                await turn
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
            "/diff": self._diff,
            "/merge": self._merge,
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
        if not agent:
            note("/switch needs the NAME of an agent; /agents lists them")
            return
        self._aurora.check_talks(agent, "/switch")
        await session.switch(agent)

    async def _show_status(self, session: Session, _rest: str) -> None:
        talk = session.transcript
        note(f"{session.run_id}: {count(len(talk.turns), 'turn')}, @{one_line(talk.agent)}")
        for agent, how in talk.went_on[-1:]:
            note(f"@{one_line(agent)} {how}")

    def _team_run(self, session: Session) -> str | None:
        """Returns the run of the session's team; says so if there is none."""
        if not session.transcript.run_id:
            note("this session has no team, whose work that could be; aur interact --team begins one that has")
        return session.transcript.run_id or None

    async def _diff(self, session: Session, task_id: str) -> None:
        if (run_id := self._team_run(session)) is not None:
            change = await asyncio.to_thread(self._aurora.diff, run_id, task_id or None)
            emit(change.decode(errors="replace") if change else "nothing was changed")

    async def _merge(self, session: Session, _rest: str) -> None:
        if (run_id := self._team_run(session)) is not None:
            report = await asyncio.to_thread(self._aurora.merge, run_id)
            for text in (*task_lines(report), *delivery_lines(run_id, report)):
                note(text)

    async def _cost(self, session: Session, _rest: str) -> None:
        note(usage_line(session.transcript.usage))
