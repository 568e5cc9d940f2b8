"""Talks in a session: at a terminal, or in lines of JSON."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.interaction.conduct import Conductor
from aurora_cli.interaction.documents import event_document
from aurora_cli.interaction.input_lines import lines_of
from aurora_cli.interaction.quiet import Quiet
from aurora_cli.output import emit_json_line
from aurora_spawner.conversations.session_events import Answered, Asked, DefaultTaken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aurora_soar import Aurora
    from aurora_spawner.conversations.session_events import SessionEvent

__all__ = ["at_terminal", "in_lines"]


async def at_terminal(
    aurora: Aurora, session_id: str, *, first: str, asks: bool, resumed: bool, accept_changes: bool
) -> ExitCode:
    """Talks at a terminal; the arguments as for `in_lines`. Where nobody is asked, the first turn is the only one."""
    from aurora_cli.interaction.prompt_line import PromptLine  # with its library, which lines of JSON do not need
    from aurora_cli.interaction.terminal import COMMANDS, TerminalTalk
    from aurora_cli.interaction.terminal_guard import guarded_terminal

    with guarded_terminal() as changed:
        shown = TerminalTalk(aurora, asks=asks, changed=changed)
        async with aurora.held_session(
            session_id, asks=asks, on_event=shown.show, accept_changes=accept_changes
        ) as session:
            if not asks:
                return await shown.once(session, first)
            history = aurora.project.aurora_dir / "logs" / "interact.history"
            line = PromptLine(history, COMMANDS, lambda: aurora.talking_agents, changed=changed)
            return await shown.talk(session, line, first=first, resumed=resumed)


async def in_lines(
    aurora: Aurora,
    session_id: str,
    *,
    first: str,
    asks: bool,
    resumed: bool,
    accept_changes: bool,
    defaults: int = 0,
    failed: bool = False,
    holds: bool = False,
) -> ExitCode:
    """Talks in lines of JSON: turns from standard input, events to standard output.

    Args:
        first: the first turn; "" for none.
        asks: a person can be asked.
        resumed: the session was there before; what was said in it is written first.
        defaults: those that were taken before.
        failed: the session's team has not done what it was to do.
        holds: turns come from other processes instead, until none has come for a while.
    """
    events = _Events(session_id, resumed=resumed, defaults=defaults)
    async with aurora.held_session(
        session_id, asks=asks, on_event=events.write, accept_changes=accept_changes
    ) as session:
        events.begin()
        if resumed:
            for turn in session.transcript.turns:
                _emit({"event": "earlier", **turn.to_json()})
        check_agent = partial(aurora.check_talks, where="switch")
        conductor = Conductor(session, aurora.project.runs_db, check_agent, _emit)
        lines = Quiet(session) if holds else lines_of(sys.stdin.fileno())
        code = await conductor.conduct(first, events.followed(lines))
    if failed and code is ExitCode.DONE:
        code = ExitCode.NOT_REACHED
    _emit({"event": "left", "id": session_id, "defaults": events.defaults, "status": int(code)})
    return code


class _Events:
    """Writes the events of a session, of which the first one names it: they begin once this process holds it."""

    def __init__(self, session_id: str, *, resumed: bool, defaults: int) -> None:
        self.defaults = defaults
        """The number of defaults that were taken."""
        self._first = {"event": "session", "id": session_id, "resumed": resumed}
        self._begun = False
        self._open: set[str] = set()
        """The questions that wait for a person."""
        self._input_over = False

    def begin(self) -> None:
        """Names the session, if that was not done."""
        if not self._begun:
            self._begun = True
            _emit(self._first)

    def write(self, event: SessionEvent) -> None:
        """Writes an event."""
        self.begin()
        _emit(event_document(event))
        match event:
            case DefaultTaken():
                self.defaults += 1
            case Asked() if event.limit_s != 0:
                self._open.add(event.approval)
                self._say_who_answers()
            case Answered():
                self._open.discard(event.approval)

    async def followed(self, lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yields the lines of the input, and sees its end."""
        async for line in lines:
            yield line
        self._input_over = True
        self._say_who_answers()

    def _say_who_answers(self) -> None:
        if self._input_over and self._open:
            asked = ", ".join(sorted(self._open))
            text = f"the input has ended, so only another terminal can answer {asked} (aur approvals)"
            _emit({"event": "notice", "text": f"{text}; --mode batch waits for nobody"})


def _emit(event: dict[str, Any]) -> None:
    emit_json_line(Schema.INTERACT_EVENT, event)
