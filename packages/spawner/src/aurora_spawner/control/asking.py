"""Asks a person from inside an agent: sends the question to the coordinator of its run, and waits for the answer."""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.errors import NotInsideAgentError, SpawnerError
from aurora_spawner.storage.private_sockets import short_path
from aurora_spawner.storage.stored_values import document
from aurora_spawner.supervision.environment import INBOX_VARIABLE, TOKEN_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["PersonAnswer", "ask_person"]

REACH_S: Final = 60.0
"""The longest wait for a coordinator, or for the next one after a kill."""
_PAUSE_S: Final = 0.2
ANSWER_LIMIT_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonAnswer:
    """The answer to a question of an agent.

    Attributes:
        text: None if nobody answered, and the question has no default.
        by: user, default or nobody.
    """

    text: str | None
    by: str


def ask_person(
    question: str, *, default: str | None, choices: Sequence[str], environ: Mapping[str, str] = os.environ
) -> PersonAnswer:
    """Asks a person, and returns when there is an answer; a coordinator that dies meanwhile is followed by the next.

    Raises:
        NotInsideAgentError: This process belongs to no agent of a run.
        SpawnerError: The coordinator refuses, or none can be reached.
    """
    inbox, token = environ.get(INBOX_VARIABLE), environ.get(TOKEN_VARIABLE)
    if not inbox or not token:
        raise NotInsideAgentError
    request = {"do": "ask", "token": token, "question": question, "default": default, "choices": list(choices)}
    until = time.monotonic() + REACH_S
    while True:
        connected = time.monotonic()
        try:
            said = _exchange(Path(inbox), request)
        except (OSError, ValueError, RecursionError) as error:
            if time.monotonic() - connected > 1:  # it was asked, and the coordinator has died since
                until = time.monotonic() + REACH_S
            if time.monotonic() > until:
                raise SpawnerError(f"the inbox of this run cannot be reached: {error}") from error
            time.sleep(_PAUSE_S)
            continue
        if not said.get("ok"):
            raise SpawnerError(f"the question was not asked: {said.get('error', 'refused')}")
        text = said.get("answer")
        return PersonAnswer(text=text if isinstance(text, str) else None, by=str(said.get("by")))


def _exchange(inbox: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """Sends the question and waits for the answer without a limit, as the run has its own.

    Raises:
        OSError: The coordinator is not there, or gone.
        ValueError: Its answer is no object.
    """
    with short_path(inbox.parent) as place, socket.socket(socket.AF_UNIX) as line:
        line.connect(str(place / inbox.name))
        line.sendall(json.dumps(request).encode("ascii") + b"\n")
        answer = bytearray()
        while len(answer) < ANSWER_LIMIT_BYTES and not answer.endswith(b"\n"):
            piece = line.recv(1 << 16)
            if not piece:
                raise ConnectionError("the coordinator hung up")
            answer += piece
    return document(answer.decode())
