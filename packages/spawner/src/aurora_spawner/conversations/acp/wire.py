"""The wire of ACP: what is written for a turn, an answer and an interrupt, once the agent has a session."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.backends.fields import Fields
from aurora_spawner.conversations.acp import messages
from aurora_spawner.conversations.acp.reading import acp_dialect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_spawner.backends.dialects.base import Dialect
    from aurora_spawner.backends.events import PermissionAsked, QuestionAsked


class AcpWire:
    """The Agent Client Protocol, version 1."""

    confirms_session: Final = True
    words: Final = "one process, by the Agent Client Protocol"

    def __init__(self) -> None:
        self.session = ""
        """The session that turns go to."""
        self._numbers = itertools.count(1)

    @property
    def dialect(self) -> Dialect:
        """A reader for one process."""
        return acp_dialect()

    def hello(self, session_id: str | None) -> tuple[Mapping[str, Any], ...]:  # noqa: ARG002 -- the second request has it
        """Returns the first request; those after it depend on the answer."""
        return (messages.initialize(),)

    def turn(self, text: str) -> Mapping[str, Any]:
        """Returns the request of a turn."""
        return messages.prompt(next(self._numbers), self.session, text)

    def permission(self, asked: PermissionAsked, *, allowed: bool, reason: str) -> Mapping[str, Any]:  # noqa: ARG002 -- ACP has no place for it
        """Returns the answer to a request for permission."""
        return messages.permission(asked.id, allowed=allowed)

    def answer(self, asked: QuestionAsked, text: str | None) -> Mapping[str, Any]:
        """Returns the answer to a form."""
        return messages.form_answer(asked.id, Fields(dict(asked.given)), text)

    def interrupt(self) -> Mapping[str, Any]:
        """Returns the notification that ends the turn."""
        return messages.cancel(self.session)
