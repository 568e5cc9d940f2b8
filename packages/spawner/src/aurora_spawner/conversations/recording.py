"""The record of a turn that runs: pieces of the answer go into the journal in batches, everything else at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aurora_spawner.conversations import transcript as notes
from aurora_spawner.conversations.joining import Joiner
from aurora_spawner.journal.facts import NoteKept
from aurora_spawner.storage.stored_values import storable_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_spawner.backends.events import Text
    from aurora_spawner.conversations.transcript import Draft, Transcript
    from aurora_spawner.runs.recorder import Recorder

BATCH_S: Final = 0.1
"""The longest time that a piece of an answer waits for others; what a kill cuts off is read from the spool again."""
BATCH_CHARS: Final = 8_192
ANSWER_CHARS: Final = 4 << 20
"""The most characters of an answer that are kept."""


class SessionNotes:
    """Keeps notes: first in the journal, and at once in the transcript of this process."""

    def __init__(self, recorder: Recorder, transcript: Transcript, clock: Callable[[], float]) -> None:
        self.transcript = transcript
        self._recorder = recorder
        self._clock = clock
        self._pieces: list[str] = []
        self._chars = 0
        self._answered = 0
        self._joiner = Joiner()
        self._read_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    async def keep(self, draft: Draft) -> None:
        """Keeps a note; it is durable when this returns."""
        self.post(draft)
        await self._recorder.flush()

    async def keep_all(self) -> None:
        """Returns once everything so far is durable."""
        self.flush()
        await self._recorder.flush()

    def post(self, draft: Draft) -> None:
        """Keeps a note, after the pieces before it."""
        self.flush()
        self._post(draft)

    def _post(self, draft: Draft) -> None:
        topic, note = draft
        self.transcript.take(topic, note, self._clock())
        self._recorder.append_nowait(None, NoteKept(topic=topic, note=note))

    def begin_answer(self) -> None:
        """Begins the answer of another turn."""
        self._answered = 0
        self._joiner = Joiner()

    def add_text(self, event: Text, *, read_bytes: int) -> str:
        """Adds what the agent has said; returns what of it is kept, which is nothing of what is too long."""
        text = self._joiner.joined(event)
        return self._add_piece(text, read_bytes=read_bytes) if text else ""

    def _add_piece(self, text: str, *, read_bytes: int) -> str:
        self._read_bytes = read_bytes
        room = ANSWER_CHARS - self._answered
        if room <= 0:
            return ""
        kept = storable_text(text, limit=room)
        self._answered += len(kept)
        self._pieces.append(kept)
        self._chars += len(kept)
        if self._chars >= BATCH_CHARS:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(BATCH_S, self.flush)
        return kept

    def flush(self) -> None:
        """Writes the pieces that wait."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pieces:
            text, self._pieces, self._chars = "".join(self._pieces), [], 0
            self._post(notes.piece_said(text, read_bytes=self._read_bytes))
