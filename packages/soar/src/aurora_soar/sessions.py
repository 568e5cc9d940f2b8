"""Sessions of questions: each turn is one line of a file of the project, appended whole under a lock."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aurora_core.bounded import open_regular
from aurora_core.folder_lock import folder_locked
from aurora_core.private_files import private_folder, write_private
from aurora_soar.errors import NoSessionError, SessionIdError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from aurora_core import Project

__all__ = ["Conversation", "Session", "SessionStore", "Turn"]

_LARGEST: Final = 8_000_000
"""Bytes of the file; with more, the oldest half of the turns is dropped."""
ANSWER_KEPT: Final = 6_000
_SOURCES_KEPT: Final = 20
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Turn(BaseModel):
    """A question of a session with its answer.

    Attributes:
        number: its place in the session, from 1.
        query_id: the execution that answered it.
        at: Unix seconds.
        asked: the user's words.
        question: what was answered: the words, with what they refer to in earlier turns named.
        subject: what "it" refers to in the turn after this one.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    session: Annotated[str, Field(pattern=_ID.pattern, max_length=64)]
    number: Annotated[int, Field(ge=1)] = 1
    query_id: str
    at: float
    asked: str
    question: str
    answer: str
    sources: Annotated[tuple[str, ...], Field(strict=False)] = ()
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session as it is listed."""

    id: str
    turns: tuple[Turn, ...]

    @property
    def last_at(self) -> float:
        """The time of its newest turn."""
        return self.turns[-1].at


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A session while a question is asked in it.

    Attributes:
        id: None for a question that begins a session of its own, which is named after its execution.
        turns: the earlier ones, oldest first.
        add: stores a turn, and returns it with its number.
    """

    id: str | None
    turns: tuple[Turn, ...]
    add: Callable[[Turn], Turn]


class SessionStore:
    """The sessions of one project.

    Args:
        project: keeps them in `.aurora/logs`.
    """

    def __init__(self, project: Project) -> None:
        self._folder = project.aurora_dir / "logs"
        self._file = self._folder / "turns.jsonl"

    def conversation(self, session_id: str | None = None, *, latest: bool = False) -> Conversation:
        """Returns a session to ask in: the named one, new or not, or the latest; else one that begins.

        Raises:
            SessionIdError: the name is not valid.
            NoSessionError: the latest is asked for, and no question was asked before.
        """
        if session_id is not None and not _ID.fullmatch(session_id):
            raise SessionIdError(session_id)
        if session_id is None and not latest:
            return Conversation(id=None, turns=(), add=self.add)
        sessions = self.all()
        if session_id is None:
            if not sessions:
                raise NoSessionError
            return Conversation(id=sessions[0].id, turns=sessions[0].turns, add=self.add)
        turns = next((each.turns for each in sessions if each.id == session_id), ())
        return Conversation(id=session_id, turns=turns, add=self.add)

    def conversation_after(self, session_id: str | None, query_id: str) -> Conversation:
        """Returns a session as it was after the turn of an execution; without turns if it has no such turn any more.

        Args:
            session_id: None for a question that begins a session of its own.
        """
        turns = next((each.turns for each in self.all() if each.id == session_id), ())
        last = max((at for at, turn in enumerate(turns) if turn.query_id == query_id), default=-1)
        return Conversation(id=session_id, turns=turns[: last + 1], add=self.add)

    def all(self) -> tuple[Session, ...]:
        """Returns all sessions, the one with the newest turn first; lines that are no turns are passed over."""
        by_session: dict[str, list[Turn]] = {}
        for turn in self._read():
            by_session.setdefault(turn.session, []).append(turn)
        found = [Session(id=name, turns=tuple(turns)) for name, turns in by_session.items()]
        return tuple(sorted(found, key=lambda each: each.last_at, reverse=True))

    def add(self, turn: Turn) -> Turn:
        """Appends a turn, whole or not at all; returns it with its number in its session.

        An execution has one turn: if it is there, from a process that was killed after it, it stays as it is.

        Raises:
            OSError: it cannot be written.
        """
        cut = {"answer": turn.answer[:ANSWER_KEPT], "sources": turn.sources[:_SOURCES_KEPT]}
        with self._lock():
            known = self._read()
            if there := [each for each in known if (each.session, each.query_id) == (turn.session, turn.query_id)]:
                return there[0]
            numbered = turn.model_copy(
                update={**cut, "number": 1 + sum(each.session == turn.session for each in known)}
            )
            if self._size() > _LARGEST:
                self._replace(known[len(known) // 2 :])
            self._append(numbered)
        return numbered

    def forget(self, session_id: str) -> int:
        """Removes a session; returns the number of its turns, 0 if there is none.

        The conversation logs stay, as does what the memory has recorded of its answers.
        """
        with self._lock():
            known = self._read()
            kept = [each for each in known if each.session != session_id]
            if len(kept) < len(known):
                self._replace(kept)
        return len(known) - len(kept)

    def _read(self) -> list[Turn]:
        found = []
        for line in self._content().splitlines():
            try:
                found.append(Turn.model_validate_json(line))
            except ValidationError:  # a line that a kill has cut short, or that somebody has edited
                continue
        return found

    def _content(self) -> bytes:
        try:
            descriptor = open_regular(self._file, follow=False)
        except FileNotFoundError:
            return b""
        with os.fdopen(descriptor, "rb") as file:
            file.seek(max(0, os.fstat(descriptor).st_size - 2 * _LARGEST))
            return file.read()

    def _size(self) -> int:
        return self._file.stat().st_size if self._file.exists() else 0

    def _append(self, turn: Turn) -> None:
        # What is there was read before: it is a regular file.
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            if end and os.pread(descriptor, 1, end - 1) != b"\n":
                file.write(b"\n")  # after a line that a kill has cut short
            file.write(turn.model_dump_json().encode("utf-8", "replace") + b"\n")
            os.fsync(descriptor)

    def _replace(self, turns: Sequence[Turn]) -> None:
        lines = (turn.model_dump_json().encode("utf-8", "replace") + b"\n" for turn in turns)
        write_private(self._file, b"".join(lines))

    def _lock(self) -> AbstractContextManager[None]:
        return folder_locked(private_folder(self._folder))
