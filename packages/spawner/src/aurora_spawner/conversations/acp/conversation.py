"""Conversations in ACP: a handshake that begins or loads a session, and turns whose denials the agent is told of."""

from __future__ import annotations

import itertools
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.backends.events import PermissionAsked, QuestionAsked, RequestUnserved, SessionStarted
from aurora_spawner.backends.fields import Fields
from aurora_spawner.conversations.acp import messages
from aurora_spawner.conversations.acp.reading import INITIALIZE, LOAD, NEW, error_text, message_in
from aurora_spawner.conversations.acp.wire import AcpWire
from aurora_spawner.conversations.live import LiveConversation
from aurora_spawner.conversations.port import ConversationError, Outcome, TurnEnded

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from aurora_spawner.attempts.executor import AttemptOrder, Executor
    from aurora_spawner.conversations.acp.agents import AcpAgent
    from aurora_spawner.conversations.port import ConversationEvent, OnStart
    from aurora_spawner.conversations.talking_process import TalkingProcess

_AUTH_REQUIRED: Final = -32000
_NO_ONCE: Final = "it can only be allowed for good, and then the next such calls would not be judged"
_DENIED_CHARS: Final = 400
ENDED_BY_DENIAL: Final = "it has ended its turn because a tool call was denied"


class AcpConversation(LiveConversation):
    """Talks with an agent in ACP.

    Args:
        quirks: what is known of the agent.
        model: the model to choose in its session; None leaves the choice to it.
    """

    def __init__(
        self,
        agent: str,
        quirks: AcpAgent,
        executor: Executor,
        order: Callable[[str | None], AttemptOrder],
        on_start: OnStart,
        *,
        cwd: Path,
        model: str | None = None,
    ) -> None:
        self._acp = AcpWire()
        super().__init__(agent, self._acp, executor, order, on_start)
        self._quirks = quirks
        self._cwd = cwd
        self._model = model
        self._wanted: str | None = None
        """The session that the next process is to go on with."""
        self._loads = self._loaded = False
        self._waiting: set[str] = set()
        """Requests for permission without an answer."""
        self._denied: list[str] = []
        """The reasons of denials; ACP has no place for them, so the next turn tells them."""

    async def _begin(self, session_id: str | None) -> str | None:
        self._wanted, self._waiting = session_id, set()
        problem = await super()._begin(session_id)
        self.remembers = problem is None and self._loaded
        if not self._loads:  # else it would be ended when it is idle, and its session with it
            self.session_id = None
        return problem

    async def _ready(self, process: TalkingProcess) -> SessionStarted | str | None:
        """Returns the session that it has after the handshake, or the reason why there is none."""
        try:
            return await self._shake_hands(process)
        except ConversationError as error:
            return error.problem

    async def _shake_hands(self, process: TalkingProcess) -> SessionStarted | None:
        first = await self._response(process, INITIALIZE)
        if first is None:
            return None
        result = self._result(first)
        if result.whole("protocolVersion") != messages.protocol_version():
            raise ConversationError(self._agent, f"speaks version {result.raw.get('protocolVersion')} of ACP, not 1")
        self._loads = self._quirks.loads and result.fields("agentCapabilities").is_true("loadSession")
        session = await self._session(process)
        if session is None:
            return None
        self._acp.session = session.text("sessionId")
        if not self._acp.session:
            raise ConversationError(self._agent, "gives its session no id")
        await self._set_up(process, session)
        return SessionStarted(id=self._acp.session)

    async def _session(self, process: TalkingProcess) -> Fields | None:
        """Returns the loaded session, or a new one if it cannot be loaded."""
        self._loaded = False
        if self._loads and self._wanted is not None:
            await process.write(messages.load_session(self._wanted, self._cwd))
            loaded = await self._response(process, LOAD)
            if loaded is None:
                return None
            self._loaded = not loaded.has("error")
            if self._loaded:
                return Fields({**loaded.fields("result").raw, "sessionId": self._wanted})
        await process.write(messages.new_session(self._cwd))
        made = await self._response(process, NEW)
        return None if made is None else self._result(made)

    async def _set_up(self, process: TalkingProcess, session: Fields) -> None:
        """Chooses the mode in which the agent asks, and the model."""
        mode, numbers = self._quirks.ask_mode, itertools.count(1)
        if mode and session.fields("modes").text("currentModeId") != mode:
            request = f"aurora-set-{next(numbers)}"
            await self._choose(process, request, messages.set_mode(request, self._acp.session, mode))
        if self._quirks.model_by_option and self._model:
            request = f"aurora-set-{next(numbers)}"
            await self._choose(process, request, messages.set_model(request, self._acp.session, self._model))

    async def _choose(self, process: TalkingProcess, request: str, message: dict[str, Any]) -> None:
        await process.write(message)
        answer = await self._response(process, request)
        if answer is not None:
            self._result(answer)

    async def _response(self, process: TalkingProcess, request: str) -> Fields | None:
        """Returns the response to a request; None if the process ends before it."""
        while (line := await process.next_line()) is not None:
            for event in self._stream.feed(line + b"\n"):
                if isinstance(event, PermissionAsked):  # in no turn, so nobody can judge it
                    await process.write(messages.permission(event.id, allowed=False, cancelled=True))
                elif isinstance(event, QuestionAsked):
                    await process.write(messages.form_answer(event.id, Fields({}), None))
                elif isinstance(event, RequestUnserved):
                    await process.write(messages.refusal(event.id, event.method))
            message = message_in(line.decode("utf-8", errors="backslashreplace"))
            if message is not None and message.text("id") == request and not message.has("method"):
                return message
        return None

    def _result(self, response: Fields) -> Fields:
        error = response.fields("error")
        if error.whole("code") == _AUTH_REQUIRED:
            raise ConversationError(
                self._agent, f"is not signed in: {error_text(error)}; sign in with its own program"
            )
        if response.has("error"):
            raise ConversationError(self._agent, f"refuses: {error_text(error)}")
        return response.fields("result")

    async def turn(self, text: str) -> AsyncGenerator[ConversationEvent]:
        """Sends a turn, with the reasons why calls of the turn before were denied; yields events up to its end."""
        told, self._denied = "".join(f"(Denied before: {each})\n" for each in self._denied), []
        async with aclosing(super().turn(f"{told}{text}")) as events:
            async for event in events:
                if isinstance(event, RequestUnserved):
                    await self._refuse(event)
                    continue
                if isinstance(event, PermissionAsked):
                    self._waiting.add(event.id)
                yield self._with_quirks(event) if isinstance(event, TurnEnded) else event

    def _with_quirks(self, end: TurnEnded) -> TurnEnded:
        if end.outcome is Outcome.DONE and self._denied and self._quirks.ends_turn_when_denied:
            return replace(end, problem=ENDED_BY_DENIAL)
        return end

    async def _refuse(self, event: RequestUnserved) -> None:
        if self._process is not None:
            await self._process.write(messages.refusal(event.id, event.method))

    async def permit(self, asked: PermissionAsked, *, allowed: bool, reason: str) -> None:
        """Answers a request for permission, unless the turn was interrupted meanwhile."""
        if asked.id not in self._waiting:
            return
        self._waiting.discard(asked.id)
        if allowed and not messages.can_allow(asked.id):
            allowed, reason = False, _NO_ONCE
        if not allowed:
            self._denied.append(f"{asked.tool}: {reason}"[:_DENIED_CHARS])
        await super().permit(asked, allowed=allowed, reason=reason)

    async def interrupt(self) -> None:
        """Ends the turn; what the agent waits for is answered so, as the protocol has it."""
        process, waiting, self._waiting = self._process, self._waiting, set()
        await super().interrupt()
        if process is not None:
            await process.write(*(messages.permission(key, allowed=False, cancelled=True) for key in waiting))
