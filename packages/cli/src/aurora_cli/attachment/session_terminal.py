"""A session of another process at this terminal: what is said there is shown, what is typed here is said there."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from aurora_cli.attachment.detaching import Detaching
from aurora_cli.attachment.holder_lines import holder_line
from aurora_cli.attachment.lines import AGAIN_S
from aurora_cli.exits import ExitCode
from aurora_cli.interaction.shown import ShownSession
from aurora_cli.output import emit, note
from aurora_cli.render.talks import turns_lines, usage_line
from aurora_cli.render.words import count, one_line
from aurora_spawner.control.attached import (
    Attached,
    Attachment,
    CoordinatorEnded,
    CoordinatorKilled,
    CoordinatorTook,
)
from aurora_spawner.control.control_client import NotRunningError
from aurora_spawner.control.talking import say_in_session
from aurora_spawner.conversations.following import SessionFollower
from aurora_spawner.conversations.session_events import SessionNotice, TurnBegan
from aurora_spawner.errors import SpawnerError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aurora_cli.interaction.prompt_line import PromptLine
    from aurora_spawner.conversations.session_events import SessionEvent

__all__ = ["COMMANDS", "attach_session"]

GO_ON: Final = "aur interact --resume"
COMMANDS: Final = {
    "/help": "what the prompt takes",
    "/status": "the session, its agent and its turns",
    "/cost": "what the turns have used",
    "/quit": "detach, as Ctrl-C and Ctrl-D do; the session goes on",
}


async def attach_session(journal: Path, session_id: str, line: PromptLine) -> ExitCode:
    """Shows a session and takes turns for it, until it is left or the user detaches.

    After a kill of its process, this waits for the next one that resumes it.
    """
    talk = _AttachedTalk(journal, session_id, line)
    detaching = Detaching()
    with detaching.on_signals():
        await detaching.until_detached(talk.turns(), talk.follow())
    if not talk.over:
        note(f"detached; aur attach {session_id} shows the session again")
    return ExitCode.INTERRUPTED if detaching.is_set or talk.interrupted else ExitCode.DONE


class _AttachedTalk:
    """One session at this terminal.

    Attributes:
        over: no process holds the session any longer, and none is waited for.
        interrupted: Ctrl-C has ended it.
    """

    def __init__(self, journal: Path, session_id: str, line: PromptLine) -> None:
        self.over = False
        self.interrupted = False
        self._journal = journal
        self._session_id = session_id
        self._line = line
        self._follower = SessionFollower(journal, session_id)
        self._shown = ShownSession(journal)
        self._changed = asyncio.Event()
        """Woken by each event."""
        self._held = False
        """True while a process holds the session."""
        self._saying = ""
        """The turn that this terminal says, until it is in the journal; "" for none."""

    # What happens there.

    async def follow(self) -> None:
        """Shows what happens."""
        async for event in self._follower.events():
            if isinstance(event, Attachment):
                self._of_holder(event)
            else:
                self._show(event)
            self._changed.set()

    def _of_holder(self, event: Attachment) -> None:
        if isinstance(event, Attached):
            lines = [*turns_lines(self._follower.transcript.turns)]
            if lines:
                emit("\n".join(lines))
            for asked in self._follower.asked.values():
                self._shown.show(asked)
        self._held = isinstance(event, CoordinatorTook) or (isinstance(event, Attached) and event.pid is not None)
        self.over = isinstance(event, CoordinatorEnded) or (isinstance(event, Attached) and event.pid is None)
        self._shown.show(SessionNotice(text=holder_line(event, self._session_id, go_on=GO_ON)))
        if isinstance(event, CoordinatorEnded | CoordinatorKilled):
            self._shown.wake()

    def _show(self, event: SessionEvent) -> None:
        if isinstance(event, TurnBegan):
            event = TurnBegan(turn=event.turn, elsewhere=event.turn.text != self._saying)
        self._shown.show(event)

    # What is typed here.

    async def turns(self) -> None:
        """Takes turns until the user detaches, or the session is over."""
        await self._until(lambda: self._held or self.over)
        while not self.over:
            if self._answering:
                await self._asking_during_turn()
                continue
            try:
                prompt = f"@{one_line(self._follower.transcript.agent)} (attached)> "
                typed = await self._shown.prompted(self._line, prompt)
            except EOFError:
                return
            except KeyboardInterrupt:
                self.interrupted = True
                return
            text = (typed or "").strip()
            if text == "/quit":
                return
            if text.startswith("/"):
                self._command(text)
            elif text:
                await self._say(text)

    @property
    def _answering(self) -> bool:
        return self._held and self._follower.transcript.open_turn is not None

    async def _until(self, reached: Callable[[], bool]) -> None:
        while not reached():
            self._changed.clear()
            await self._changed.wait()

    async def _asking_during_turn(self) -> None:
        """Waits for the end of a turn, while what its agent asks is asked here."""
        asking = asyncio.ensure_future(self._shown.prompts.serve())
        try:
            await self._until(lambda: not self._answering)
        finally:
            asking.cancel()
            with suppress(asyncio.CancelledError):
                await asking

    async def _say(self, text: str) -> None:
        """Says a turn once no other runs, and waits until it is seen in the journal."""
        self._saying = text
        busy = False
        try:
            while (number := await asyncio.to_thread(say_in_session, self._journal, self._session_id, text)) is None:
                if not busy:
                    note("another turn is still running; yours comes after it")
                busy = True
                self._changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(AGAIN_S):
                        await self._changed.wait()
                await self._until(lambda: not self._answering)
            await self._until(lambda: len(self._follower.transcript.turns) >= number or not self._held)
        except NotRunningError:
            note(f"nothing was said: no process works on the session; {GO_ON} {self._session_id} continues it")
        except SpawnerError as error:
            note(f"nothing was said: {error}")
        finally:
            self._saying = ""  # the same words may come from another terminal later

    def _command(self, text: str) -> None:
        talk = self._follower.transcript
        match text.partition(" ")[0]:
            case "/help":
                for name, about in COMMANDS.items():
                    note(f"{name:<9} {about}")
                note("What you type is said in the session. All who are attached to it, or hold it, take turns.")
            case "/status":
                note(f"{self._session_id}: {count(len(talk.turns), 'turn')}, @{one_line(talk.agent)}")
            case "/cost":
                note(usage_line(talk.usage))
            case name:
                note(f"there is no command {one_line(name, 40)} here; /help lists them")
