"""The gate of a run: the hooks of its agents ask it before each tool call, and a person where it wants one."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_spawner.gates.hook import ALLOWED
from aurora_spawner.gates.hook_server import (
    JUDGED_AT_ONCE,
    REASON_LIMIT,
    denial,
    denial_words,
    denied_if_failed,
    judged,
    serve_hooks,
)
from aurora_spawner.gates.reading import UnreadableCallError, read_call
from aurora_spawner.gates.stored_calls import call_to_json
from aurora_spawner.gates.tool_calls import GateAction, ToolCall, Verdict
from aurora_spawner.journal.approval_facts import ToolCallJudged
from aurora_spawner.runs.agent_questions import asking_attempt
from aurora_spawner.runs.seen_files import claim_edited
from aurora_spawner.tasks.approvals import ApprovalAnswer, ApprovalQuestion

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from aurora_spawner.gates.reading import ReportedCall
    from aurora_spawner.gates.tool_calls import ToolCallGate
    from aurora_spawner.runs.approval_inbox import ApprovalInbox
    from aurora_spawner.runs.attempt import Attempt
    from aurora_spawner.runs.recorder import Recorder
    from aurora_spawner.runs.run_context import RunContext
    from aurora_spawner.tasks.approvals import AskingAttempt

SHOWN_DENIALS: Final = 5
"""Denied calls of a task that the report of the run names; the journal has all."""
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A decision on a tool call.

    Attributes:
        consent: the answer of a person, if one was asked.
    """

    verdict: Verdict
    consent: ApprovalAnswer | None

    @property
    def allowed(self) -> bool:
        """True if the call may happen."""
        by_person = self.consent is not None and self.consent.approved
        return self.verdict.action is GateAction.ALLOW or by_person

    @property
    def why_not(self) -> str:
        """The reason of a denial, in words for the agent."""
        return denial_words(self.verdict, "" if self.consent is None else self.consent.note)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judges:
    """Decides on tool calls by a gate, and by a person where that wants one.

    Attributes:
        recorder: has each decision before it is told.
    """

    gate: ToolCallGate
    inbox: ApprovalInbox
    recorder: Recorder
    _at_once: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(JUDGED_AT_ONCE))

    async def decide(self, call: ToolCall, attempt: AskingAttempt) -> Decision:
        """Returns the decision on a call of an attempt; it is durable by then."""
        verdict = await judged(self.gate, call, self._at_once)
        consent = await self._consent(call, verdict, attempt) if verdict.action is GateAction.PROMPT else None
        decision = Decision(verdict=verdict, consent=consent)
        await self.recorder.append(call.task_id, judged_fact(call, verdict, consent, allowed=decision.allowed))
        return decision

    async def _consent(self, call: ToolCall, verdict: Verdict, attempt: AskingAttempt) -> ApprovalAnswer:
        """Asks for a person's consent; a question that cannot be asked is answered by no."""
        try:
            return await self.inbox.ask(question_about(call, verdict), attempt)
        except Exception:  # noqa: BLE001 -- whatever it is, nobody has agreed
            _LOG.exception("a question about a tool call could not be asked")
            return ApprovalAnswer(approved=False, by="no inbox", note="the question could not be asked")


