"""A session of another process, followed by a program: events go out and turns come in as lines of JSON."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from aurora_cli.attachment.detaching import Detaching
from aurora_cli.attachment.documents import attachment_document
from aurora_cli.attachment.lines import emit_attached, read_requests
from aurora_cli.exits import ExitCode
from aurora_cli.interaction.documents import event_document
from aurora_cli.interaction.requests import BadLineError
from aurora_spawner.control.attached import Attached, Attachment, CoordinatorEnded, CoordinatorKilled
from aurora_spawner.control.steering import cancel_run
from aurora_spawner.control.talking import say_in_session
from aurora_spawner.conversations.following import SessionFollower
from aurora_spawner.errors import SpawnerError

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_cli.interaction.requests import Request
    from aurora_spawner.conversations.session_events import SessionEvent

__all__ = ["attach_session_in_lines"]


async def attach_session_in_lines(journal: Path, session_id: str) -> ExitCode:
    """Writes everything that was said and is said, and says what comes, until the session is left or a signal comes.

    The status is 1 if the session's process was killed: nobody else follows here.
    """
    talk = _LinesTalk(journal, session_id)
    detaching = Detaching()
    with detaching.on_signals():
        await detaching.until_detached(talk.follow(), talk.read(), talk.say_all())
    code = ExitCode.INTERRUPTED if detaching.is_set else talk.code
    emit_attached({"event": "detached", "id": session_id, "status": int(code)})
    return code


class _LinesTalk:
    """Follows one session, and says the turns of the input there, each once no other runs."""

    def __init__(self, journal: Path, session_id: str) -> None:
        self.code = ExitCode.DONE
        self._journal = journal
        self._session_id = session_id
        self._follower = SessionFollower(journal, session_id)
        self._waiting: deque[str] = deque()
        self._news = asyncio.Event()

    async def follow(self) -> None:
        """Writes what happens until no process holds the session."""
        async for event in self._follower.events():
            self._news.set()
            if not isinstance(event, Attachment):
                emit_attached(event_document(event))
                continue
            emit_attached(attachment_document(event, self._session_id))
            match event:
                case Attached():
                    self._tell_earlier()
                    if event.pid is None:
                        return
                case CoordinatorEnded():
                    return
                case CoordinatorKilled():
                    self.code = ExitCode.NOT_REACHED
                    return

    def _tell_earlier(self) -> None:
        for turn in self._follower.transcript.turns:
            emit_attached({"event": "earlier", **turn.to_json()})
        asked: list[SessionEvent] = list(self._follower.asked.values())
        for event in asked:
            emit_attached(event_document(event))

    async def read(self) -> None:
        """Takes the input; its end is not that of the attachment."""
        await read_requests(self._journal, self._take)

    async def _take(self, request: Request) -> None:
        if request.switch is not None:
            raise BadLineError("only the terminal that holds the session can switch its agent")
        if request.say is not None:
            self._waiting.append(request.say)
            self._news.set()
        elif request.interrupt:
            await asyncio.to_thread(cancel_run, self._journal, self._session_id)

    async def say_all(self) -> None:
        """Says the turns of the input, in order."""
        while True:
            self._news.clear()
            if self._waiting and self._follower.transcript.open_turn is None and await self._say(self._waiting[0]):
                self._waiting.popleft()
            else:
                await self._news.wait()

    async def _say(self, text: str) -> bool:
        """Says a turn; returns False if another runs."""
        try:
            return await asyncio.to_thread(say_in_session, self._journal, self._session_id, text) is not None
        except SpawnerError as error:
            emit_attached({"event": "error", "line": None, "problem": str(error)})
            return True
