"""A session that one process holds: its record, its inbox, and what other processes can ask of it."""

from __future__ import annotations

import os
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aurora_spawner.attempts.executor import end_left
from aurora_spawner.attempts.process_identity import own_identity
from aurora_spawner.conversations.asking import SessionAsks
from aurora_spawner.conversations.orders import SessionOrders
from aurora_spawner.conversations.recording import SessionNotes
from aurora_spawner.conversations.recovering import recovered, unread_events
from aurora_spawner.conversations.session import Session
from aurora_spawner.conversations.session_events import Answered, Asked, SessionNotice
from aurora_spawner.conversations.stored import read_session, transcript_of
from aurora_spawner.conversations.transcript import Transcript, TurnState
from aurora_spawner.errors import PostRefusedError, SpawnerError
from aurora_spawner.gates.hook import ALLOWED
from aurora_spawner.gates.hook_server import denial, denied_if_failed, serve_hooks
from aurora_spawner.journal.anchor import write_anchor
from aurora_spawner.journal.approval_views import load_approvals
from aurora_spawner.journal.facts import RunEnded
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import load_run
from aurora_spawner.journal.writer import GroupWriter
from aurora_spawner.recovery.outbox import Outbox
from aurora_spawner.runs.approval_inbox import ApprovalInbox
from aurora_spawner.runs.callers import UserAlone
from aurora_spawner.runs.control_server import answer_in, serve_requests
from aurora_spawner.runs.gate_server import Judges
from aurora_spawner.runs.leftovers import announced
from aurora_spawner.runs.noted_run import notes_in
from aurora_spawner.runs.recorder import Recorder
from aurora_spawner.runs.run_record import check_unchanged
from aurora_spawner.tasks.approvals import AGENT_GATE
from aurora_spawner.tasks.result import RunState
from aurora_spawner.tasks.run_events import ApprovalAsked, ApprovalSettled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from aurora_spawner.attempts.executor import Executor
    from aurora_spawner.backends.dialects.base import Dialect
    from aurora_spawner.conversations.port import Conversation, OnStart
    from aurora_spawner.conversations.session_events import SessionEvent
    from aurora_spawner.gates.hook_server import HookAnswer
    from aurora_spawner.gates.tool_calls import ToolCallGate
    from aurora_spawner.journal.approval_views import ApprovalRow
    from aurora_spawner.runs.callers import Caller
    from aurora_spawner.tasks.run_events import RunEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionParts:
    """The needs of a session from the program around it.

    Attributes:
        converse: makes the conversation with an agent, given its orders and what to call with each process.
        dialect_of: returns the dialect of an agent's output; None for plain text.
        executor: starts the agents; they must end with this process.
        gate: judges tool calls.
        limit_s: time for a person's answer; then the stated default holds. 0 for at once, None for no limit.
        turn_limit_s: returns the time limit of a turn of an agent; None for no limit.
    """

    converse: Callable[[str, SessionOrders, OnStart], Conversation]
    dialect_of: Callable[[str], Dialect | None]
    executor: Executor
    gate: ToolCallGate
    limit_s: float | None
    turn_limit_s: Callable[[str], float | None]
    state_dir: Path | None
    environ: Mapping[str, str]
    on_event: Callable[[SessionEvent], None]


@asynccontextmanager
async def held_session(
    journal: Path, run_id: str, parts: SessionParts, *, accept_changes: bool = False
) -> AsyncIterator[Session]:
    """Holds a session as its only process; what an earlier one was killed over is finished first.

    Raises:
        UnknownRunError: The journal has no such session.
        RunHeldError: Another process works on it.
        JournalChangedError: Its part of the journal is not as it was written.
    """
    with Journal(journal, make=False) as store:
        check_unchanged(store, run_id, parts.state_dir, accept=accept_changes)
    read_session(journal, run_id)
    with (
        Journal(journal) as store,
        store.hold(run_id, holder=own_identity()) as lease,
        announced(parts.state_dir, run_id, journal) as unannounced,
    ):
        if unannounced is not None:
            parts.on_event(SessionNotice(text=unannounced))
        writer = GroupWriter(store, lease=lease)
        recorder = Recorder(run_id=run_id, writer=writer, outbox=Outbox())
        try:
            async with _session(store, run_id, recorder, parts) as session:
                yield session
        finally:
            recorder.append_nowait(None, RunEnded(state=RunState.SUCCEEDED.value, notices=[]))
            await writer.close()
            parts.executor.close()
            unnoted = write_anchor(parts.state_dir, store) if parts.state_dir else None
            if unnoted is not None:
                parts.on_event(SessionNotice(text=unnoted))


@asynccontextmanager
async def _session(store: Journal, run_id: str, recorder: Recorder, parts: SessionParts) -> AsyncIterator[Session]:
    run, asked = load_run(store, run_id), load_approvals(store, run_id)
    transcript = transcript_of(store.path, run_id, notes_in(store, run_id))
    spool = run.spool / run_id
    notes = SessionNotes(recorder, transcript, time.time)
    await _finish_cut_off(notes, spool, parts)
    inbox = _inbox(recorder, parts)
    inbox.restore(asked)
    inbox.drop_stale(())
    orders = SessionOrders(
        run_id=run_id,
        cwd=run.cwd,
        spool=spool,
        environ=parts.environ,
        started=transcript.started,
        turns=transcript.turns,
    )
    asks = SessionAsks(
        judges=Judges(gate=parts.gate, inbox=inbox, recorder=recorder), cwd=run.cwd, on_default=parts.on_event
    )
    session = Session(
        run_id=run_id,
        notes=notes,
        asks=asks,
        talker=lambda agent, started: parts.converse(agent, orders, started),
        emit=parts.on_event,
        turn_limit_s=parts.turn_limit_s,
        late_answers=_late_answers(transcript, asked),
    )
    user_alone = UserAlone(
        recorder, task_of=lambda _token: None, note=lambda text: parts.on_event(SessionNotice(text=text))
    )
    notices: list[str] = []
    try:
        async with (
            serve_requests(_actions(session, inbox, asks, user_alone), spool, notices),
            serve_hooks(_hooks(session, asks, parts.on_event), orders.gate, notices),
        ):
            for notice in notices:
                parts.on_event(SessionNotice(text=notice))
            yield session
    finally:
        await session.close()


