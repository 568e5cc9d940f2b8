"""Conversations with a model itself: each turn is a call with the turns before it, which Aurora keeps."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Final

from aurora_spawner.backends.events import RetryNotice, Text
from aurora_spawner.conversations.history import history_for, known_to
from aurora_spawner.conversations.one_shot import OneShotConversation
from aurora_spawner.conversations.port import HistoryCut, Outcome, TurnEnded

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder, Executor
    from aurora_spawner.backends.base import Reply, Said
    from aurora_spawner.backends.model.backend import ModelBackend
    from aurora_spawner.conversations.port import ConversationEvent, OnStart
    from aurora_spawner.conversations.transcript import Turn
    from aurora_spawner.tasks.failure import ReportedFailure

TRIES: Final = 4
LONGEST_WAIT_S: Final = 60.0
"""The longest wait for a provider that is asked too much; a longer one is the user's to decide on."""
FIRST_WAIT_S: Final = 2.0
"""The wait if the provider names none; each further one is twice as long."""
_BUSY: Final = (429, 503, 529)


class ModelConversation(OneShotConversation):
    """Calls the model anew for each turn, and sends what was said before.

    Args:
        order: returns the order for a prompt after what was said.
        turns: the session's, up to the one that runs.
    """

    def __init__(
        self,
        backend: ModelBackend,
        executor: Executor,
        order: Callable[[str, tuple[Said, ...]], AttemptOrder],
        on_start: OnStart,
        turns: Sequence[Turn],
    ) -> None:
        super().__init__(backend, executor, lambda prompt, _resume: order(prompt, self._earlier), on_start)
        self._turns = turns
        self._tokens = backend.history_tokens
        self._earlier: tuple[Said, ...] = ()
        self._failure: ReportedFailure | None = None
        """The reason why the last call has failed, as the program has reported it."""
        self._stopped = asyncio.Event()
        """Tells of an interruption, which also ends the wait for a provider."""
        self._told = False

    @property
    def remembers(self) -> bool:
        """True: the turns up to its own last one are sent with each call."""
        return True

    @property
    def words(self) -> str:
        """The way of the turns."""
        return way_of_calls(self._tokens)

    async def turn(self, text: str) -> AsyncGenerator[ConversationEvent]:
        """Calls the model; waits and calls again if its provider is asked too much and has said nothing yet."""
        self._stopped.clear()
        for event in self._recall():
            yield event
        for number in range(1, TRIES + 1):
            wait_s: float | None = None
            async with aclosing(self._called(text)) as events:
                async for event in events:
                    wait_s = self._wait_s(event, number)
                    if wait_s is None:
                        yield event
            if wait_s is None or self._failure is None:
                return
            yield RetryNotice(attempt=number, delay_s=wait_s, failure=self._failure)
            if await self._stopped_within(wait_s):
                yield TurnEnded(outcome=Outcome.INTERRUPTED)
                return

    async def _stopped_within(self, wait_s: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), wait_s)
        return self._stopped.is_set()

    def _recall(self) -> list[ConversationEvent]:
        """Gathers the history for the turn that runs; returns what there is to tell about it."""
        known = known_to(self._backend.name, self._turns[:-1])
        self._earlier, held = history_for(self._backend.name, known, tokens=self._tokens)
        if held == len(known) or self._told:
            return []
        self._told = True
        return [HistoryCut(sent=held, of=len(known), tokens=self._tokens)]

    async def _called(self, text: str) -> AsyncGenerator[ConversationEvent]:
        self._failure = None
        spoke = False
        async with aclosing(super().turn(text)) as events:
            async for event in events:
                spoke = spoke or isinstance(event, Text)
                if spoke:
                    self._failure = None
                yield event

    def _wait_s(self, event: ConversationEvent, number: int) -> float | None:
        """Returns the wait before the next call, if a call has ended that may soon succeed; else None."""
        failure = self._failure
        if not isinstance(event, TurnEnded) or event.outcome is not Outcome.FAILED or failure is None:
            return None
        if failure.status not in _BUSY or number == TRIES:
            return None
        wait_s = FIRST_WAIT_S * 2 ** (number - 1) if failure.retry_after_s is None else failure.retry_after_s
        return wait_s if wait_s <= LONGEST_WAIT_S else None

    def _reply(self, end: AttemptEnd) -> Reply:
        reply = super()._reply(end)
        self._failure = reply.reported
        return reply

    async def interrupt(self) -> None:
        """Ends the call, or the wait for the next one."""
        self._stopped.set()
        await super().interrupt()


def way_of_calls(history_tokens: int) -> str:
    """Says in a few words how turns reach a model."""
    return f"one call a turn, with the earlier turns up to {history_tokens:,} tokens"
