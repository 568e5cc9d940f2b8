"""The gate of a run: a local socket at which the hooks of its agents ask, before each tool call.

A hook sends the token of its attempt and the length of its tool call on a line, then the call as its CLI gives it.
The answer is `allow` on a line, or `deny` and the reason in words for the agent. A hook that closes the connection
before wants no answer any longer.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aurora_spawner.gates.hook import ALLOWED
from aurora_spawner.gates.hook_request import BadRequestError, read_header
from aurora_spawner.gates.reading import UnreadableCallError, read_call
from aurora_spawner.gates.tool_calls import GateAction, ToolCall, Verdict
from aurora_spawner.journal.approval_facts import ToolCallJudged
from aurora_spawner.runs.agent_questions import asking_attempt
from aurora_spawner.runs.callers import unless_gone
from aurora_spawner.runs.seen_files import claim_edited
from aurora_spawner.storage.private_files import make_private_folder
from aurora_spawner.storage.private_sockets import bound_socket, short_path
from aurora_spawner.tasks.approvals import ApprovalAnswer, ApprovalQuestion

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable
    from pathlib import Path

    from aurora_spawner.gates.reading import ReportedCall
    from aurora_spawner.gates.tool_calls import ToolCallGate
    from aurora_spawner.runs.approval_inbox import ApprovalInbox
    from aurora_spawner.runs.attempt import Attempt
    from aurora_spawner.runs.recorder import Recorder
    from aurora_spawner.runs.run_context import RunContext
    from aurora_spawner.tasks.approvals import AskingAttempt

SHOWN_DENIALS: Final = 5
"""Denied calls of a task that the report of the run names; the journal has all."""
CALL_TIMEOUT_S: Final = 30.0
"""The longest wait for a hook to send its call."""
JUDGE_LIMIT_S: Final = 30.0
"""The longest time for a verdict: a path may lead to a disk that does not answer."""
JUDGED_AT_ONCE: Final = 4
REASON_LIMIT: Final = 1000
_LOG: Final = logging.getLogger(__name__)
_Result = TypeVar("_Result")
HookAnswer = Callable[[str, bytes], Coroutine[Any, Any, bytes]]


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
        return denial_words(self.verdict, self.consent)


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


async def denied_if_failed(answering: Awaitable[bytes], on_failure: Callable[[str], None]) -> bytes:
    """Returns an answer to a hook; whatever goes wrong denies the call.

    Args:
        on_failure: called with a sentence about what went wrong.
    """
    try:
        return await answering
    except Exception as error:  # noqa: BLE001 -- whatever it is, the call must not happen
        _LOG.exception("a tool call could not be answered")
        failed = f"the policy gate failed on a tool call ({type(error).__name__}), which was denied"
        on_failure(failed)
        return denial(f"{failed}; nothing may be done without it")


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
        self._denied.setdefault(task_id, []).append(f"{call.subject[:80]} ({rule})")
        return denial(decision.why_not)

    def notices(self) -> list[str]:
        """Returns sentences about denied calls, for the report of the run."""
        return [
            f"task {task_id}: the policy gate stopped {len(calls)} tool call{'s' if len(calls) > 1 else ''}: "
            f"{'; '.join(calls[:SHOWN_DENIALS])}{'; …' if len(calls) > SHOWN_DENIALS else ''}"
            for task_id, calls in sorted(self._denied.items())
        ]

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


async def judged(gate: ToolCallGate, call: ToolCall, at_once: asyncio.Semaphore) -> Verdict:
    """Returns a gate's verdict; a gate that fails or takes too long denies.

    Args:
        at_once: admits as many judgements as may run at the same time.
    """
    try:
        async with at_once, asyncio.timeout(JUDGE_LIMIT_S):
            return await _in_thread(partial(gate.judge, call))
    except TimeoutError:
        reason = f"cannot be judged within {JUDGE_LIMIT_S:g} s"
    except Exception as error:  # noqa: BLE001 -- whatever it is, the call must not happen
        _LOG.exception("the gate failed on a tool call")
        reason = f"cannot be judged, because the policy gate failed on it ({type(error).__name__})"
    return Verdict(action=GateAction.DENY, rule="undecidable", reason=reason, instead="Do it in another way.")


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


@asynccontextmanager
async def serve_hooks(answer: HookAnswer, at: Path, notices: list[str]) -> AsyncIterator[None]:
    """Answers hooks while this is open. Without its socket the hooks deny everything.

    Args:
        answer: returns the answer to a hook, given the token of its attempt and its call.
        at: the socket.
        notices: gets a sentence if nobody can listen.
    """
    folder = at.parent
    hooks = _Hooks(answer)
    try:
        make_private_folder(folder)
        with short_path(folder) as place:
            server = await asyncio.start_unix_server(hooks.handle, sock=bound_socket(place / at.name))
    except OSError as error:
        notices.append(f"the policy gate cannot listen in {folder} ({error.strerror}): every tool call is denied")
        yield
        return
    try:
        yield
    finally:
        server.close()
        hooks.close_connections()
        with suppress(OSError):
            (folder / at.name).unlink()


class _Hooks:
    """The open connections of hooks."""

    def __init__(self, answer: HookAnswer) -> None:
        self._answer_call = answer
        self._open: set[asyncio.Task[Any]] = set()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers one hook."""
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                token, call = await _request(reader)
            answer = await unless_gone(self._answer_call(token, call), reader)
            if answer is None:  # nobody's consent would reach it
                return
            writer.write(answer)
            async with asyncio.timeout(CALL_TIMEOUT_S):
                await writer.drain()
        except (ConnectionError, TimeoutError):  # the hook is gone, or was stopped
            pass
        finally:
            writer.close()
            self._open.discard(task)

    def close_connections(self) -> None:
        """Leaves the open requests without an answer: the run is over, or its next coordinator gets them."""
        for task in self._open:
            task.cancel()


async def _request(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """Reads a request; returns the token and the call.

    Raises:
        ConnectionError: It is none of a hook, or the hook is gone.
    """
    try:
        token, length = read_header(await reader.readuntil(b"\n"))
        return token, await reader.readexactly(length)
    except (asyncio.LimitOverrunError, asyncio.IncompleteReadError) as error:
        raise BadRequestError(str(error)) from error


async def _in_thread(work: Callable[[], _Result]) -> _Result:
    """Returns what this does in a thread of its own, which the end of the process does not wait for if it hangs."""
    future: Future[_Result] = Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001 -- it is raised where it is waited for
            future.set_exception(error)

    threading.Thread(target=run, name="aurora-gate", daemon=True).start()
    return await asyncio.wrap_future(future)


def denial(reason: str) -> bytes:
    """Returns the answer to a hook that denies its call."""
    return b"deny\n" + reason.encode("utf-8", "replace")


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
    )


def denial_words(verdict: Verdict, consent: ApprovalAnswer | None) -> str:
    """Returns the reason of a denial in words for the agent."""
    why = (
        f"the policies do not allow this: it {verdict.reason}" if verdict.reason else "the policies do not allow this"
    )
    rule = f" (rule {verdict.rule})" if verdict.rule else ""
    note = f"; {consent.note}" if consent is not None and consent.note else ""
    instead = f" {verdict.instead}" if verdict.instead else ""
    return f"{why}{rule}{note}.{instead} Do not try to get around it."[: REASON_LIMIT * 2]
