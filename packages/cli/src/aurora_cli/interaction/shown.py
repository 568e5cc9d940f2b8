"""The picture of a session at a terminal, whether this process holds it or another one does."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from aurora_cli.approval_prompts import ApprovalPrompts
from aurora_cli.output import note
from aurora_cli.render.talks import end_line
from aurora_cli.render.words import one_line, printable
from aurora_spawner.conversations.orders import PART
from aurora_spawner.conversations.session_events import (
    AgentReady,
    Answered,
    Asked,
    DefaultTaken,
    SessionNotice,
    Spoke,
    TurnBegan,
    TurnOver,
    UsedTool,
)
from aurora_spawner.conversations.transcript import TurnState
from aurora_spawner.tasks.run_events import ApprovalAsked, ApprovalSettled

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_cli.interaction.prompt_line import PromptLine
    from aurora_spawner.conversations.session_events import SessionEvent

__all__ = ["ShownSession"]


class ShownSession:
    """Shows the events of a session, one after the other.

    Attributes:
        prompts: asks here what its agents ask.
        failed_turns: the number of turns that were not answered.
        defaults: what nobody has answered.
    """

    def __init__(self, journal: Path) -> None:
        self.prompts = ApprovalPrompts(journal)
        self.failed_turns = 0
        self.defaults: list[DefaultTaken] = []
        self._in_line = False
        """True if the cursor stands behind a part of an answer."""
        self._at_prompt = False
        self._held: list[SessionEvent] = []
        """The events since the prompt is there."""
        self._news = asyncio.Event()

    async def prompted(self, line: PromptLine, prompt: str) -> str | None:
        """Reads a line; returns None if the prompt has given way to what happened meanwhile, which is shown then.

        Raises:
            EOFError, KeyboardInterrupt: as `PromptLine.read`.
        """
        self._at_prompt = True
        try:
            return await line.read(prompt, unless=self._news)
        finally:
            self._at_prompt = False
            self._news.clear()
            held, self._held = self._held, []
            for event in held:
                self.show(event)

    def wake(self) -> None:
        """Lets a prompt give way."""
        self._news.set()

    def show(self, event: SessionEvent) -> None:
        """Shows an event; at a prompt, once that has given way."""
        if self._at_prompt:
            self._held.append(event)
            self._news.set()
            return
        match event:
            case Spoke():
                sys.stdout.write(printable(event.text))
                sys.stdout.flush()
                self._in_line = not event.text.endswith("\n")
            case UsedTool():
                self.say(f"  · {one_line(event.name)} {one_line(event.about, 160)}".rstrip())
            case AgentReady():
                self.say(f"@{one_line(event.agent)} {event.how}{f' ({event.words})' if event.words else ''}")
            case SessionNotice():
                self.say(event.text)
            case DefaultTaken():
                self.defaults.append(event)
            case TurnBegan(elsewhere=True):
                self.say(f"[{event.turn.number}] said in another terminal:")
                note(printable(event.turn.text))
            case TurnOver():
                self._show_end(event)
            case Asked() | Answered():
                self._prompt(event)

    def _prompt(self, event: Asked | Answered) -> None:
        if isinstance(event, Answered):
            self.prompts.follow(ApprovalSettled(task_id=PART, approval=event.approval, answer=event.answer))
            return
        self._end_line()
        self.prompts.follow(
            ApprovalAsked(task_id=PART, approval=event.approval, question=event.question, limit_s=event.limit_s)
        )

    def say(self, text: str) -> None:
        """Shows a notice, in a line of its own."""
        self._end_line()
        note(text)

    def _show_end(self, event: TurnOver) -> None:
        self._end_line()
        self.failed_turns += event.turn.state is not TurnState.DONE
        if end := end_line(event.turn):
            note(end)

    def _end_line(self) -> None:
        if self._in_line:
            sys.stdout.write("\n")
            sys.stdout.flush()
            self._in_line = False
