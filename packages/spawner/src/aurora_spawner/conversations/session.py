"""A session: turns of a user with agents, each in the journal before it is sent and as it is answered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aurora_spawner.backends.events import (
    PermissionAsked,
    QuestionAsked,
    RetryNotice,
    SessionStarted,
    Text,
    ToolCall,
    UsageReported,
)
from aurora_spawner.conversations import transcript as notes
from aurora_spawner.conversations.earlier_turns import with_answers, with_earlier
from aurora_spawner.conversations.live import one_line
from aurora_spawner.conversations.port import ConversationError, HistoryCut, LineSkipped, Outcome, TurnEnded
from aurora_spawner.conversations.session_events import (
    AgentReady,
    SessionNotice,
    Spoke,
    TurnBegan,
    TurnOver,
    UsedTool,
)
from aurora_spawner.conversations.transcript import TurnState
from aurora_spawner.errors import BackendError
from aurora_spawner.storage.stored_values import storable_text
from aurora_spawner.tasks.usage import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aurora_spawner.conversations.asking import SessionAsks
    from aurora_spawner.conversations.port import Began, Conversation, ConversationEvent, OnStart
    from aurora_spawner.conversations.recording import SessionNotes
    from aurora_spawner.conversations.session_events import SessionEvent
    from aurora_spawner.conversations.transcript import Transcript, Turn
    from aurora_spawner.tasks.usage import Usage

    Talker = Callable[[str, OnStart], Conversation]
    """Makes the conversation with an agent, which calls back with each process that it starts."""


class Session:
    """A session that this process holds; one turn at a time.

    Attributes:
        run_id: its id.
        notes: its record.

    Args:
        turn_limit_s: returns the time limit of a turn of an agent, by its name.
        late_answers: questions of a turn that was cut off, each with the answer that came since.
    """

    def __init__(
        self,
        *,
        run_id: str,
        notes: SessionNotes,
        asks: SessionAsks,
        talker: Talker,
        emit: Callable[[SessionEvent], None],
        turn_limit_s: Callable[[str], float | None] = lambda _agent: None,
        late_answers: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.run_id = run_id
        self.notes = notes
        self._asks = asks
        self._talker = talker
        self._emit = emit
        self._conversations: dict[str, Conversation] = {}
        self._talking: Conversation | None = None
        """That of the turn that runs."""
        self._interrupted = False
        self._turn_limit_s = turn_limit_s
        self._late_answers = tuple(late_answers)
        self._one_turn = asyncio.Lock()
        self._elsewhere: set[asyncio.Task[Turn]] = set()
        """The turn that was said in another terminal, while it runs."""
        self._closing = False

    @property
    def transcript(self) -> Transcript:
        """All turns so far."""
        return self.notes.transcript

    async def say(self, text: str) -> Turn:
        """Takes a turn to its end, after one that another terminal has said.

        A failure of the agent is the state of the turn. If this is cancelled, the turn is cut off.

        Raises:
            TurnTooLongError: Nothing is sent of so long a text.
        """
        words = notes.checked_turn(text)
        async with self._one_turn:
            return await self._see_through(await self._begin(words, elsewhere=False))

    async def say_elsewhere(self, text: str) -> int | None:
        """Begins a turn that was said in another terminal, and returns its number: it is in the journal.

        Returns:
            None if a turn runs, or the session ends: nothing is sent.

        Raises:
            TurnTooLongError: Nothing is sent of so long a text.
        """
        words = notes.checked_turn(text)
        if self._one_turn.locked() or self._closing:
            return None
        await self._one_turn.acquire()  # at once
        try:
            turn = await self._begin(words, elsewhere=True)
        except BaseException:
            self._one_turn.release()
            raise
        running = asyncio.ensure_future(self._see_through(turn))
        self._elsewhere.add(running)
        running.add_done_callback(self._over_elsewhere)
        return turn.number

    def _over_elsewhere(self, running: asyncio.Task[Turn]) -> None:
        self._elsewhere.discard(running)
        self._one_turn.release()
        if not running.cancelled() and (problem := running.exception()) is not None:
            self._emit(SessionNotice(text=f"a turn that another terminal has said: {problem}"))

    async def quiet(self) -> None:
        """Returns once no turn runs."""
        async with self._one_turn:
            pass

    async def _begin(self, words: str, *, elsewhere: bool) -> Turn:
        """Writes a turn into the journal; it is durable when this returns."""
        agent = self.transcript.agent
        self._interrupted = False
        await self.notes.keep(notes.turn_said(agent=agent, words=words))
        turn = self.transcript.turns[-1]
        self.notes.begin_answer()
        self._emit(TurnBegan(turn=turn, elsewhere=elsewhere))
        return turn

    async def _see_through(self, turn: Turn) -> Turn:
        """Sends a turn, and takes it to its end."""
        agent = turn.agent
        usage: Usage | None = None
        try:
            talking = self._talking = await self._ready(agent)
            usage, end = await self._in_time(talking, turn)
            if end.session_lost:
                self._emit(SessionNotice(text=f"{agent} has lost its session: {end.problem}"))
                talking = self._talking = await self._ready(agent)
                usage, end = await self._in_time(talking, turn)
        except (ConversationError, BackendError) as error:
            end = TurnEnded(outcome=Outcome.FAILED, problem=str(error))
        except asyncio.CancelledError:
            self._end(turn, TurnState.CUT_OFF, "aur was ended", usage)
            raise
        finally:
            self._talking = None
        self._end(turn, TurnState(end.outcome.value), end.problem, usage)
        await self.notes.keep_all()
        self._emit(TurnOver(turn=turn))
        return turn

    def _end(self, turn: Turn, state: TurnState, problem: str, usage: Usage | None) -> None:
        talking = self._conversations.get(turn.agent)
        self._asks.end_turn()
        self.notes.post(
            notes.turn_ended(state, problem=problem, usage=usage, read_bytes=talking.read_bytes if talking else None)
        )

    async def _ready(self, agent: str) -> Conversation:
        """Returns the conversation with an agent, opened."""
        talking = self._conversations.get(agent)
        if talking is None:

            async def started(began: Began) -> None:
                await self.notes.keep(notes.process_started(agent, token=began.token, folder=began.folder.name))

            talking = self._conversations[agent] = self._talker(agent, started)
        before = talking.begun
        await talking.open(self.transcript.native.get(agent) or None)
        self._note_session(talking, agent)
        if talking.begun > before:
            how = self._how(talking)
            self.notes.post(notes.went_on(agent, how))
            self._emit(AgentReady(agent=agent, words=talking.words, how=how))
        return talking

    def _how(self, talking: Conversation) -> str:
        if not self.transcript.turns[:-1]:
            return "begins"
        resumed = talking.remembers and talking.session_id
        return "goes on with its own session" if resumed else "is told the earlier turns"

    def _note_session(self, talking: Conversation, agent: str) -> None:
        if self.transcript.native.get(agent, "") != (talking.session_id or ""):
            self.notes.post(notes.agent_session(agent, talking.session_id or ""))

    async def _in_time(self, talking: Conversation, turn: Turn) -> tuple[Usage | None, TurnEnded]:
        """Sends a turn as `_answered` does; interrupts it when its time is up, which fails it."""
        limit_s = self._turn_limit_s(turn.agent)
        answering = asyncio.ensure_future(self._answered(talking, turn))
        try:
            await asyncio.wait({answering}, timeout=limit_s)
            if answering.done():
                return answering.result()
            await talking.interrupt()
            usage, _end = await answering
            return usage, TurnEnded(outcome=Outcome.FAILED, problem=f"it has not answered within {limit_s:g} s")
        finally:
            if not answering.done():
                answering.cancel()
                await asyncio.gather(answering, return_exceptions=True)

    async def _answered(self, talking: Conversation, turn: Turn) -> tuple[Usage | None, TurnEnded]:
        """Sends a turn and takes in what the agent does; returns what it has used, and how it ended."""
        usage: Usage | None = None
        end = TurnEnded(outcome=Outcome.INTERRUPTED)
        if self._interrupted:
            return usage, end
        asking: set[asyncio.Task[None]] = set()
        events = talking.turn(self._with_earlier(talking, turn))
        try:
            async for event in events:
                if isinstance(event, TurnEnded):
                    end = event
                elif isinstance(event, UsageReported):
                    usage = event.usage if event.total else (usage or NOTHING) + event.usage
                elif isinstance(event, PermissionAsked | QuestionAsked):
                    task = asyncio.ensure_future(self._ask(talking, event, turn))
                    asking.add(task)
                else:
                    self._take(talking, event, turn)
        finally:
            for task in asking:
                task.cancel()
            ends = await asyncio.gather(*asking, return_exceptions=True)
            await events.aclose()
        trouble = next((each for each in ends if isinstance(each, Exception)), None)
        if trouble is not None:
            raise trouble
        if not end.session_lost:  # else it is all said again
            self._late_answers = ()
        self._note_session(talking, turn.agent)
        return usage, end

    def _take(self, talking: Conversation, event: ConversationEvent, turn: Turn) -> None:
        if isinstance(event, Text):
            self._say(turn, event, talking.read_bytes)
        elif isinstance(event, ToolCall):
            about = storable_text(event.about, limit=500)
            self.notes.post(notes.tool_used(event.name[:200], about, read_bytes=talking.read_bytes))
            self._emit(UsedTool(turn=turn.number, name=event.name, about=about))
        elif isinstance(event, SessionStarted):
            self._note_session(talking, turn.agent)
        elif isinstance(event, LineSkipped | HistoryCut | RetryNotice):
            self._emit(SessionNotice(text=f"{turn.agent} {_in_words(event)}"))

    def _say(self, turn: Turn, event: Text, read_bytes: int) -> None:
        kept = self.notes.add_text(event, read_bytes=read_bytes)
        if kept:
            self._emit(Spoke(turn=turn.number, text=kept))

    def _with_earlier(self, talking: Conversation, turn: Turn) -> str:
        """Returns a turn with those before it that its agent does not know."""
        unknown = self.transcript.turns[:-1]
        if talking.remembers:
            own = max((at for at, each in enumerate(unknown) if each.agent == turn.agent), default=-1)
            unknown = unknown[own + 1 :]
        text, told = with_earlier(unknown, with_answers(turn.text, self._late_answers))
        if told:
            left_out = f", {len(unknown) - told} are left out" if told < len(unknown) else ""
            turns = "turn" if told == 1 else "turns"
            self._emit(SessionNotice(text=f"{turn.agent} is told {told} earlier {turns}{left_out}"))
        return text

    async def _ask(self, talking: Conversation, asked: PermissionAsked | QuestionAsked, turn: Turn) -> None:
        try:
            await self._answer(talking, asked, turn)
        except Exception:  # the agent would wait for ever; the turn raises it
            await talking.interrupt()
            raise

    async def _answer(self, talking: Conversation, asked: PermissionAsked | QuestionAsked, turn: Turn) -> None:
        if isinstance(asked, PermissionAsked):
            allowed, reason = await self._asks.permission(asked, agent=turn.agent, turn=turn.number)
            await talking.permit(asked, allowed=allowed, reason=reason)
        else:
            answer = await self._asks.question(asked, agent=turn.agent, turn=turn.number)
            await talking.answer(asked, answer)

    async def interrupt(self) -> None:
        """Interrupts the turn that runs; the session goes on."""
        self._interrupted = True
        if self._talking is not None:
            await self._talking.interrupt()

    async def switch(self, agent: str) -> None:
        """Lets the next turns go to another agent; durable when this returns."""
        await self.notes.keep(notes.switched(agent))

    async def close(self) -> None:
        """Ends all agents, and cuts off a turn that another terminal has said."""
        self._closing = True
        for running in self._elsewhere:
            running.cancel()
        await asyncio.gather(*self._elsewhere, return_exceptions=True)
        for talking in self._conversations.values():
            await talking.close()


def _in_words(event: LineSkipped | HistoryCut | RetryNotice) -> str:
    """Returns what has happened to an agent, as the rest of a sentence."""
    match event:
        case LineSkipped():
            return f"has written a line of {event.size:,} bytes, which is too long: it was not read"
        case HistoryCut():
            rest = f"the others do not fit into {event.tokens:,} tokens"
            return f"is sent the newest {event.sent} of {event.of} earlier turns: {rest}"
    when = "" if event.delay_s is None else f" in {event.delay_s:g} s"
    return f"tries again{when}: {one_line(event.failure.text)}"
