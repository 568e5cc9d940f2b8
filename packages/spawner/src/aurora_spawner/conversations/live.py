"""Conversations with an agent whose process stays: one process, many turns."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.backends.events import Failed, SessionStarted, Succeeded, Text, ToolCall
from aurora_spawner.backends.stream import EventStream
from aurora_spawner.conversations.port import ConversationError, LineSkipped, Outcome, TurnEnded
from aurora_spawner.conversations.talking_process import begin_process
from aurora_spawner.spending.budgeted_executor import STOPPED_ITSELF

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder, Executor
    from aurora_spawner.backends.events import AgentEvent, PermissionAsked, QuestionAsked
    from aurora_spawner.conversations.port import ConversationEvent, OnStart
    from aurora_spawner.conversations.talking_process import TalkingProcess
    from aurora_spawner.conversations.wire import Wire

READY_S: Final = 60.0
"""The longest wait for an agent that starts."""
IDLE_S: Final = 600.0
"""Time without a turn after which an agent that can go on with its session is ended: it holds memory and money."""
INTERRUPT_S: Final = 5.0
"""The longest wait for the end of an interrupted turn; then the process is ended."""
WORDS_LENGTH: Final = 300


class LiveConversation:
    """Talks with one process, and starts another if it has ended.

    Args:
        order: returns the order for a process that begins, or that goes on with a session.
        on_start: called with each process before anything is sent to it.
    """

    def __init__(
        self,
        agent: str,
        wire: Wire,
        executor: Executor,
        order: Callable[[str | None], AttemptOrder],
        on_start: OnStart,
    ) -> None:
        self.session_id: str | None = None
        self.remembers = False
        self.begun = 0
        self._agent = agent
        self._wire = wire
        self._executor = executor
        self._order = order
        self._on_start = on_start
        self._process: TalkingProcess | None = None
        self._latest: TalkingProcess | None = None
        self._stream = EventStream(wire.dialect)
        self._talking = False
        """True while a turn runs; nothing else can be interrupted."""
        self._interrupting = False
        self._idle: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None
        self._unproven = False
        """True until the agent has done something in a session that it may not have."""
        self._patience: asyncio.TimerHandle | None = None
        """Ends the process if an interrupted turn does not end."""

    @property
    def words(self) -> str:
        """The name of the protocol."""
        return self._wire.words

    @property
    def read_bytes(self) -> int:
        """The bytes of the latest process's output whose events were handed out."""
        return self._latest.read_bytes if self._latest else 0

    async def open(self, session_id: str | None) -> None:
        """Starts the agent, or replaces it if it is gone or worn; without the session if that is lost.

        Raises:
            ConversationError: It does not start, or does not get ready.
        """
        if self._closing is not None:
            await self._closing
        if self._process is not None and not self._process.worn and not self._process.has_ended:
            return
        await self.close()
        if session_id is not None and await self._begin(session_id) is None:
            return
        problem = await self._begin(None)
        if problem is not None:
            raise ConversationError(self._agent, problem)

    async def _begin(self, session_id: str | None) -> str | None:
        """Starts a process and waits until it is ready; returns why it is not, or None."""
        order = self._order(session_id)
        process = await begin_process(self._agent, self._executor, order, self._on_start)
        self._process = self._latest = process
        self._stream = EventStream(self._wire.dialect)
        try:
            async with asyncio.timeout(READY_S):
                await process.write(*self._wire.hello(session_id))
                ready = await self._ready(process)
        except TimeoutError:
            await self.close()
            return f"does not get ready within {READY_S:g} s"
        if not isinstance(ready, SessionStarted):
            self._process = None
            end = words_of(await process.end())
            return ready or f"ends at once: {end}"
        self.begun += 1
        self.session_id = ready.id or session_id
        self.remembers = session_id is not None and self.session_id == session_id
        self._unproven = self.remembers and not self._wire.confirms_session
        return None

    async def _ready(self, process: TalkingProcess) -> SessionStarted | str | None:
        """Waits for the session, or for the reason why there is none; None if the process ends without a word."""
        while (line := await process.next_line()) is not None:
            events = self._stream.feed(line + b"\n")
            await process.write(*self._due())
            found = [event for event in events if isinstance(event, SessionStarted | Failed)]
            # A failure may name the session that it has not.
            ready = next((event for event in found if isinstance(event, Failed)), found[0] if found else None)
            if ready is not None:
                return ready if isinstance(ready, SessionStarted) else one_line(f"refuses: {ready.failure.text}")
        return None

    def _due(self) -> tuple[Mapping[str, Any], ...]:
        """Returns the lines that what was read since the last call makes necessary, whoever is asked."""
        return ()

    def _interruption(self) -> tuple[Mapping[str, Any], ...]:
        """Returns the lines that interrupt the turn that runs."""
        return (self._wire.interrupt(),)

    async def turn(self, text: str) -> AsyncGenerator[ConversationEvent]:
        """Sends a turn; yields events up to its end."""
        process = self._process
        assert process is not None, "open it first"
        self._stop_idling()
        self._talking, self._interrupting = True, False
        self.remembers = True
        await process.write(self._wire.turn(text))
        spoke = False
        while (line := await process.next_line()) is not None:
            if process.skipped:
                yield LineSkipped(size=process.skipped)
            events = self._stream.feed(line + b"\n")
            await process.write(*self._due())
            for event in events:
                spoke = spoke or isinstance(event, Text)
                if isinstance(event, Succeeded | Failed):
                    if isinstance(event, Succeeded) and event.answer and not spoke:
                        yield Text(text=event.answer)
                    yield self._end(event)
                    if isinstance(event, Failed) and event.failure.code == STOPPED_ITSELF:
                        await self.close()  # it has spent its share of the budget; the next process gets another
                    return
                self._take(event)
                yield event
        yield await self._gone(process)

    async def _gone(self, process: TalkingProcess) -> TurnEnded:
        """Returns the end of a turn in which the process has ended."""
        self._process = None
        self.remembers = False
        problem = words_of(await process.end())
        if self._was_interrupted():
            return TurnEnded(outcome=Outcome.INTERRUPTED, problem=problem)
        if self._unproven:
            self.session_id = None
        return TurnEnded(outcome=Outcome.LOST, problem=problem, session_lost=self._unproven)

    def _take(self, event: AgentEvent) -> None:
        if isinstance(event, SessionStarted) and event.id:
            self.session_id = event.id
        elif isinstance(event, Text | ToolCall):
            self._unproven = False

    def _stop_idling(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _end_idle(self) -> None:
        self._closing = asyncio.ensure_future(self.close())

    def _end(self, event: Succeeded | Failed) -> TurnEnded:
        if self.session_id is not None:
            self._idle = asyncio.get_running_loop().call_later(IDLE_S, self._end_idle)
        if self._was_interrupted():
            return TurnEnded(outcome=Outcome.INTERRUPTED)
        if isinstance(event, Failed):
            return TurnEnded(outcome=Outcome.FAILED, problem=one_line(event.failure.text))
        return TurnEnded(outcome=Outcome.DONE)

    def _was_interrupted(self) -> bool:
        """Returns True if the turn that ends was to be interrupted; its process may stay then."""
        interrupted, self._talking, self._interrupting = self._interrupting, False, False
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        return interrupted

    async def permit(self, asked: PermissionAsked, *, allowed: bool, reason: str) -> None:
        """Answers a request for permission."""
        if self._process is not None:
            await self._process.write(self._wire.permission(asked, allowed=allowed, reason=reason))

    async def answer(self, asked: QuestionAsked, text: str | None) -> None:
        """Answers a question."""
        if self._process is not None:
            await self._process.write(self._wire.answer(asked, text))

    async def interrupt(self) -> None:
        """Asks the agent to end its turn, and ends its process if it does not."""
        process = self._process
        if process is None or not self._talking or self._interrupting:
            return  # an agent without a turn has nothing to end, and would be taken for one that does not end it
        self._interrupting = True
        self._patience = asyncio.get_running_loop().call_later(INTERRUPT_S, process.stop)
        with suppress(TimeoutError):  # an agent that does not read is ended
            async with asyncio.timeout(INTERRUPT_S):
                await process.write(*self._interruption())

    async def close(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        self.remembers = False
        self._stop_idling()
        self._was_interrupted()
        if process is not None:
            await process.end()


def words_of(end: AttemptEnd) -> str:
    """Returns in one line how a process has ended."""
    last = next((line for line in reversed(end.stderr.splitlines()) if line.strip()), "")
    status = f"exit code {end.exit_code}" if end.exit_code is not None else "no exit code"
    return one_line(f"{end.reason}, {status}{f': {last}' if last else ''}")


def one_line(text: str) -> str:
    """Returns a text in one line, cut to what a message can hold."""
    return " ".join(text[: 4 * WORDS_LENGTH].split())[:WORDS_LENGTH]
