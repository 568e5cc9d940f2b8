"""The lines of a program that is attached: one JSON object each, in and out."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from aurora_cli.documents import Schema
from aurora_cli.interaction.answering import answer_question
from aurora_cli.interaction.input_lines import lines_of
from aurora_cli.interaction.requests import BadLineError, read_request
from aurora_cli.output import emit_json_line
from aurora_spawner.errors import SpawnerError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from aurora_cli.interaction.requests import Request

__all__ = ["emit_attached", "read_requests"]


def emit_attached(event: dict[str, Any]) -> None:
    """Writes an event."""
    emit_json_line(Schema.ATTACH_EVENT, event)


async def read_requests(journal: Path, other: Callable[[Request], Awaitable[None]]) -> None:
    """Takes the lines of standard input; answers at once, and hands on what is no answer. A bad line is an event.

    Args:
        other: takes what is no answer; it raises BadLineError for what has no meaning here.
    """
    number = 0
    async for line in lines_of(sys.stdin.fileno()):
        number += 1
        if not line.strip():
            continue
        try:
            request = read_request(line)
            if not await answer_question(journal, request):
                await other(request)
        except (BadLineError, SpawnerError) as error:
            emit_attached({"event": "error", "line": number, "problem": str(error)})
