"""Sessions of questions as lines and as data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_cli.render.moments import to_the_minute
from aurora_cli.render.words import count, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_soar.sessions import Session

__all__ = ["as_documents", "as_lines"]


def as_lines(sessions: Sequence[Session]) -> Iterator[str]:
    """Yields a line for each session: its name, its latest turn, and its first question."""
    width = max((len(each.id) for each in sessions), default=0)
    for each in sessions:
        turns, first = count(len(each.turns), "turn"), one_line(each.turns[0].asked, 70)
        yield f"{each.id:<{width}}  {to_the_minute(each.last_at)}  {turns}  {first}"


def as_documents(sessions: Sequence[Session]) -> list[dict[str, object]]:
    """Returns sessions with their turns as data for `--json`."""
    return [{"id": each.id, "turns": [turn.model_dump(mode="json") for turn in each.turns]} for each in sessions]
