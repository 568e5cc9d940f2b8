"""Going on where a dead attempt of the same agent stopped: which session, from what its folder holds."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final

from aurora_spawner.attempts.attempt_folder import DEFAULT_CAP_BYTES, AttemptFolder, attempt_folder, kept_pieces
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.backends.base import AgentBackend
from aurora_spawner.errors import AttemptRecordError
from aurora_spawner.storage.regular_files import read_regular
from aurora_spawner.tasks.failure import ReportedFailure
from aurora_spawner.tasks.usage import Usage, usage_from_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aurora_spawner.attempts.executor import AttemptEnd
    from aurora_spawner.backends.base import Backend, Reply
    from aurora_spawner.backends.dialects.base import Dialect

SESSION_LOST: Final = "session_lost"
"""The code of that failure."""
SESSION_RECORD: Final = "agent.json"
SESSION_RECORD_BYTES: Final = 64 << 10
"""More than any record; a longer file is none."""
"""Beside an attempt's prompt: who was asked, and which session it goes on with."""
_USELESS_STATUS: Final = (400, 401, 403, 404, 413)
"""Answers that a provider gives again to the same session."""
_USELESS_CODES: Final = ("context_length_exceeded", "request_too_large", "loop_detected")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """What is remembered of an attempt for the next one."""

    agent: str
    session_id: str | None = None
    """The session that it goes on with; None for a fresh start."""
    used_before: Usage | None = None
    """What that session had used before, as its agent counts."""
    new_session_id: str | None = None
    """What its own session is called, where that was for us to choose."""
    dialect: str | None = None
    """What it prints, for whoever reads its output later."""

    def of(self, dialect: Dialect | None, *, new_session_id: str | None = None) -> SessionRecord:
        """The same of an attempt that speaks this, and whose session is called that."""
        return replace(self, dialect=dialect.name if dialect else None, new_session_id=new_session_id)

    def to_text(self) -> str:
        """As it is written."""
        return json.dumps(asdict(self))


def read_session_record(folder: Path) -> SessionRecord | None:
    """The record of an attempt; None where there is none that can be read."""
    try:
        stored = json.loads(read_regular(folder / SESSION_RECORD, limit=SESSION_RECORD_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(stored, dict) or not isinstance(stored.get("agent"), str):
        return None
    return SessionRecord(
        agent=stored["agent"],
        session_id=_text(stored.get("session_id")),
        used_before=_usage(stored.get("used_before")),
        new_session_id=_text(stored.get("new_session_id")),
        dialect=_text(stored.get("dialect")),
    )


def _usage(value: object) -> Usage | None:
    numbers = value if isinstance(value, dict) else {}
    fits = all(isinstance(each, (int, float)) or each is None for each in numbers.values())
    return usage_from_json(numbers) if numbers and fits else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def session_record_for(spool: Path, *, position: int, task_id: str, number: int, backend: Backend) -> SessionRecord:
    """What the next attempt of an agent at a task goes on with.

    It is the session of the agent's latest attempt that left one worth it: that attempt did something, did not come
    to its own end, and did not fail for a reason that the same session meets again.
    """
    for folder in _earlier(spool, position=position, task_id=task_id, number=number):
        record = read_session_record(folder.path)
        if record is None or record.agent != backend.name:
            continue
        if not (isinstance(backend, AgentBackend) and backend.resumes and backend.dialect):
            break
        reply = backend.read_stream(_output(folder))
        if not reply.worked and _passing(reply.reported):  # it did not get so far as to add to what it went on with
            return replace(record, dialect=None, new_session_id=None)
        session = reply.session_id or record.new_session_id or record.session_id
        if session is None or not _worth_it(reply):
            break
        return SessionRecord(
            agent=backend.name,
            session_id=session,
            used_before=reply.session_usage or record.used_before,
        )
    return SessionRecord(agent=backend.name)


def _earlier(spool: Path, *, position: int, task_id: str, number: int) -> Iterator[AttemptFolder]:
    """The folders of the attempts before, the latest first."""
    for each in range(number - 1, 0, -1):
        yield attempt_folder(spool, position=position, task_id=task_id, number=each)


def _output(folder: AttemptFolder) -> Iterator[bytes]:
    try:
        record = folder.read_exit()
    except AttemptRecordError:
        record = None
    total = record.stdout_bytes if record else None
    return kept_pieces(folder.stdout, total=total, cap=record.cap_bytes if record else DEFAULT_CAP_BYTES)


def lost_session(end: AttemptEnd, reply: Reply) -> ReportedFailure | None:
    """What a failed attempt reports that went on with a session: that the session is gone, where it ended by itself.

    Its CLI says so in no way that could be relied on, but that it got nowhere for a reason of its own tells enough.
    """
    refused = reply.reported is not None and reply.reported.status is not None
    if reply.worked or refused or end.reason is not EndReason.EXITED or (end.exit_code or 0) <= 0:
        return reply.reported
    said = reply.reported.message if reply.reported else ""
    return ReportedFailure(code=SESSION_LOST, message=said or "the session cannot be gone on with")


def _worth_it(reply: Reply) -> bool:
    return reply.worked and not reply.finished and not _useless(reply.reported)


def _passing(reported: ReportedFailure | None) -> bool:
    """Whether the provider refused for the moment only."""
    return reported is not None and reported.status is not None and (reported.status == 429 or reported.status >= 500)


def _useless(reported: ReportedFailure | None) -> bool:
    """Whether the session would fail in the same way again."""
    if reported is None:
        return False
    return reported.status in _USELESS_STATUS or reported.code.lower() in _USELESS_CODES


def continuation_prompt(prompt: str) -> str:
    """What a session is told that was cut off; the task stands in it again, should the session not hold it."""
    return (
        "Your work on this task was cut off before it was done. Look at what is there already, go on from where you "
        f"stopped, and finish it. The task was:\n\n{prompt}"
    )


def without_earlier_usage(reply: Reply, folder: Path) -> Reply:
    """The reply with what its own attempt used, where its agent counts for the whole session."""
    record = read_session_record(folder) if reply.session_usage else None
    return reply.after(record.used_before) if record else reply
