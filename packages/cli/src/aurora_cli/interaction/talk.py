"""Talks in a session: at a terminal, or in lines of JSON."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from aurora_cli.documents import Schema
from aurora_cli.interaction.conduct import Conductor
from aurora_cli.interaction.documents import event_document
from aurora_cli.interaction.input_lines import lines_of
from aurora_cli.output import emit_json_line
from aurora_spawner.conversations.session_events import DefaultTaken

if TYPE_CHECKING:
    from aurora_cli.exits import ExitCode
    from aurora_soar import Aurora
    from aurora_spawner.conversations.session_events import SessionEvent

__all__ = ["at_terminal", "in_lines"]


async def at_terminal(
    aurora: Aurora, session_id: str, *, first: str, asks: bool, resumed: bool, accept_changes: bool
) -> ExitCode:
    """Talks at a terminal; the arguments as for `in_lines`. Where nobody is asked, the first turn is the only one."""
    from aurora_cli.interaction.prompt_line import PromptLine  # with its library, which lines of JSON do not need
    from aurora_cli.interaction.terminal import COMMANDS, TerminalTalk

    shown = TerminalTalk(aurora, asks=asks)
    async with aurora.held_session(
        session_id, asks=asks, on_event=shown.show, accept_changes=accept_changes
    ) as session:
        if not asks:
            return await shown.once(session, first)
        history = aurora.project.aurora_dir / "logs" / "interact.history"
        line = PromptLine(history, COMMANDS, lambda: aurora.talking_agents)
        return await shown.talk(session, line, first=first, resumed=resumed)


async def in_lines(
    aurora: Aurora, session_id: str, *, first: str, asks: bool, resumed: bool, accept_changes: bool
) -> ExitCode:
    """Talks in lines of JSON: turns from standard input, events to standard output.

    Args:
        first: the first turn; "" for none.
        asks: a person can be asked.
        resumed: the session was there before; what was said in it is written first.
    """
    defaults = 0

    def write(event: SessionEvent) -> None:
        nonlocal defaults
        defaults += isinstance(event, DefaultTaken)
        _emit(event_document(event))

    _emit({"event": "session", "id": session_id, "resumed": resumed})
    async with aurora.held_session(session_id, asks=asks, on_event=write, accept_changes=accept_changes) as session:
        if resumed:
            for turn in session.transcript.turns:
                _emit({"event": "earlier", **turn.to_json()})
        conductor = Conductor(session, aurora.project.runs_db, aurora.check_talks, _emit)
        code = await conductor.conduct(first, lines_of(sys.stdin.fileno()))
    _emit({"event": "left", "id": session_id, "defaults": defaults, "status": int(code)})
    return code


def _emit(event: dict[str, Any]) -> None:
    emit_json_line(Schema.INTERACT_EVENT, event)
