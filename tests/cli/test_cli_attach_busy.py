"""Turns of an attached terminal that come while another is just ending: its end was seen, and it still runs there."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aurora_cli.attachment import session_lines, session_terminal
from aurora_cli.exits import ExitCode
from aurora_cli.interaction.requests import Request
from aurora_spawner.control.attached import Attached, CoordinatorEnded
from aurora_spawner.conversations.session_events import TurnBegan
from aurora_spawner.conversations.transcript import Transcript, Turn
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


def within(seconds: float, work: Awaitable[ExitCode]) -> ExitCode:
    async def bounded() -> ExitCode:
        async with asyncio.timeout(seconds):
            return await work

    return asyncio.run(bounded())


def test_a_program_says_its_turn_again(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    async def one(_journal: Path, take: Callable[[Request], Awaitable[None]]) -> None:
        await take(Request(say="now"))

    monkeypatch.setattr(session_lines, "read_requests", one)
    assert within(10, session_lines.attach_session_in_lines(Path("runs.db"), "interact-1")) is ExitCode.DONE
    assert session.tries == ["now", "now"]


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
    assert capsys.readouterr().err.count("another turn is answered first") == 1