@dataclass(frozen=True, slots=True, kw_only=True)
class GateService:
    """Answers the hooks of a run's agents."""

    run: RunContext
    judges: Judges
    _denied: dict[str, list[str]] = field(default_factory=dict)
    """The calls that were denied, by task."""

    async def answer(self, token: str, raw: bytes) -> bytes:
        """Returns the answer to a hook; whatever goes wrong denies the call."""
        return await denied_if_failed(self._answer(token, raw), self._note_once)

    def _note_once(self, failed: str) -> None:
        if failed not in self.run.notices:
            self.run.notices.append(failed)

    async def _answer(self, token: str, raw: bytes) -> bytes:
        asking = await asking_attempt(self.run, token)
        if asking is None:
            return denial("no attempt of this run asks for it")
        task_id, attempt = asking
        try:
            reported = read_call(raw)
        except UnreadableCallError as error:
            return denial(f"{error}, so it cannot be judged")
        call = self._call(task_id, attempt.agent, reported)
        flight = self.run.tasks.flight(task_id)
        flight.judged_calls += attempt.number == flight.number
        decision = await self.judges.decide(call, attempt)
        if decision.allowed:
            claim_edited(self.run, call)
            return ALLOWED
        rule = decision.verdict.rule or decision.verdict.action
        self._denied.setdefault(task_id, []).append(call_words(call.subject, rule))
        return denial(decision.why_not)

    def notices(self) -> list[str]:
        """Returns sentences about denied calls, for the report of the run."""
        return [stopped_words(task_id, calls) for task_id, calls in sorted(self._denied.items())]

    def _call(self, task_id: str, agent: str, reported: ReportedCall) -> ToolCall:
        worktree = self.run.tasks.flight(task_id).worktree
        cwd = self.run.cwd_of(worktree)
        return ToolCall(
            task_id=task_id,
            agent=agent,
            tool=reported.tool,
            uses=reported.uses,
            cwd=reported.cwd or cwd,
            workspace=cwd if worktree is None else worktree.path,
            isolated=worktree is not None,
        )


def call_words(subject: str, rule: str) -> str:
    """Returns a denied call and its rule for `stopped_words`."""
    return f"{subject[:80]} ({rule})"


def stopped_words(task_id: str, calls: Sequence[str]) -> str:
    """Returns a sentence about the denied calls of a task."""
    return (
        f"task {task_id}: the policy gate stopped {len(calls)} tool call{'s' if len(calls) > 1 else ''}: "
        f"{'; '.join(calls[:SHOWN_DENIALS])}{'; …' if len(calls) > SHOWN_DENIALS else ''}"
    )


def note_unasked(run: RunContext, attempt: Attempt) -> None:
    """Says so if an agent used tools and its hook asked about none of them: its CLI may ignore hooks.

    An organisation's settings can make it do that, and no probe without a model shows it.
    """
    used = attempt.reply.tool_calls if attempt.reply else 0
    if (
        run.gate_of(run.backends[attempt.agent])
        and used
        and attempt.order is not None
        and not run.tasks.flight(attempt.task_id).judged_calls
    ):
        run.notices.append(
            f"task {attempt.task_id}: {attempt.agent} used tools ({used}), and its hook asked about none of them; "
            "if its CLI ignores hooks, set `permissive: false`"
        )


@asynccontextmanager
async def serve_gate(run: RunContext) -> AsyncIterator[None]:
    """Answers the hooks of a run while this is open, if it has a gate; see `serve_hooks`."""
    gate, at = run.options.gate, run.orders.gate
    if gate is None or at is None:
        yield
        return
    judges = Judges(gate=gate, inbox=run.approvals, recorder=run.recorder)
    service = GateService(run=run, judges=judges)
    try:
        async with serve_hooks(service.answer, at, run.notices):
            yield
    finally:
        run.notices.extend(service.notices())


def question_about(call: ToolCall, verdict: Verdict) -> ApprovalQuestion:
    """Returns the question to a person about a tool call."""
    return ApprovalQuestion(
        task_id=call.task_id,
        gate="live",
        subject=call.subject,
        rule=verdict.rule,
        reason=verdict.reason,
        shape=verdict.shape,
    )


def judged_fact(call: ToolCall, verdict: Verdict, consent: ApprovalAnswer | None, *, allowed: bool) -> ToolCallJudged:
    """Returns the fact of a decision on a tool call."""
    return ToolCallJudged(
        agent=call.agent,
        tool=call.tool[:REASON_LIMIT],
        subject=call.subject,
        action=verdict.action.value,
        allowed=allowed,
        rule=verdict.rule,
        reason=verdict.reason[:REASON_LIMIT],
        answered_by="" if consent is None else consent.by,
        approval="" if consent is None else consent.approval,
        call=call_to_json(call),
    )
