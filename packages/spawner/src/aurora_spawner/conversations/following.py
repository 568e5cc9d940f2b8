"""A session of another process, followed: what is said in it, as it comes to be in the journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_spawner.control.attached import Attached, Attachment, afollow_attached
from aurora_spawner.control.told_events import told_approval
from aurora_spawner.conversations.session_events import (
    AgentReady,
    AgentSwitched,
    Answered,
    Asked,
    Spoke,
    TurnBegan,
    TurnOver,
    UsedTool,
)
from aurora_spawner.conversations.transcript import Transcript, TurnState
from aurora_spawner.journal.facts import NoteKept
from aurora_spawner.journal.views import as_written
from aurora_spawner.tasks.run_events import ApprovalAsked

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator
    from pathlib import Path

    from aurora_spawner.conversations.session_events import SessionEvent
    from aurora_spawner.journal.facts import Fact
    from aurora_spawner.journal.views import EventRow


class SessionFollower:
    """Follows one session.

    Attributes:
        transcript: everything that was said so far.
        asked: what waits for an answer of the user, by its id.
    """

    def __init__(self, journal: Path, run_id: str) -> None:
        self.transcript = Transcript()
        self.asked: dict[str, Asked] = {}
        self._journal = journal
        self._run_id = run_id

    async def events(self) -> AsyncGenerator[SessionEvent | Attachment, None]:
        """Yields `Attached` once all that was said is in the transcript, and then what happens; never ends by itself.

        Raises:
            UnknownRunError: The journal has no such session.
            JournalCorruptError: A note is not as it was written.
        """
        attached = False
        async for each in afollow_attached(self._journal, self._run_id):
            if isinstance(each, Attachment):
                attached = attached or isinstance(each, Attached)
                yield each
                continue
            for event in self._read(each):
                if attached:
                    yield event

    def _read(self, row: EventRow) -> Iterator[SessionEvent]:
        if isinstance(row.fact, NoteKept):
            before = _Seen.of(self.transcript)
            with as_written(self._journal, f"run {self._run_id}: event {row.seq} ({row.kind})"):
                self.transcript.take(row.fact.topic, row.fact.note, row.at)
            yield from before.changes(self.transcript)
        elif row.fact is not None:
            yield from self._question(row.fact)

    def _question(self, fact: Fact) -> Iterator[SessionEvent]:
        told = told_approval(fact, "")
        if isinstance(told, ApprovalAsked):
            asked = Asked(approval=told.approval, question=told.question, limit_s=told.limit_s)
            self.asked[told.approval] = asked
            yield asked
        elif told is not None:
            self.asked.pop(told.approval, None)
            yield Answered(approval=told.approval, answer=told.answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """The extent of a transcript before the next note."""

    turns: int
    pieces: int
    tools: int
    answering: bool
    went_on: int
    agent: str

    @classmethod
    def of(cls, transcript: Transcript) -> _Seen:
        last = transcript.turns[-1] if transcript.turns else None
        return cls(
            turns=len(transcript.turns),
            pieces=len(last.pieces) if last else 0,
            tools=len(last.tools) if last else 0,
            answering=transcript.open_turn is not None,
            went_on=len(transcript.went_on),
            agent=transcript.agent,
        )

    def changes(self, now: Transcript) -> Iterator[SessionEvent]:
        """Yields what one more note has changed."""
        last = now.turns[-1] if now.turns else None
        if len(now.went_on) > self.went_on:
            agent, how = now.went_on[-1]
            yield AgentReady(agent=agent, words="", how=how)
        if self.agent and now.agent != self.agent:
            yield AgentSwitched(agent=now.agent)
        if last is None:
            return
        if len(now.turns) > self.turns:
            yield TurnBegan(turn=last)
        elif len(last.pieces) > self.pieces:
            yield Spoke(turn=last.number, text=last.pieces[-1])
        elif len(last.tools) > self.tools:
            used = last.tools[-1]
            yield UsedTool(turn=last.number, name=used.name, about=used.about)
        elif self.answering and last.state is not TurnState.ANSWERING:
            yield TurnOver(turn=last)
