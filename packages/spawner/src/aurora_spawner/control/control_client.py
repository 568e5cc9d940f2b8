"""Speak to the coordinator of a run from another process."""

from __future__ import annotations

import json
import os
import signal
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.control.lookup import open_journal
from aurora_spawner.errors import SpawnerError
from aurora_spawner.journal.store import BUSY_WAIT_S
from aurora_spawner.journal.views import load_run
from aurora_spawner.runs.control_server import SOCKET_NAME, reachable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aurora_spawner.journal.views import RunRow

CHANGE_LIMIT_S: Final = BUSY_WAIT_S + 5
"""How long a change may take that has to be written down first, while another process writes, too."""
ANSWER_LIMIT_BYTES: Final = 16 << 20
"""Of one answer; a longer one is cut, and so is none."""
GLANCE_LIMIT_S: Final = 2.0
"""How long a question is waited for that changes nothing."""


class NotRunningError(SpawnerError):
    """Nobody coordinates the run, so nobody can be told to do this."""

    def __init__(self, run_id: str, state: str) -> None:
        super().__init__(f"run {run_id} is not running (it is {state}); resume it first")
        self.run_id = run_id


class NoAnswerError(SpawnerError):
    """The coordinator lives and cannot be spoken to."""

    def __init__(self, run_id: str, pid: int, why: str) -> None:
        super().__init__(
            f"run {run_id}: its coordinator, process {pid}, does not answer ({why}); "
            f"SIGTERM to that process ends the run in order"
        )
        self.run_id = run_id
        self.pid = pid


def ask_coordinator(journal: Path, run_id: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Sends a request to the coordinator of a run; see control.py.

    Raises:
        UnknownRunError: The journal has no such run.
        NotRunningError: Nobody coordinates it.
        NoAnswerError: Its coordinator cannot be spoken to.
        SpawnerError: The coordinator refused.
    """
    with open_journal(journal, run_id) as store:
        run = load_run(store, run_id)
    if run.holder is None or not run.holder.alive():
        raise NotRunningError(run_id, str(run.state))
    if request.get("do") == "cancel":  # whoever stopped it, as by Ctrl-Z, wants it to end now
        with suppress(ProcessLookupError):
            os.kill(run.holder.pid, signal.SIGCONT)
    answer = ask(run, request, pid=run.holder.pid, limit_s=CHANGE_LIMIT_S)
    if not answer.get("ok"):
        raise SpawnerError(f"run {run_id}: {answer.get('error', 'refused')}")
    return answer


def ask(run: RunRow, request: Mapping[str, Any], *, pid: int, limit_s: float) -> dict[str, Any]:
    """Sends a request to a coordinator that lives as `pid`.

    Raises:
        NoAnswerError: It does not answer within the limit.
    """
    try:
        with reachable(run.spool / run.run_id) as place, socket.socket(socket.AF_UNIX) as line:
            line.settimeout(limit_s)
            line.connect(str(place / SOCKET_NAME))
            line.sendall(json.dumps(request).encode("ascii") + b"\n")
            with line.makefile("rb") as answers:
                answer = json.loads(answers.readline(ANSWER_LIMIT_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise NoAnswerError(run.run_id, pid, str(error) or type(error).__name__) from error
    return answer if isinstance(answer, dict) else {}
