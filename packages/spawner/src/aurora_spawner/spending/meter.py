"""The usage meter: reads the use of a running attempt from its growing output."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from aurora_spawner.backends.dialects.claude import SYNTHETIC
from aurora_spawner.backends.events import UsageReported
from aurora_spawner.backends.reply_builder import Digest
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
"""The part of an output that is followed while the attempt runs; later use is known when the attempt ends."""


class UsageMeter:
    """The use of one attempt, read from its output."""

    def __init__(self, dialect: Dialect, stdout: Path) -> None:
        self._messages: dict[str, Usage] = {}
        self._dialect = _counting_messages(dialect, self._messages) if dialect.name == "claude" else dialect
        self._stream = EventStream(self._dialect)
        self._digest = Digest(self._dialect)
        self._stdout = stdout
        self._offset = 0

    @property
    def calls(self) -> tuple[Usage, ...]:
        """Use of each call of the model so far; empty for agents that report no single calls."""
        return tuple(self._messages.values())

    def read(self) -> Reply | None:
        """Returns the reply so far, with its use; None if the output has not grown.

        Raises:
            OSError: The output cannot be read, for example because the agent has replaced it by a pipe.
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
    """Returns Claude Code's dialect with the use of each message; the plain dialect reads only the total at the end.

    A message comes in several events, each with its use so far, so that the sum is never too large.
    """
    readers = dict(dialect.readers or {})
    read_rest = readers["assistant"]

    def assistant(event: Fields) -> Iterator[AgentEvent]:
        message = event.fields("message")
        if message.has("usage") and message.text("model") != SYNTHETIC:
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
