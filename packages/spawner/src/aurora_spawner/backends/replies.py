"""The reply of an attempt's agent, read from its output once."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final

from aurora_spawner.attempts.attempt_folder import TEXT_LIMIT_BYTES, kept_pieces, task_home
from aurora_spawner.attempts.executor import AttemptEnd
from aurora_spawner.backends.base import with_events
from aurora_spawner.backends.sessions import without_earlier_usage

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner.backends.base import Backend, Reply

_KNOWN: Final = tuple(each.name for each in fields(AttemptEnd))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadEnd(AttemptEnd):
    """The end of an attempt whose output an executor has read, so that nobody reads it again."""

    reply: Reply
    reader: str
    """The name of the backend that has read it."""


def read_end(end: AttemptEnd, backend: Backend) -> ReadEnd:
    """Returns the end with its reply."""
    known = {name: getattr(end, name) for name in _KNOWN}
    return ReadEnd(**known, reply=reply_of(end, backend), reader=backend.name)


def reply_of(end: AttemptEnd, backend: Backend) -> Reply:
    """Returns the reply of an ended attempt; reads a long stream from its spool, whose text here lacks the middle.

    An end that this backend has read before has its reply already.
    """
    if isinstance(end, ReadEnd) and end.reader == backend.name:
        return end.reply
    spooled = end.stdout_path
    speaking = with_events(backend)
    if speaking is None or speaking.dialect is None or spooled is None:
        return backend.read(end.stdout, end.stderr)
    if end.stdout_bytes > TEXT_LIMIT_BYTES:
        cap = int((end.record or {}).get("cap_bytes", end.stdout_bytes))
        reply = speaking.read_stream(kept_pieces(spooled, total=end.stdout_bytes, cap=cap))
    else:
        reply = speaking.read(end.stdout, end.stderr)
    return _with_windows(without_earlier_usage(reply, spooled.parent), backend, spooled.parent)


def _with_windows(reply: Reply, backend: Backend, folder: Path) -> Reply:
    """Returns the reply with the usage windows that the agent recorded outside its events."""
    windows_of = getattr(backend, "windows_of", None)
    if windows_of is None or reply.windows or not reply.session_id:
        return reply
    return replace(reply, windows=windows_of(task_home(folder, backend.name), reply.session_id))
