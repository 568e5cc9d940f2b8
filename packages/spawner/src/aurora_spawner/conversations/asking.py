"""The questions of a session's agents: tool calls are judged by the policies, a person is asked through the inbox."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.conversations.orders import PART
from aurora_spawner.conversations.session_events import DefaultTaken
from aurora_spawner.errors import SpawnerError
from aurora_spawner.gates.reading import UnreadableCallError, read_call
from aurora_spawner.gates.tool_calls import GateAction, ToolCall
from aurora_spawner.runs.agent_questions import QUESTIONS_LIMIT, question_of, said
from aurora_spawner.runs.gate_server import JUDGED_AT_ONCE, denial_words, judged, judged_fact, question_about
from aurora_spawner.tasks.approvals import AGENT_GATE, AskingAttempt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aurora_spawner.backends.events import PermissionAsked, QuestionAsked
    from aurora_spawner.gates.tool_calls import ToolCallGate
    from aurora_spawner.runs.approval_inbox import ApprovalInbox
    from aurora_spawner.runs.recorder import Recorder
    from aurora_spawner.tasks.approvals import ApprovalAnswer

DENIED: Final = "denied"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionAsks:
    """Answers what the agents of a session ask.

    Attributes:
        cwd: the folder in which they work.
        on_default: called with each question that nobody has answered.
    """

    gate: ToolCallGate
    inbox: ApprovalInbox
    recorder: Recorder
    cwd: Path
    on_default: Callable[[DefaultTaken], None]
    _judges: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(JUDGED_AT_ONCE))

    async def permission(self, asked: PermissionAsked, *, agent: str, turn: int) -> tuple[bool, str]:
        """Decides on a tool call; returns whether it may happen, and else why not, in words for the agent."""
        raw = {"tool_name": asked.tool, "tool_input": dict(asked.given), "cwd": str(self.cwd)}
        return await self.tool_call(json.dumps(raw).encode("ascii"), agent=agent, turn=turn)

    async def tool_call(self, raw: bytes, *, agent: str, turn: int) -> tuple[bool, str]:
        """Decides as `permission` does on a tool call as the CLIs give it to their hooks."""
        try:
            call = self._call(raw, agent)
        except UnreadableCallError as error:
            return False, f"{error}, so it cannot be judged"
        verdict = await judged(self.gate, call, self._judges)
        consent = None
        if verdict.action is GateAction.PROMPT:
            by = AskingAttempt(number=turn, agent=agent)
            consent = await self.inbox.ask(question_about(call, verdict), by)
            self._note_default(turn, call.subject, consent, DENIED)
        allowed = verdict.action is GateAction.ALLOW or (consent is not None and consent.approved)
        await self.recorder.append(PART, judged_fact(call, verdict, consent, allowed=allowed))
        return allowed, "" if allowed else denial_words(verdict, consent)

    def _call(self, raw: bytes, agent: str) -> ToolCall:
        reported = read_call(raw)
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
        """Asks a person; returns the answer, or the default if nobody has given one."""
        request = {"question": asked.text, "default": asked.default, "choices": list(asked.choices)}
        try:
            answer = await self.request(request, agent=agent, turn=turn)
        except SpawnerError as error:
            return f"(this question was not asked: {error})"
        text = answer["answer"]
        return text if isinstance(text, str) else None

    async def request(self, request: dict[str, Any], *, agent: str, turn: int) -> dict[str, Any]:
        """Asks what an agent wants to know; returns the answer, and whose it is.

        Raises:
            SpawnerError: It is no question, or the turn has asked too often.
        """
        default = request.get("default")
        question = question_of(PART, request.get("question"), default, request.get("choices") or [])
        if self.inbox.count(PART, turn, AGENT_GATE) >= QUESTIONS_LIMIT:
            raise SpawnerError(f"this turn has asked {QUESTIONS_LIMIT} questions; decide without asking")
        answer = await self.inbox.ask_or_leave(question, AskingAttempt(number=turn, agent=agent))
        self._note_default(turn, question.subject, answer, default or "no answer")
        return said(answer, default)

    def _note_default(self, turn: int, subject: str, answer: ApprovalAnswer, default: str) -> None:
        if answer.by == "limit":
            self.on_default(DefaultTaken(turn=turn, subject=subject, answer=default))
