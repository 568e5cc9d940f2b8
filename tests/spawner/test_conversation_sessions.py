"""Questions and failures around the turns of a session that this process holds."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from tests.spawner.held_sessions import imagined_session
from tests.spawner.imagined_agents import ImaginedConversation, World

from aurora_spawner.backends.events import PermissionAsked, Text
from aurora_spawner.conversations.asking import SessionAsks
from aurora_spawner.conversations.held import _hooks
from aurora_spawner.conversations.port import Outcome, TurnEnded
from aurora_spawner.conversations.recovering import recovered
from aurora_spawner.conversations.session_events import Answered, Asked, DefaultTaken, SessionNotice
from aurora_spawner.conversations.transcript import Turn
from aurora_spawner.errors import ApprovalCutOffError
from aurora_spawner.journal.approval_views import load_approvals
from aurora_spawner.journal.store import Journal
from aurora_spawner.runs.agent_questions import QUESTIONS_LIMIT
from aurora_spawner.runs.approval_inbox import ApprovalInbox
from aurora_spawner.runs.leftovers import FOLDER

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from aurora_spawner.conversations.orders import SessionOrders
    from aurora_spawner.conversations.port import ConversationEvent, OnStart
    from aurora_spawner.conversations.session_events import SessionEvent

CALL = json.dumps({"tool_name": "Bash", "tool_input": {"command": "ls"}}).encode()


async def until_asked(seen: list[SessionEvent], times: int) -> str:
    """Returns the id of the latest question once there are so many."""
    async with asyncio.timeout(20):
        while len(asked := [each.approval for each in seen if isinstance(each, Asked)]) < times:  # noqa: ASYNC110 -- no event tells
            await asyncio.sleep(0.005)
    return asked[-1]


async def broken(*_args: Any, **_named: Any) -> Any:
    raise KeyError("1")


async def test_a_question_is_asked_once_in_a_turn_and_ends_with_it(tmp_path: Path) -> None:
    seen: list[SessionEvent] = []
    world = World()
    async with imagined_session(tmp_path, seen, world) as session:
        saying = asyncio.ensure_future(session.say('[["wait"]]'))
        await world.waits.wait()

        async def ask(text: str = "Which port?") -> str:
            return str((await session._asks.request({"question": text}, agent="able", turn=1))["answer"])

        lost = asyncio.ensure_future(ask())
        approval = await until_asked(seen, 1)
        lost.cancel()
        with suppress(asyncio.CancelledError):
            await lost
        assert not any(isinstance(each, Answered) for each in seen), "its caller may come again"
        again = asyncio.ensure_future(ask())
        await asyncio.sleep(0)
        await session._asks.judges.inbox.answer(approval, approved=True, note="8081")
        assert await again == "8081"
        assert {await ask() for _ in range(QUESTIONS_LIMIT + 1)} == {"8081"}
        left = asyncio.ensure_future(ask("And then?"))
        await until_asked(seen, 3)
        await session.interrupt()
        await saying
        with pytest.raises(ApprovalCutOffError):
            await left
    with Journal(tmp_path / "runs.db") as store:
        assert [str(each.state) for each in load_approvals(store, session.run_id)] == ["approved", "withdrawn"]


async def test_a_call_about_which_nobody_can_be_asked_is_denied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ApprovalInbox, "ask", broken)
    async with imagined_session(tmp_path, [], World()) as session:
        allowed, reason = await session._asks.tool_call(CALL, agent="able", turn=1)
    assert not allowed
    assert "the question could not be asked" in reason
    assert "a question about a tool call could not be asked" in caplog.text


async def test_a_hook_that_cannot_be_answered_is_denied_and_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[SessionEvent] = []
    world = World()
    monkeypatch.setattr(SessionAsks, "tool_call", broken)
    async with imagined_session(tmp_path, seen, world) as session:
        saying = asyncio.ensure_future(session.say('[["wait"]]'))
        await world.waits.wait()
        token = session.transcript.processes["able"].token
        answer = await _hooks(session, session._asks, seen.append)(token, CALL)
        await session.interrupt()
        await saying
    assert answer.startswith(b"deny\n")
    assert SessionNotice(text="the policy gate failed on a tool call (KeyError), which was denied") in seen
    assert "KeyError: '1'" in caplog.text


async def test_a_session_whose_note_cannot_be_left_says_so(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / FOLDER).write_text("in the way")
    seen: list[SessionEvent] = []
    async with imagined_session(tmp_path, seen, World(), state_dir=tmp_path / "state"):
        pass
    (notice,) = [each.text for each in seen if isinstance(each, SessionNotice)]
    assert "cannot be written" in notice


async def test_an_answer_that_came_late_is_told_again_if_the_agent_has_lost_its_session(tmp_path: Path) -> None:
    told: list[str] = []

    class Losing(ImaginedConversation):
        async def turn(self, text: str) -> AsyncGenerator[ConversationEvent]:
            told.append(text)
            yield TurnEnded(outcome=Outcome.DONE, session_lost=len(told) == 1)

    def losing(agent: str, orders: SessionOrders, started: OnStart) -> Losing:
        return Losing(World(), agent, orders, started)

    async with imagined_session(tmp_path, [], World(), converse=losing) as session:
        session._late_answers = (("Which port?", "8080"),)
        await session.say("go on")
        await session.say("and on")
    assert ["8080" in each for each in told] == [True, True, False]


def test_what_is_read_again_after_a_kill_is_joined_as_it_would_have_been() -> None:
    pieces = [Text(text="one"), Text(text=""), Text(text="two", continues=True), Text(text=""), Text(text="")]
    turn = Turn(number=1, agent="able", text="", at=0.0, pieces=["before"])
    for _topic, note in recovered(turn, [*pieces], agent="able"):
        turn.pieces.append(note.get("text", ""))
    assert turn.answer == "before\n\none\n\ntwo"


async def test_a_call_that_a_hook_has_asked_about_is_not_asked_about_again(tmp_path: Path) -> None:
    seen: list[SessionEvent] = []
    async with imagined_session(tmp_path, seen, World(), limit_s=0) as session:
        asks = session._asks
        by_hook = json.dumps({**json.loads(CALL), "tool_use_id": "c1"}).encode()

        async def asked(call: str) -> tuple[bool, str]:
            given = PermissionAsked(id="1", tool="shell", given={"command": "ls"}, call=call)
            return await asks.permission(given, agent="able", turn=1)

        decided = await asks.tool_call(by_hook, agent="able", turn=1)
        assert (decided[0], await asked("c1")) == (False, decided)
        assert [each for each in seen if isinstance(each, DefaultTaken)] == seen[-1:]
        await asked("")
        asks.end_turn()
        await asked("c1")
        assert len([each for each in seen if isinstance(each, DefaultTaken)]) == 3
