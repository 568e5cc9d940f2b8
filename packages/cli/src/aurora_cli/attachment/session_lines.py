"""A session of another process, followed by a program: events go out and turns come in as lines of JSON."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from aurora_cli.attachment.detaching import Detaching
from aurora_cli.attachment.documents import attachment_document
from aurora_cli.attachment.lines import AGAIN_S, emit_attached, read_requests
from aurora_cli.exits import ExitCode
from aurora_cli.interaction.documents import event_document
from aurora_cli.interaction.requests import BadLineError
from aurora_cli.render.words import one_line
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

_TOLD_CHARS: Final = 160


async def attach_session_in_lines(journal: Path, session_id: str) -> ExitCode:
    """Writes everything that was said and is said, and says what comes, until the session is left or a signal comes.

    The status is 1 if a turn was not said, or if the session's process was killed: nobody else follows here.
    """
    talk = _LinesTalk(journal, session_id)
    detaching = Detaching()
    with detaching.on_signals():
        await detaching.until_detached(talk.follow(), talk.read(), talk.say_all())
    talk.tell_all_unsaid()
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
            if not self._waiting or self._follower.transcript.open_turn is not None or not await self._say_next():
                with suppress(TimeoutError):  # `wait_for` of Python 3.11 drops a cancellation that comes with news
                    async with asyncio.timeout(AGAIN_S if self._waiting else None):
                        await self._news.wait()

    async def _say_next(self) -> bool:
        """Says a turn; returns False if another runs. Cancelled, it sees this turn through: one is said or told."""
        text = self._waiting[0]
        saying = asyncio.ensure_future(asyncio.to_thread(say_in_session, self._journal, self._session_id, text))
        try:
            await asyncio.wait({saying})
        except asyncio.CancelledError:
            await asyncio.wait({saying})  # for its thread, without which this process would not end anyway
            raise
        finally:
            over = self._is_over(saying, text)
            if over:
                self._waiting.popleft()
        return over

    def _is_over(self, saying: asyncio.Future[int | None], text: str) -> bool:
        try:
            return saying.result() is not None
        except SpawnerError as error:
            self._tell_unsaid(text, str(error))
            return True

    def tell_all_unsaid(self) -> None:
        """Tells which turns of the input came too late to be said."""
        for text in self._waiting:
            self._tell_unsaid(text, "the attachment ended before its turn came")

    def _tell_unsaid(self, text: str, why: str) -> None:
        self.code = ExitCode.NOT_REACHED
        emit_attached({"event": "error", "line": None, "problem": f"not said: {one_line(text, _TOLD_CHARS)}: {why}"})
