"""Asks about questions of gates at the terminal of a run in the foreground; others may answer meanwhile."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from aurora_cli.output import note
from aurora_cli.render.approvals import answer_line, question_lines
from aurora_cli.user_prompts import next_line, turn_at_terminal
from aurora_spawner.control.approvals import answer_approval, find_approval
from aurora_spawner.errors import SpawnerError
from aurora_spawner.tasks.approvals import AGENT_GATE
from aurora_spawner.tasks.run_events import ApprovalAsked, ApprovalSettled

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner import RunEvent
    from aurora_spawner.journal.approval_views import ApprovalRow

__all__ = ["ApprovalPrompts"]


class ApprovalPrompts:
    """The questions of one run, shown one after the other.

    An answer goes the same way as that of `aur approve` in another terminal, so the first of the two counts.
    """

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._open: dict[str, asyncio.Event] = {}
        """Questions that were not shown yet, or are shown now; the event is set once one needs no answer."""
        self._shown: set[str] = set()
        self._news = asyncio.Event()

    def follow(self, event: RunEvent) -> None:
        """Takes in an event of the run."""
        if isinstance(event, ApprovalAsked) and event.approval not in self._shown:
            self._open.setdefault(event.approval, asyncio.Event())
            self._news.set()
        elif isinstance(event, ApprovalSettled) and event.approval in self._open:
            self._open.pop(event.approval).set()

    async def serve(self) -> None:
        """Asks until it is cancelled, or the terminal has no more input."""
        while True:
            await self._news.wait()
            self._news.clear()
            while waiting := next((each for each in self._open if each not in self._shown), None):
                self._shown.add(waiting)
                async with turn_at_terminal():
                    if not await self._ask(waiting):
                        return

    async def _ask(self, approval: str) -> bool:
        """Asks one question; returns False at the end of the input."""
        settled = self._open.get(approval)
        if settled is None:
            return True
        try:
            row = await asyncio.to_thread(find_approval, self._journal, approval)
        except SpawnerError as error:  # it can be answered from another terminal, and the run goes on
            note(str(error))
            return True
        for line in question_lines(row, now=time.time()):
            note(line)
        return await (self._ask_for_text if row.gate == AGENT_GATE else self._ask_for_consent)(row, settled)

    async def _ask_for_consent(self, row: ApprovalRow, settled: asyncio.Event) -> bool:
        """Asks for the answer to a question of a gate; returns False at the end of the input."""
        choices = "a = approve, d = deny, l = leave it open" + (
            ", w = approve for the whole run" if row.shape else ""
        )
        note(f"{choices}?")
        while not settled.is_set():
            typed = await _line_unless(settled)
            if typed == "":
                return False
            choice = (typed or "l").strip().lower()
            if choice in ("l", "leave"):
                return True
            if choice in ("a", "approve", "d", "deny") or (choice in ("w", "whole") and row.shape):
                await self._answer(row.approval, approved=choice[0] != "d", always=choice[0] == "w")
                return True
            note(f"{choices}?")
        return True

    async def _ask_for_text(self, row: ApprovalRow, settled: asyncio.Event) -> bool:
        """Asks for the answer to a question of an agent; returns False at the end of the input."""
        note("your answer (nothing = leave it open)?")
        typed = await _line_unless(settled)
        if typed == "":
            return False
        if typed and typed.strip():
            await self._answer(row.approval, approved=True, always=False, text=typed.strip())
        return True

    async def _answer(self, approval: str, *, approved: bool, always: bool, text: str = "") -> None:
        try:
            report = await asyncio.to_thread(
                answer_approval, self._journal, approval, approved=approved, note=text, always=always
            )
        except SpawnerError as error:
            note(str(error))
            return
        if not report.first:  # else the run's own event tells
            note(answer_line(report))


async def _line_unless(settled: asyncio.Event) -> str | None:
    """Waits for a line; returns None if the question was answered elsewhere meanwhile, "" at the end of the input."""
    reading, elsewhere = asyncio.ensure_future(next_line()), asyncio.ensure_future(settled.wait())
    try:
        await asyncio.wait({reading, elsewhere}, return_when=asyncio.FIRST_COMPLETED)
        return reading.result() if reading.done() else None
    finally:
        for each in (reading, elsewhere):
            each.cancel()
        await asyncio.gather(reading, elsewhere, return_exceptions=True)
