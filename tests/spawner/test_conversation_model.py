"""Conversations with a model itself: what it is sent, how calls fail, and waits for a provider."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.exhaustive import examples
from tests.model_server import model_server

from aurora_spawner.backends.base import Said
from aurora_spawner.backends.events import RetryNotice, Text
from aurora_spawner.backends.model.apis import APIS, Question
from aurora_spawner.backends.model.backend import ModelBackend
from aurora_spawner.conversations import model_call
from aurora_spawner.conversations.history import history_for, known_to, tokens_of
from aurora_spawner.conversations.orders import SessionOrders
from aurora_spawner.conversations.port import Began, HistoryCut, Outcome, TurnEnded
from aurora_spawner.conversations.transcript import Turn, TurnState
from aurora_spawner.conversations.transports import conversation_with
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.testing import processes_of_run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.model_server import ModelServer

    from aurora_spawner.conversations.port import Conversation, ConversationEvent


class Chat:
    """A session with one model, as far as its conversation needs it."""

    def __init__(self, server: ModelServer, turns: list[Turn]) -> None:
        self.server = server
        self.turns = turns
        self.talking: Conversation

    async def say(self, text: str, *, interrupts: bool = False) -> list[ConversationEvent]:
        """Says a turn; with `interrupts` it is interrupted at the first sign of life."""
        events: list[ConversationEvent] = []
        self.turns.append(turn_of(len(self.turns) + 1, text, state=TurnState.ANSWERING))
        await self.talking.open(None)
        async for event in self.talking.turn(text):
            if not events and interrupts:
                await self.talking.interrupt()
            events.append(event)
            if isinstance(event, Text):
                self.turns[-1].pieces.append(event.text)
        self.turns[-1].state = TurnState(end(events).outcome.value)
        return events


def turn_of(number: int, text: str, *answer: str, agent: str = "model", state: TurnState = TurnState.DONE) -> Turn:
    return Turn(number=number, agent=agent, text=text, at=0.0, state=state, pieces=[*answer])


def end(events: list[ConversationEvent]) -> TurnEnded:
    (found,) = (each for each in events if isinstance(each, TurnEnded))
    assert events[-1] is found
    return found


def said(events: list[ConversationEvent]) -> str:
    return "".join(each.text for each in events if isinstance(each, Text))


@asynccontextmanager
async def chat(folder: Path, *, turns: tuple[Turn, ...] = (), **more: Any) -> AsyncIterator[Chat]:
    executor = LocalExecutor(detached=False)
    with model_server() as server:
        found = Chat(server, [*turns])
        backend = ModelBackend(name="model", api="openai", model="gpt-5", base_url=server.base_url, **more)
        orders = SessionOrders(
            run_id=folder.name, cwd=folder, spool=folder / "spool", environ=dict(os.environ), turns=found.turns
        )

        async def started(_began: Began) -> None:
            pass

        found.talking = conversation_with(backend, orders, started, executor=executor)
        yield found
        await found.talking.close()
    executor.close()
    assert processes_of_run(folder.name) == []


async def test_each_turn_is_sent_with_those_before_it(tmp_path: Path) -> None:
    async with chat(tmp_path) as talk:
        assert said(await talk.say("Hello")) == "Hello"
        assert said(await talk.say("now recall")) == "u:Hello a:Hello u:now"
        failed = end(await talk.say("x no:401"))
        assert (failed.outcome, failed.problem) == (Outcome.FAILED, "it reports: not now (status 401)")
        assert said(await talk.say("count")) == "7"
        assert "(failed)" in talk.server.asked[-1]["messages"][5]["content"]


async def test_a_history_beyond_its_budget_is_cut_and_that_is_told_once(tmp_path: Path) -> None:
    earlier = tuple(turn_of(number, f"old{number} " + "x" * 396, "y" * 400) for number in range(1, 6))
    async with chat(tmp_path, turns=earlier, history_tokens=450) as talk:
        events = await talk.say("count")
        assert events[0] == HistoryCut(sent=2, of=5, tokens=450)
        assert said(events) == "5"
        assert talk.server.asked[0]["messages"][0]["content"].startswith("old4")
        assert not any(isinstance(each, HistoryCut) for each in await talk.say("count"))


async def test_a_provider_that_is_asked_too_much_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_call, "TRIES", 2)
    async with chat(tmp_path) as talk:
        events = await talk.say("limit:1:0.01")
        assert [(each.attempt, each.delay_s) for each in events if isinstance(each, RetryNotice)] == [(1, 0.01)]
        assert (said(events), end(events).outcome) == ("at last", Outcome.DONE)
        failed = end(await talk.say("limit:9:0.02"))
        assert (failed.outcome, "429" in failed.problem) == (Outcome.FAILED, True)
        assert talk.server.refused["9:0.02"] == 2
        assert end(await talk.say("limit:1:3600")).outcome is Outcome.FAILED
        events = await talk.say("limit:1:30", interrupts=True)
        assert (end(events).outcome, isinstance(events[0], RetryNotice)) == (Outcome.INTERRUPTED, True)


async def test_an_answer_that_breaks_off_is_kept_and_one_that_is_noise_is_not(tmp_path: Path) -> None:
    async with chat(tmp_path) as talk:
        cut = await talk.say("cut")
        assert (said(cut), end(cut).outcome) == ("half of", Outcome.FAILED)
        assert "before it was complete" in end(cut).problem
        noise = await talk.say("noise")
        assert (said(noise), "did not answer with a stream" in end(noise).problem) == ("", True)
        slow = await talk.say("slow", interrupts=True)
        assert (end(slow).outcome, said(slow)[:2]) == (Outcome.INTERRUPTED, "0,")
        assert said(await talk.say("count")) == "7"


@pytest.mark.parametrize("api", sorted(APIS))
def test_every_api_is_sent_both_sides_in_their_order(api: str) -> None:
    earlier = (Said(by_user=True, text="one"), Said(by_user=False, text="two"))
    body = APIS[api].body(Question(model="m", prompt="three", max_tokens=1, earlier=earlier))
    rows = body.get("messages") or body.get("input") or body["contents"]
    texts = [row.get("content") or row["parts"][0]["text"] for row in rows]
    own = "model" if api == "gemini" else "assistant"
    assert (texts, [row["role"] for row in rows]) == (["one", "two", "three"], ["user", own, "user"])


turns = st.lists(
    st.builds(
        turn_of,
        st.integers(1, 9),
        st.text(max_size=200),
        st.text(max_size=200),
        agent=st.sampled_from(["model", "other"]),
        state=st.sampled_from([TurnState.DONE, TurnState.CUT_OFF]),
    ),
    max_size=8,
)


@given(earlier=turns, tokens=st.integers(1, 300))
@settings(max_examples=examples(100))
def test_a_history_is_the_newest_whole_turns_within_its_budget(earlier: list[Turn], tokens: int) -> None:
    kept, held = history_for("model", earlier, tokens=tokens)
    known = known_to("model", earlier)
    assert len(kept) == 2 * held
    assert held <= len(known)
    assert [each.by_user for each in kept] == [True, False] * held
    assert all(each.text for each in kept)
    assert (held == 0) == (not known)
    if held > 1:
        assert sum(tokens_of(each.text) for each in kept) <= tokens
    for turn, mine in zip(list(known)[len(known) - held :], kept[1::2], strict=True):
        assert ("by agent other" in mine.text) == (turn.agent == "other") or held == 1