async def _finish_cut_off(notes: SessionNotes, spool: Path, parts: SessionParts) -> None:
    """Ends what a killed process has left, and keeps what its agent had said."""
    for left in notes.transcript.processes.values():
        await end_left(parts.executor, token=left.token, folder=spool / left.folder, supervisor=None, at_once=True)
    turn = notes.transcript.open_turn
    if turn is None:
        return
    process = notes.transcript.processes.get(turn.agent)
    events = unread_events(spool, process, parts.dialect_of(turn.agent)) if process else []
    for draft in recovered(turn, events, agent=turn.agent):
        notes.post(draft)
    await notes.keep_all()


def _late_answers(transcript: Transcript, asked: Sequence[ApprovalRow]) -> list[tuple[str, str]]:
    """Returns the questions of the last turn, if that was cut off, that a person has answered."""
    last = transcript.turns[-1] if transcript.turns else None
    if last is None or last.state is not TurnState.CUT_OFF:
        return []
    return [
        (row.subject, row.note)
        for row in asked
        if (row.number, row.gate, row.answered_by) == (last.number, AGENT_GATE, "user")
    ]


class _Inbox:
    """Hands the events of an inbox on as events of the session."""

    def __init__(self, on_event: Callable[[SessionEvent], None]) -> None:
        self._on_event = on_event

    def emit(self, event: RunEvent) -> None:
        """Hands on what is asked, and what is answered."""
        if isinstance(event, ApprovalAsked):
            self._on_event(Asked(approval=event.approval, question=event.question, limit_s=event.limit_s))
        elif isinstance(event, ApprovalSettled):
            self._on_event(Answered(approval=event.approval, answer=event.answer))


def _inbox(recorder: Recorder, parts: SessionParts) -> ApprovalInbox:
    return ApprovalInbox(
        recorder=recorder,
        notifier=_Inbox(parts.on_event),
        limit_s=parts.limit_s,
        stopping=lambda _task: False,
        on_wait=lambda _task: None,
        on_go_on=lambda _task: None,
    )


def _hooks(session: Session, asks: SessionAsks, on_event: Callable[[SessionEvent], None]) -> HookAnswer:
    """Returns what answers the hooks of the session's agents."""

    async def decided(token: str, raw: bytes) -> bytes:
        turn = session.transcript.open_turn
        process = session.transcript.processes.get(turn.agent) if turn else None
        if turn is None or process is None or token != process.token:
            return denial("no turn of this session asks for it")
        allowed, reason = await asks.tool_call(raw, agent=turn.agent, turn=turn.number)
        return ALLOWED if allowed else denial(reason)

    async def answer(token: str, raw: bytes) -> bytes:
        return await denied_if_failed(decided(token, raw), lambda failed: on_event(SessionNotice(text=failed)))

    return answer


def _actions(session: Session, inbox: ApprovalInbox, asks: SessionAsks, user_alone: UserAlone) -> dict[str, Any]:
    """Returns what other processes can ask of this one, by the word for it."""

    async def status(_request: dict[str, Any], _caller: Caller) -> dict[str, Any]:
        return {"pid": os.getpid(), "run_id": session.run_id}

    async def answer(request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        await user_alone.check(caller, str(request.get("approval")))
        return await answer_in(inbox, request)

    async def revoke(request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        await user_alone.check(caller, str(request.get("approval")))
        return {"revoked": await inbox.revoke(str(request.get("approval")))}

    async def say(request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        await user_alone.check_act(caller, "a turn of a session")
        text = request.get("text")
        if not isinstance(text, str) or not text.strip():
            raise SpawnerError("a turn has a text")
        number = await session.say_elsewhere(text)
        return {"busy": True} if number is None else {"turn": number}

    async def cancel(_request: dict[str, Any], _caller: Caller) -> dict[str, Any]:
        await session.interrupt()
        return {}

    async def ask(request: dict[str, Any], _caller: Caller) -> dict[str, Any]:
        turn = session.transcript.open_turn
        process = session.transcript.processes.get(turn.agent) if turn else None
        if turn is None or process is None or request.get("token") != process.token:
            raise SpawnerError("no turn of this session asks")
        return await asks.request(request, agent=turn.agent, turn=turn.number)

    async def pause(_request: dict[str, Any], _caller: Caller) -> dict[str, Any]:
        raise SpawnerError("a session has nothing to pause; `aur cancel` interrupts the turn that runs")

    return {
        "status": status,
        "answer": answer,
        "revoke": revoke,
        "say": say,
        "cancel": cancel,
        "ask": ask,
        "pause": pause,
        "unpause": pause,
        **dict.fromkeys(("post", "board", "result"), _no_board),
    }


async def _no_board(_request: dict[str, Any], _caller: Caller) -> dict[str, Any]:
    raise PostRefusedError("no_board", "a session has no board")
