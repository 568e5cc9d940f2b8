"""The control client: sends requests to the coordinator of a run in another process."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.attempts.attempt_folder import SOCKET_NAME
from aurora_spawner.control.lookup import open_journal
from aurora_spawner.errors import PostRefusedError, SpawnerError
from aurora_spawner.journal.store import BUSY_WAIT_S
from aurora_spawner.journal.views import load_run
from aurora_spawner.storage.private_sockets import short_path
from aurora_spawner.storage.stored_values import document
from aurora_spawner.tasks.result import RunState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aurora_spawner.journal.views import RunRow

CHANGE_TIMEOUT_S: Final = BUSY_WAIT_S + 5
"""The longest wait for a change, which is durable before it is answered; another process may be writing, too."""
SOCKET_WAIT_S: Final = 3.0
"""The longest wait for a coordinator's socket: the journal names the coordinator a moment before that is there, and
the socket of a killed one may still be in its place."""
_PAUSE_S: Final = 0.05
PIECE_BYTES: Final = 64 << 10
ANSWER_LIMIT_BYTES: Final = 16 << 20
"""The longest answer; a longer one counts as no answer."""
STATUS_TIMEOUT_S: Final = 2.0
"""The longest wait for a status, which changes nothing."""


class NotRunningError(SpawnerError):
    """The run has no living coordinator that could do this."""

    def __init__(self, run_id: str, state: str) -> None:
        advice = "" if state in (RunState.SUCCEEDED, "over") else f"; continue it with: aur resume {run_id}"
        super().__init__(f"run {run_id} is not running: its state is {state}{advice}")
        self.run_id = run_id


class NoAnswerError(SpawnerError):
    """The coordinator lives and does not answer."""

    def __init__(self, run_id: str, pid: int, why: str) -> None:
        super().__init__(
            f"run {run_id}: its coordinator, process {pid}, does not answer ({why}); "
            f"SIGTERM to that process ends the run in order"
        )
        self.run_id = run_id
        self.pid = pid


def request_coordinator(journal: Path, run_id: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Sends a request to the coordinator of a run and returns the answer; see runs/control_server.py.

    Raises:
        UnknownRunError: The journal has no such run.
        NotRunningError: No coordinator executes it.
        NoAnswerError: Its coordinator does not answer, or not with an object.
        PostRefusedError: It does not take a post.
        SpawnerError: It refused something else.
    """
    until = time.monotonic() + SOCKET_WAIT_S
    while True:
        try:
            answer = _ask(journal, run_id, request)
        except NoAnswerError as error:
            if (
                not isinstance(error.__cause__, (FileNotFoundError, ConnectionRefusedError))
                or time.monotonic() >= until
            ):
                raise
            time.sleep(_PAUSE_S)
        else:
            break
    if answer.get("refused"):
        raise PostRefusedError(str(answer["refused"]), str(answer.get("error")))
    if not answer.get("ok"):
        raise SpawnerError(f"run {run_id}: {answer.get('error', 'refused')}")
    return answer


def _ask(journal: Path, run_id: str, request: Mapping[str, Any]) -> dict[str, Any]:
    with open_journal(journal, run_id) as store:
        run = load_run(store, run_id)
    if run.holder is None or not run.holder.alive():
        raise NotRunningError(run_id, str(run.state))
    if request.get("do") == "cancel":  # a coordinator that was stopped, as by Ctrl-Z, has to run to end it
        with suppress(ProcessLookupError, PermissionError):  # of another user's: it refuses the connection, too
            os.kill(run.holder.pid, signal.SIGCONT)
    return send_request(run, request, pid=run.holder.pid, timeout_s=CHANGE_TIMEOUT_S)


def send_request(run: RunRow, request: Mapping[str, Any], *, pid: int, timeout_s: float) -> dict[str, Any]:
    """Sends a request to the living coordinator `pid` and returns the answer.

    Raises:
        NoAnswerError: It does not answer in time.
    """
    try:
        with short_path(run.spool / run.run_id) as place, socket.socket(socket.AF_UNIX) as line:
            until = time.monotonic() + timeout_s
            line.settimeout(timeout_s)
            line.connect(str(place / SOCKET_NAME))
            line.sendall(json.dumps(request).encode("ascii") + b"\n")
            return document(_first_line(line, until).decode())
    except (OSError, ValueError, RecursionError) as error:
        raise NoAnswerError(run.run_id, pid, str(error) or type(error).__name__) from error


def _first_line(line: socket.socket, until: float) -> bytes:
    """Returns what comes up to a line end, a hang-up or the limit.

    Raises:
        TimeoutError: It did not come by `until`, on the monotonic clock.
    """
    answer = bytearray()
    while len(answer) < ANSWER_LIMIT_BYTES and not answer.endswith(b"\n"):
        left_s = until - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        line.settimeout(left_s)
        piece = line.recv(PIECE_BYTES)
        if not piece:
            break
        answer += piece
    return bytes(answer)
