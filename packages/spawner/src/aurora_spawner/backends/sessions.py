"""Session resumption: the session of a dead attempt that the agent's next attempt continues."""

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
"""The code of a failure to resume a session."""
SESSION_RECORD: Final = "agent.json"
"""The file beside an attempt's prompt that names its agent and the session that it continues."""
SESSION_RECORD_BYTES: Final = 64 << 10
"""More than any session record; a longer file is not read as one."""
_USELESS_STATUS: Final = (400, 401, 403, 404, 413)
"""Statuses that a provider returns again for the same session."""
_USELESS_CODES: Final = ("context_length_exceeded", "request_too_large", "loop_detected")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """The record of an attempt's agent and session, for the next attempt."""

    agent: str
    session_id: str | None = None
    """The session that the attempt continues; None for a new one."""
    used_before: Usage | None = None
    """The usage of that session before the attempt, as its agent counts."""
    new_session_id: str | None = None
    """The id of the attempt's new session, if we chose it."""
    dialect: str | None = None
    """The dialect of its output, for later readers."""

    def of(self, dialect: Dialect | None, *, new_session_id: str | None = None) -> SessionRecord:
        """Returns the record with the attempt's dialect and the id of its new session."""
        return replace(self, dialect=dialect.name if dialect else None, new_session_id=new_session_id)

    def to_text(self) -> str:
        """Returns the record as it is stored."""
        return json.dumps(asdict(self))


def read_session_record(folder: Path) -> SessionRecord | None:
    """Returns the session record of an attempt; None if it is missing or unreadable."""
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


def session_record_for(
    spool: Path, *, position: int, task_id: str, number: int, backend: Backend, sent_back: bool = False
) -> SessionRecord:
    """Returns the record of the next attempt of an agent at a task, with the session to continue.

    That is the session of the agent's latest attempt, if it is worth resuming: the attempt did some work, was cut
    off, and did not fail for a reason that the session would meet again.

    Args:
        sent_back: the agent has to fix its work; then the session goes on although the agent had finished.
    """
    for folder in _earlier(spool, position=position, task_id=task_id, number=number):
        record = read_session_record(folder.path)
        if record is None or record.agent != backend.name:
            continue
        if not (isinstance(backend, AgentBackend) and backend.resumes and backend.dialect):
            break
        reply = backend.read_stream(_output(folder))
        if not reply.worked and _passing(reply.reported):  # it added nothing to the session that it continued
            return replace(record, dialect=None, new_session_id=None)
        session = reply.session_id or record.new_session_id or record.session_id
        if session is None or not _worth_resuming(reply, sent_back=sent_back):
            break
        return SessionRecord(
            agent=backend.name,
            session_id=session,
            used_before=reply.session_usage or record.used_before,
        )
    return SessionRecord(agent=backend.name)


def _earlier(spool: Path, *, position: int, task_id: str, number: int) -> Iterator[AttemptFolder]:
    """Yields the folders of the earlier attempts, the latest first."""
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
    """Returns the failure of an attempt that continued a session: a lost session, if it ended by itself without work.

    No CLI reports a lost session reliably, but an attempt that exits by itself before any work indicates one.
    """
    refused = reply.reported is not None and reply.reported.status is not None
    if reply.worked or refused or end.reason != EndReason.EXITED or (end.exit_code or 0) <= 0:
        return reply.reported
    said = reply.reported.message if reply.reported else ""
    return ReportedFailure(code=SESSION_LOST, message=said or "the session cannot be resumed")


def _worth_resuming(reply: Reply, *, sent_back: bool) -> bool:
    return reply.worked and (sent_back or not reply.finished) and not _useless(reply.reported)


def _passing(reported: ReportedFailure | None) -> bool:
    """Returns True if the provider refused only for the moment."""
    return reported is not None and reported.status is not None and (reported.status == 429 or reported.status >= 500)


def _useless(reported: ReportedFailure | None) -> bool:
    """Returns True if the session would fail in the same way again."""
    if reported is None:
        return False
    return reported.status in _USELESS_STATUS or reported.code.lower() in _USELESS_CODES


def continuation_prompt(prompt: str) -> str:
    """Returns the prompt for a session that was cut off; it repeats the task, which the session may lack."""
    return (
        "Your work on this task was cut off before it was done. Look at what is there already, go on from where you "
        f"stopped, and finish it. The task was:\n\n{prompt}"
    )


def handed_back_prompt(prompt: str) -> str:
    """Returns the prompt for a session in which the user has worked; it repeats the task."""
    return (
        "The user has taken over this session for a while, and has left it now. What was said and done meanwhile "
        "stands. Look at what is in your working folder, keep what the user has changed, and finish the task without "
        f"asking. The task was:\n\n{prompt}"
    )


def without_earlier_usage(reply: Reply, folder: Path) -> Reply:
    """Returns the reply with its attempt's own usage, for an agent that counts usage by session."""
    record = read_session_record(folder) if reply.session_usage else None
    return reply.after(record.used_before) if record else reply
