"""The questions of a session's agents: tool calls are judged by the policies, a person is asked through the inbox."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.conversations.orders import PART
from aurora_spawner.conversations.session_events import DefaultTaken
from aurora_spawner.errors import SpawnerError
from aurora_spawner.gates.reading import UnreadableCallError, read_call
from aurora_spawner.gates.tool_calls import ToolCall
from aurora_spawner.runs.agent_questions import ask_person, said
from aurora_spawner.tasks.approvals import AskingAttempt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aurora_spawner.backends.events import PermissionAsked, QuestionAsked
    from aurora_spawner.gates.reading import ReportedCall
    from aurora_spawner.runs.gate_server import Judges
    from aurora_spawner.tasks.approvals import ApprovalAnswer

DENIED: Final = "denied"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionAsks:
    """Answers what the agents of a session ask.

    Attributes:
        judges: decide on tool calls; their inbox takes the agents' questions, too.
        cwd: the folder in which they work.
        on_default: called with each question that nobody has answered.
    """

    judges: Judges
    cwd: Path
    on_default: Callable[[DefaultTaken], None]
    _decided: dict[str, tuple[bool, str]] = field(default_factory=dict)
    """The decisions on tool calls of the turn that runs, by the agents' ids of the calls."""

    async def permission(self, asked: PermissionAsked, *, agent: str, turn: int) -> tuple[bool, str]:
        """Decides on a tool call; returns whether it may happen, and else why not, in words for the agent.

        An agent whose hook has asked about the same call gets the answer to that.
        """
        if asked.call in self._decided:
            return self._decided[asked.call]
        raw = {"tool_name": asked.tool, "tool_input": dict(asked.given), "cwd": str(self.cwd)}
        return await self.tool_call(json.dumps(raw).encode("ascii"), agent=agent, turn=turn)

    async def tool_call(self, raw: bytes, *, agent: str, turn: int) -> tuple[bool, str]:
        """Decides as `permission` does on a tool call as the CLIs give it to their hooks."""
        try:
            reported = read_call(raw)
        except UnreadableCallError as error:
            return False, f"{error}, so it cannot be judged"
        call = self._call(reported, agent)
        decision = await self.judges.decide(call, AskingAttempt(number=turn, agent=agent))
        if decision.consent is not None:
            self._note_default(turn, call.subject, decision.consent, DENIED)
        answer = decision.allowed, "" if decision.allowed else decision.why_not
        if reported.id:
            self._decided[reported.id] = answer
        return answer

    def _call(self, reported: ReportedCall, agent: str) -> ToolCall:
        return ToolCall(
            task_id=PART,
            agent=agent,
            tool=reported.tool,
            uses=reported.uses,
            cwd=reported.cwd or self.cwd,
            workspace=self.cwd,
            isolated=False,
        )

    async def question(self, asked: QuestionAsked, *, agent: str, turn: int) -> str | None:
        """Asks a person each time; returns the answer, or the default if nobody has given one."""
        request = {"question": asked.text, "default": asked.default, "choices": list(asked.choices)}
        try:
            answer = await self._ask(request, AskingAttempt(number=turn, agent=agent), once=False)
        except SpawnerError as error:
            return f"(this question was not asked: {error})"
        text = answer["answer"]
        return text if isinstance(text, str) else None

    async def request(self, request: dict[str, Any], *, agent: str, turn: int) -> dict[str, Any]:
        """Asks what an agent wants to know by `aur ask`; returns the answer, and whose it is.

        An agent that repeats a question has lost its first call, and gets the answer to that.

        Raises:
            SpawnerError: It is no question, or the turn has asked too often, or it ends.
        """
        return await self._ask(request, AskingAttempt(number=turn, agent=agent), once=True)

    async def _ask(self, request: dict[str, Any], by: AskingAttempt, *, once: bool) -> dict[str, Any]:
        default = request.get("default")
        question, answer = await ask_person(self.judges.inbox, PART, by, request, once=once)
        self._note_default(by.number, question.subject, answer, default or "no answer")
        return said(answer, default)

    def end_turn(self) -> None:
        """Withdraws what the turn that ends has asked, and nobody has answered."""
        self._decided.clear()
        if withdrawn := self.judges.inbox.withdraw(PART, "its turn has ended"):
            self.judges.recorder.append_nowait(PART, *withdrawn)

    def _note_default(self, turn: int, subject: str, answer: ApprovalAnswer, default: str) -> None:
        if answer.by == "limit":
            self.on_default(DefaultTaken(turn=turn, subject=subject, answer=default))
