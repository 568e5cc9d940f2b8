"""Agents in the imagination, for sessions: what a turn says they do; what they write stands in a real spool."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd
from aurora_spawner.backends.events import Failed, PermissionAsked, QuestionAsked, Succeeded
from aurora_spawner.backends.stream import EventStream
from aurora_spawner.conversations.json_lines import JSON_LINES
from aurora_spawner.conversations.port import Began, Outcome, TurnEnded
from aurora_spawner.gates.tool_calls import GateAction, Verdict

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from pathlib import Path

    from aurora_spawner.conversations.orders import SessionOrders
    from aurora_spawner.conversations.port import ConversationEvent, OnStart
    from aurora_spawner.gates.tool_calls import ToolCall

Action = tuple[str, ...]
"""A verb and its words."""
FORGETFUL: Final = "forgetful"
"""The agent that has no sessions."""


async def nothing() -> None:
    """Kills nothing."""


@dataclass(slots=True)
class World:
    """What outlives a session's process, and the switch that ends one."""

    sessions: dict[str, list[str]] = field(default_factory=dict)
    """The turns that each session of an agent knows."""
    kill: Callable[[], Awaitable[None]] = nothing
    answers: list[str | None] = field(default_factory=list)
    permits: list[bool] = field(default_factory=list)
    waits: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while a turn waits to be interrupted."""


@dataclass(slots=True)
class ImaginedConversation:
    """Talks with an agent that does what a turn's actions say."""

    world: World
    agent: str
    orders: SessionOrders
    on_start: OnStart
    session_id: str | None = None
    remembers: bool = False
    begun: int = 0
    read_bytes: int = 0
    words: str = "in the imagination"
    spool: Path | None = None
    interrupted: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def open(self, session_id: str | None) -> None:
        """Begins a process, if none runs."""
        if self.spool is not None:
            return
        self.orders.started += 1
        folder = self.orders.spool / f"{self.agent}-{self.orders.started}"
        folder.mkdir(parents=True)
        await self.on_start(Began(token=folder.name, folder=folder))
        self.spool, self.read_bytes = folder / "stdout", 0
        self.spool.touch()
        self.begun += 1
        self.remembers = session_id in self.world.sessions
        if self.agent != FORGETFUL:
            self.session_id = session_id if self.remembers else f"{self.agent}{len(self.world.sessions)}"
            self.world.sessions.setdefault(str(self.session_id), [])

    def _write(self, document: dict[str, Any], *, handed_out: bool = True) -> list[ConversationEvent]:
        assert self.spool is not None
        line = json.dumps(document).encode() + b"\n"
        with self.spool.open("ab") as file:
            file.write(line)
        if not handed_out:
            return []
        self.read_bytes += len(line)
        return list(EventStream(JSON_LINES).feed(line))

    async def turn(self, text: str) -> AsyncGenerator[ConversationEvent]:
        """Does the actions of a turn."""
        self.interrupted.clear()
        said = text.rpartition("The user now says:\n")[2]
        if self.session_id is not None:
            self.world.sessions[self.session_id].append(said)
        self.remembers = True
        for verb, *words in json.loads(said.rpartition("\n")[2]):
            if verb in ("kill", "late"):
                for word in words:
                    self._write({"type": "text", "text": word}, handed_out=verb == "kill")
                await self.world.kill()
                await asyncio.Event().wait()
            async for event in self._do(verb, words):
                yield event
                if isinstance(event, TurnEnded):
                    return

    async def _do(self, verb: str, words: list[str]) -> AsyncGenerator[ConversationEvent]:
        if verb == "die":
            self.spool, self.remembers = None, False
            yield TurnEnded(outcome=Outcome.LOST, problem="it died")
            return
        if verb == "wait":
            self.world.waits.set()
            await self.interrupted.wait()
            self.world.waits.clear()
            self._write({"type": "failed", "message": "stopped"})
            yield TurnEnded(outcome=Outcome.INTERRUPTED)
            return
        for event in self._write(DOCUMENTS[verb](*words)):
            if isinstance(event, Succeeded | Failed):
                ended = Outcome.DONE if isinstance(event, Succeeded) else Outcome.FAILED
                yield TurnEnded(outcome=ended)
                continue
            self.answered.clear()
            yield event
            if isinstance(event, QuestionAsked | PermissionAsked):
                await self.answered.wait()

    async def permit(self, asked: PermissionAsked, *, allowed: bool, reason: str) -> None:
        """Goes on with an answer."""
        del asked, reason
        self.world.permits.append(allowed)
        self.answered.set()

    async def answer(self, asked: QuestionAsked, text: str | None) -> None:
        """Goes on with an answer."""
        del asked
        self.world.answers.append(text)
        self.answered.set()

    async def interrupt(self) -> None:
        """Lets a turn that waits end."""
        self.interrupted.set()

    async def close(self) -> None:
        """Ends its process."""
        self.spool = None


DOCUMENTS: Final[dict[str, Callable[..., dict[str, Any]]]] = {
    "say": lambda word: {"type": "text", "text": word},
    "new": lambda word: {"type": "text", "text": word, "new": True},
    "tool": lambda name: {"type": "tool", "name": name, "about": "something"},
    "ask": lambda text: {"type": "question", "id": "q", "text": text, "default": "nothing"},
    "run": lambda command: {"type": "permission", "id": "p", "tool": "Bash", "input": {"command": command}},
    "done": lambda: {"type": "done"},
    "fail": lambda: {"type": "failed", "message": "it went wrong"},
}


class AskingGate:
    """Lets a person be asked about everything."""

    def judge(self, call: ToolCall) -> Verdict:
        """Asks."""
        del call
        return Verdict(action=GateAction.PROMPT, rule="any", reason="does something")

    def hints(self, _agent: str, _text: str, _workspace: Path) -> tuple[str, ...]:
        """Says nothing before."""
        return ()


class NothingLeft:
    """An executor for processes of which nothing is left."""

    async def adopt(self, **_: object) -> AttemptEnd:
        """Nothing of it runs."""
        return AttemptEnd(reason=EndReason.VOIDED)

    def close(self) -> None:
        """Does nothing."""
