"""Turns for a session that another process holds: said to it through its control socket."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from aurora_spawner.control.control_client import request_coordinator
from aurora_spawner.errors import AgentActsError, SpawnerError
from aurora_spawner.storage.private_sockets import REQUEST_LIMIT_BYTES
from aurora_spawner.supervision.belonging import own_attempt

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["say_in_session"]

_TEXT_LIMIT_BYTES: Final = REQUEST_LIMIT_BYTES - 1024
"""The longest text of a request, as JSON."""


def say_in_session(journal: Path, run_id: str, text: str) -> int | None:
    """Says a turn in a session of another process, and returns its number: it is in the journal, and is sent.

    Returns:
        None if another turn runs; nothing was sent.

    Raises:
        NotRunningError: No process holds the session.
        NoAnswerError: Its process does not answer.
        AgentActsError: This process belongs to an agent.
        SpawnerError: The turn was refused.
    """
    if own_attempt() is not None:
        raise AgentActsError("a turn of a session")
    if len(json.dumps(text)) > _TEXT_LIMIT_BYTES:
        raise SpawnerError(
            f"a turn from an attached terminal has at most {_TEXT_LIMIT_BYTES:,} bytes as JSON; "
            "put the text into a file and name that"
        )
    answer = request_coordinator(journal, run_id, {"do": "say", "text": text})
    number = answer.get("turn")
    return number if isinstance(number, int) else None
