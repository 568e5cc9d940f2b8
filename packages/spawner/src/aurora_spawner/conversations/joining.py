"""The pieces of an answer, put together: a new message begins after an empty line. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aurora_spawner.backends.events import Text


class Joiner:
    """Joins what an agent says in one turn.

    Args:
        said: it has said something before.
    """

    def __init__(self, *, said: bool = False) -> None:
        self._said = said
        self._breaks = False
        """True if the next piece begins a new message."""

    def joined(self, event: Text) -> str:
        """Returns a text as it follows what was said before; a message without a text leaves nothing."""
        self._breaks = self._breaks or (self._said and not event.continues)
        if not event.text:
            return ""
        text = f"\n\n{event.text}" if self._breaks else event.text
        self._said, self._breaks = True, False
        return text
