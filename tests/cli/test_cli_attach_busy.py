"""Turns of an attached terminal that come while another is just ending, or after all: said again, or told."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aurora_cli.attachment import session_lines, session_terminal
from aurora_cli.exits import ExitCode
from aurora_cli.interaction.requests import Request
from aurora_spawner.control.attached import Attached, CoordinatorEnded
from aurora_spawner.conversations.session_events import TurnBegan
from aurora_spawner.conversations.transcript import Transcript, Turn, TurnState
from aurora_spawner.errors import SpawnerError
from aurora_spawner.tasks.result import RunState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aurora_spawner.control.attached import Attachment
    from aurora_spawner.conversations.session_events import SessionEvent


class Session:
    """A session of another process that takes the second try of a turn; nothing happens in it before that."""

    def __init__(self, *_: object) -> None:
        self.transcript = Transcript(agent="bot")
        self.asked: dict[str, Any] = {}
        self.tries: list[str] = []
        self.taken = threading.Event()

    def say(self, _journal: Path, _session_id: str, text: str) -> int | None:
        self.tries.append(text)
        if len(self.tries) == 1:
            return None
        self.taken.set()
        return 1

    async def events(self) -> AsyncIterator[SessionEvent | Attachment]:
        yield Attached(pid=1, state=RunState.RUNNING)
        await asyncio.to_thread(self.taken.wait)
        self.transcript.turns.append(turn := Turn(number=1, agent="bot", text="now", at=0.0))
        yield TurnBegan(turn=turn)
        yield CoordinatorEnded(pid=1, state=RunState.SUCCEEDED)


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    session = Session()
    for module in (session_lines, session_terminal):
        monkeypatch.setattr(module, "SessionFollower", lambda *_: session)
        monkeypatch.setattr(module, "say_in_session", session.say)
    return session


def one_turn(text: str) -> Callable[..., Awaitable[None]]:
    """An input with one turn, which ends no attachment."""

    async def read(_journal: Path, take: Callable[[Request], Awaitable[None]]) -> None:
        await take(Request(say=text))

    return read


def within(seconds: float, work: Awaitable[ExitCode]) -> ExitCode:
    async def bounded() -> ExitCode:
        async with asyncio.timeout(seconds):
            return await work

    return asyncio.run(bounded())


def test_a_program_says_its_turn_again(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_lines, "read_requests", one_turn("now"))
    assert within(10, session_lines.attach_session_in_lines(Path("runs.db"), "interact-1")) is ExitCode.DONE
    assert session.tries == ["now", "now"]


@pytest.mark.parametrize("refusal", [None, "nobody holds it"])
def test_a_turn_that_is_not_said_before_the_session_ends_is_told_and_is_no_success(
    session: Session, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], refusal: str | None
) -> None:
    def ended(*_: object) -> None:
        session.taken.set()
        if refusal:
            raise SpawnerError(refusal)

    monkeypatch.setattr(session_lines, "read_requests", one_turn("too late"))
    monkeypatch.setattr(session_lines, "say_in_session", ended)
    assert within(10, session_lines.attach_session_in_lines(Path("runs.db"), "interact-1")) is ExitCode.NOT_REACHED
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (error,) = [each["problem"] for each in events if each["event"] == "error"]
    assert error.startswith("not said: too late: ")
    assert (refusal or "the attachment ended before its turn came") in error
    assert events[-1]["status"] == ExitCode.NOT_REACHED


def test_what_was_typed_is_said_again_and_the_user_told_once(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    class Line:
        async def read(self, _prompt: str, *, unless: asyncio.Event) -> str | None:
            if session.tries:
                await unless.wait()
                return None
            return "now"

    line: Any = Line()
    assert within(10, session_terminal.attach_session(Path("runs.db"), "interact-1", line)) is ExitCode.DONE
    assert session.tries == ["now", "now"]
    assert capsys.readouterr().err.count("another turn is still running") == 1


def test_the_same_words_of_another_terminal_are_shown_after_those_of_this_one(
    session: Session, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = asyncio.Event()

    async def events() -> AsyncIterator[SessionEvent | Attachment]:
        yield Attached(pid=1, state=RunState.RUNNING)
        await asyncio.to_thread(session.taken.wait)
        for number in (1, 2):
            if number == 2:
                await seen.wait()
            turn = Turn(number=number, agent="bot", text="now", at=0.0, state=TurnState.DONE)
            session.transcript.turns.append(turn)
            yield TurnBegan(turn=turn)
        yield CoordinatorEnded(pid=1, state=RunState.SUCCEEDED)

    class Line:
        async def read(self, _prompt: str, *, unless: asyncio.Event) -> str | None:
            if not session.tries:
                return "now"
            seen.set()
            await unless.wait()
            return None

    monkeypatch.setattr(session, "events", events)
    line: Any = Line()
    assert within(10, session_terminal.attach_session(Path("runs.db"), "interact-1", line)) is ExitCode.DONE
    shown = capsys.readouterr().err
    assert ("[1] said in another terminal" in shown, "[2] said in another terminal" in shown) == (False, True)
