"""The rest of what an agent has said before the process of its session was killed, read from its spool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_spawner.attempts.attempt_folder import DEFAULT_CAP_BYTES, AttemptFolder
from aurora_spawner.backends.events import Failed, SessionStarted, Succeeded, Text, ToolCall
from aurora_spawner.backends.stream import EventStream
from aurora_spawner.conversations import transcript as notes
from aurora_spawner.conversations.joining import Joiner
from aurora_spawner.conversations.port import CANCELLED
from aurora_spawner.conversations.transcript import TurnState
from aurora_spawner.storage.regular_files import open_regular

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aurora_spawner.backends.dialects.base import Dialect
    from aurora_spawner.backends.events import AgentEvent
    from aurora_spawner.conversations.transcript import AgentProcess, Draft, Turn


def unread_events(spool: Path, process: AgentProcess, dialect: Dialect | None) -> list[AgentEvent]:
    """Returns the events of a process's output that are not in the notes; plain text is one."""
    try:
        with open_regular(AttemptFolder(path=spool / process.folder).stdout) as file:
            file.seek(process.read_bytes)
            content = file.read(DEFAULT_CAP_BYTES)
    except OSError:
        return []
    if dialect is None:
        text = content.decode("utf-8", errors="backslashreplace")
        return [Text(text=text, continues=True)] if text else []
    stream = EventStream(dialect)
    return [*stream.feed(content), *stream.close()]


def recovered(turn: Turn, events: list[AgentEvent], *, agent: str) -> Iterator[Draft]:
    """Yields the notes that were not kept any more: what was said, the agent's session, and the end of the turn."""
    state, problem, joiner = TurnState.CUT_OFF, "", Joiner(said=bool(turn.answer))
    for event in events:
        match event:
            case Text():
                if text := joiner.joined(event):
                    yield notes.piece_said(text, read_bytes=None)
            case ToolCall():
                yield notes.tool_used(event.name, event.about, read_bytes=None)
            case SessionStarted() if event.id:
                yield notes.agent_session(agent, event.id)
            case Succeeded():
                state = TurnState.DONE
            case Failed() if event.failure.code != CANCELLED:  # as agents do that are ended with Aurora
                state, problem = TurnState.FAILED, event.failure.text
    yield notes.turn_ended(state, problem=problem, usage=None, read_bytes=None)
