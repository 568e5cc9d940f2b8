"""Requests of an agent to the coordinator of its own run, which it knows by its environment."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.errors import NotInsideAgentError, SpawnerError
from aurora_spawner.storage.private_sockets import REQUEST_LIMIT_BYTES, short_path
from aurora_spawner.storage.stored_values import document
from aurora_spawner.supervision.environment import INBOX_VARIABLE, TOKEN_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["has_own_run", "own_project", "request_own_run"]

REACH_S: Final = 60.0
"""The longest wait for a coordinator, or for the next one after a kill."""
_PAUSE_S: Final = 0.2
ANSWER_LIMIT_BYTES: Final = 2 << 20


def has_own_run(environ: Mapping[str, str] = os.environ) -> bool:
    """Returns True in a process of an agent of a run."""
    return bool(environ.get(INBOX_VARIABLE) and environ.get(TOKEN_VARIABLE))


def own_project(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Returns the folder of the project whose run an agent belongs to; None outside of one, or if it has none.

    The worktree of a task is no project, and a run keeps its files in that of its project.
    """
    inbox = Path(environ.get(INBOX_VARIABLE, ""))
    if not has_own_run(environ) or len(inbox.parents) < 4 or inbox.parents[2].name != ".aurora":
        return None
    return inbox.parents[3]


def request_own_run(
    request: Mapping[str, Any], *, what: str, environ: Mapping[str, str] = os.environ
) -> dict[str, Any]:
    """Sends a request with the token of this agent's attempt, and returns the answer, whatever it says.

    A coordinator that dies meanwhile is followed by the next, which gets the request again.

    Args:
        what: What the agent does by it, such as `ask`.

    Raises:
        NotInsideAgentError: This process belongs to no agent of a run.
        SpawnerError: The request is too long, or no coordinator can be reached.
    """
    inbox, token = environ.get(INBOX_VARIABLE), environ.get(TOKEN_VARIABLE)
    if not inbox or not token:
        raise NotInsideAgentError(what)
    line = json.dumps({**request, "token": token}).encode("ascii") + b"\n"
    if len(line) > REQUEST_LIMIT_BYTES:
        raise SpawnerError(f"this is too long: {len(line):,} bytes, and {REQUEST_LIMIT_BYTES:,} are the most")
    until = time.monotonic() + REACH_S
    while True:
        connected = time.monotonic()
        try:
            return _exchange(Path(inbox), line)
        except (OSError, ValueError, RecursionError) as error:
            if time.monotonic() - connected > 1:  # it was asked, and the coordinator has died since
                until = time.monotonic() + REACH_S
            if time.monotonic() > until:
                raise SpawnerError(f"the coordinator of this run cannot be reached: {error}") from error
            time.sleep(_PAUSE_S)


def _exchange(inbox: Path, request: bytes) -> dict[str, Any]:
    """Sends a request and waits for the answer without a limit, as the run has its own.

    Raises:
        OSError: The coordinator is not there, or gone.
        ValueError: Its answer is no object.
    """
    with short_path(inbox.parent) as place, socket.socket(socket.AF_UNIX) as line:
        line.connect(str(place / inbox.name))
        line.sendall(request)
        answer = bytearray()
        while len(answer) < ANSWER_LIMIT_BYTES and not answer.endswith(b"\n"):
            piece = line.recv(1 << 16)
            if not piece:
                raise ConnectionError("the coordinator hung up")
            answer += piece
    return document(answer.decode())
