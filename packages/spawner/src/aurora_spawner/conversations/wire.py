"""The port to a protocol in which a live agent is talked with: what is written to it, and how its lines are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_spawner.backends.dialects.base import Dialect
    from aurora_spawner.backends.events import PermissionAsked, QuestionAsked


class Wire(Protocol):
    """A protocol of lines of JSON. Its dialect reports `SessionStarted` once the agent is ready."""

    @property
    def dialect(self) -> Dialect:
        """Reads the agent's lines."""
        ...

    @property
    def confirms_session(self) -> bool:
        """True if an agent that is ready has the session that it was to go on with, or says that it has not."""
        ...

    @property
    def words(self) -> str:
        """Its name, for the user."""
        ...

    def hello(self, session_id: str | None) -> tuple[Mapping[str, Any], ...]:
        """Returns the first lines, before any turn; with the session that the agent is to go on with."""
        ...

    def turn(self, text: str) -> Mapping[str, Any]:
        """Returns the line of a turn."""
        ...

    def permission(self, asked: PermissionAsked, *, allowed: bool, reason: str) -> Mapping[str, Any]:
        """Returns the answer to a request for permission."""
        ...

    def answer(self, asked: QuestionAsked, text: str | None) -> Mapping[str, Any]:
        """Returns the answer to a question."""
        ...

    def interrupt(self) -> Mapping[str, Any]:
        """Returns the line that interrupts a turn."""
        ...
