"""Conversations with an agent that answers one prompt a process: a turn is an attempt, which resumes its session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_spawner.attempts.attempt_folder import AttemptFolder, kept_pieces
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.backends.base import with_events
from aurora_spawner.backends.events import Failed, SessionStarted, Succeeded, Text
from aurora_spawner.backends.sessions import SESSION_LOST, lost_session
from aurora_spawner.backends.stream import EventStream
from aurora_spawner.conversations.live import one_line, words_of
from aurora_spawner.conversations.port import LineSkipped, Outcome, TurnEnded
from aurora_spawner.conversations.talking_process import begin_process

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder, Executor
    from aurora_spawner.backends.base import Backend, Reply
    from aurora_spawner.backends.events import PermissionAsked, QuestionAsked
    from aurora_spawner.conversations.port import ConversationEvent, OnStart
    from aurora_spawner.conversations.talking_process import TalkingProcess


class OneShotConversation:
    """Starts the agent anew for each turn.

    Args:
        order: returns the order for a prompt, in a session of the agent or (None) without one.
        on_start: called with each process.
    """

    def __init__(
        self,
        backend: Backend,
        executor: Executor,
        order: Callable[[str, str | None], AttemptOrder],
        on_start: OnStart,
    ) -> None:
        self.session_id: str | None = None
        self.begun = 0
        self._backend = backend
        self._speaking = with_events(backend)
        self._executor = executor
        self._order = order
        self._on_start = on_start
        self._process: TalkingProcess | None = None
        self._latest: TalkingProcess | None = None
        self._interrupting = False

    @property
    def remembers(self) -> bool:
        """True if the next process resumes a session."""
        return self.session_id is not None

    @property
    def words(self) -> str:
        """The way of the turns."""
        return way_of_turns(self._backend)

    @property
    def read_bytes(self) -> int:
        """The bytes of the latest process's output whose events were handed out."""
        return self._latest.read_bytes if self._latest else 0

    async def open(self, session_id: str | None) -> None:
        """Takes over a session; nothing starts before a turn."""
        if not self.begun:
            self.begun = 1
            self.session_id = session_id if self._speaking is not None and self._speaking.resumes else None

    async def turn(self, text: str) -> AsyncGenerator[ConversationEvent]:
        """Runs the agent on a turn; yields its events up to its end."""
        self._interrupting = False
        process, order = await self._start(text)
        resumes = order.resumes
        spoke, answer = False, ""
        try:
            async for event in self._events(process):
                if isinstance(event, SessionStarted) and event.id and self._speaking and self._speaking.resumes:
                    self.session_id = event.id
                if isinstance(event, Succeeded):
                    answer = event.answer or ""
                if not isinstance(event, Succeeded | Failed):
                    spoke = spoke or isinstance(event, Text)
                    yield event
            if answer and not spoke:
                yield Text(text=answer)
            end = await process.end()
        finally:
            self._process = None
            await process.end(at_once=True)
        yield self._end(end, resumed=resumes is not None)

    async def _start(self, text: str) -> tuple[TalkingProcess, AttemptOrder]:
        order = self._order(text, self.session_id)
        process = await begin_process(self._backend.name, self._executor, order, self._on_start)
        self._process = self._latest = process
        if self._interrupting:  # while it began
            process.stop()
        return process, order

    async def _events(self, process: TalkingProcess) -> AsyncGenerator[ConversationEvent]:
        dialect = self._speaking.dialect if self._speaking else None
        stream = EventStream(dialect) if dialect else None
        while (line := await process.next_line()) is not None:
            if process.skipped:
                yield LineSkipped(size=process.skipped)
            elif stream is None:
                yield Text(text=f"{line.decode('utf-8', errors='backslashreplace')}\n", continues=True)
            else:
                for event in stream.feed(line + b"\n"):
                    yield event

    def _end(self, end: AttemptEnd, *, resumed: bool) -> TurnEnded:
        if self._interrupting:
            return TurnEnded(outcome=Outcome.INTERRUPTED)
        reply = self._reply(end)
        exited = end.reason == EndReason.EXITED and end.exit_code == 0
        if exited and not reply.failure and (reply.finished or not reply.ends_with_event):
            return TurnEnded(outcome=Outcome.DONE)
        lost = lost_session(end, reply) if resumed else None
        if lost is not None and lost.code == SESSION_LOST:
            self.session_id = None
            return TurnEnded(outcome=Outcome.FAILED, problem=one_line(lost.message), session_lost=True)
        return TurnEnded(outcome=Outcome.FAILED, problem=one_line(reply.failure or words_of(end)))

    def _reply(self, end: AttemptEnd) -> Reply:
        if self._speaking is None or self._speaking.dialect is None:
            return self._backend.read(end.stdout, end.stderr)
        return self._speaking.read_stream(_output(end))

    async def permit(self, asked: PermissionAsked, *, allowed: bool, reason: str) -> None:
        """Does nothing: it asks for no permission."""

    async def answer(self, asked: QuestionAsked, text: str | None) -> None:
        """Does nothing: it asks nothing but by `aur ask`."""

    async def interrupt(self) -> None:
        """Ends the process of the turn."""
        self._interrupting = True
        if self._process is not None:
            self._process.stop()

    async def close(self) -> None:
        """Ends the process of the turn, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            await process.end()


def way_of_turns(backend: Backend) -> str:
    """Says in a few words how turns reach an agent that answers one prompt a process."""
    speaking = with_events(backend)
    resumes = speaking is not None and speaking.resumes
    return f"one process a turn, which {'resumes its session' if resumes else 'is told the earlier turns'}"


def _output(end: AttemptEnd) -> Iterator[bytes]:
    path = end.stdout_path
    if path is None:
        return iter(())
    return kept_pieces(AttemptFolder(path=path.parent).stdout, total=None, cap=max(end.stdout_bytes, 2))
