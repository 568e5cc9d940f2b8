"""What a running attempt has used so far, from an output that still grows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from aurora_spawner.backends.digest import Digest
from aurora_spawner.backends.events import UsageReported
from aurora_spawner.backends.sessions import without_earlier_usage
from aurora_spawner.backends.stream import EventStream
from aurora_spawner.storage.regular_files import open_regular
from aurora_spawner.tasks.usage import NOTHING, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aurora_spawner.backends.base import Reply
    from aurora_spawner.backends.dialects.base import Dialect
    from aurora_spawner.backends.events import AgentEvent
    from aurora_spawner.backends.fields import Fields

LIVE_BYTES: Final = 32 << 20
"""Of an output that is followed; what an agent uses beyond is known when it ends."""


class Meter:
    """Follows one output."""

    def __init__(self, dialect: Dialect, stdout: Path) -> None:
        self._messages: dict[str, Usage] = {}
        self._dialect = _counting_messages(dialect, self._messages) if dialect.name == "claude" else dialect
        self._stream = EventStream(self._dialect)
        self._digest = Digest(self._dialect)
        self._stdout = stdout
        self._offset = 0

    @property
    def calls(self) -> tuple[Usage, ...]:
        """What each call of the model used so far; empty for agents that do not tell it call by call."""
        return tuple(self._messages.values())

    def read(self) -> Reply | None:
        """What it comes to so far; None where there is nothing new.

        Raises:
            OSError: The output cannot be read, such as one that the agent has replaced by a pipe.
        """
        try:
            with open_regular(self._stdout) as file:
                file.seek(self._offset)
                piece = file.read(max(0, LIVE_BYTES - self._offset))
        except FileNotFoundError:
            return None
        if not piece:
            return None
        self._offset += len(piece)
        self._digest.take(self._stream.feed(piece))
        return without_earlier_usage(self._digest.reply(), self._stdout.parent)


def _counting_messages(dialect: Dialect, used: dict[str, Usage]) -> Dialect:
    """Claude Code's dialect with what each message used; by itself it counts only what the end tells.

    A message comes in several events, each with what it had used by then, so that the sum is never too large.
    """
    readers = dict(dialect.readers or {})
    read_rest = readers["assistant"]

    def assistant(event: Fields) -> Iterator[AgentEvent]:
        message = event.fields("message")
        if message.has("usage"):
            used[message.text("id")] = _usage(message.fields("usage"))
            yield UsageReported(usage=sum(used.values(), NOTHING), total=True, model=message.text("model") or None)
        yield from read_rest(event)

    readers["assistant"] = assistant
    return replace(dialect, readers=readers)


def _usage(used: Fields) -> Usage:
    return Usage(
        input_tokens=used.count("input_tokens"),
        output_tokens=used.count("output_tokens"),
        cache_read_tokens=used.count("cache_read_input_tokens"),
        cache_write_tokens=used.count("cache_creation_input_tokens"),
    )
