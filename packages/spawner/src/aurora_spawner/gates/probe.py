"""The probe of the policy gate: the real hook, started as a CLI starts it, with a harmless and a dangerous call."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_spawner.gates.hook import ALLOWED, DENIED
from aurora_spawner.gates.hook_command import SOCKET_NAME, HookCommand
from aurora_spawner.gates.hook_request import HEADER_LIMIT_BYTES, read_header
from aurora_spawner.gates.reading import UnreadableCallError, read_call
from aurora_spawner.gates.tool_calls import GateAction, ToolCall
from aurora_spawner.storage.private_sockets import bound_socket, short_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aurora_spawner.gates.tool_calls import ToolCallGate

HARMLESS: Final = "true"
DANGEROUS: Final = "rm -rf /"
LIMIT_S: Final = 20.0


def probe_gate(gate: ToolCallGate) -> str:
    """Returns what is wrong with the gate; "" if its hook lets a harmless call pass and stops a dangerous one.

    Where the user's own rules stop even the harmless one, the hook has to stop it too.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="aurora-") as name:
            folder = Path(name)
            harmless = _answer(_call(HARMLESS, folder), gate, folder)
            with _answering(gate, folder):
                for command, expected in ((HARMLESS, 0 if harmless == ALLOWED else DENIED), (DANGEROUS, DENIED)):
                    status = _status_for(command, folder)
                    if status != expected:
                        return f"its hook answers {command!r} with exit status {status}, not {expected}"
    except (OSError, subprocess.SubprocessError) as error:
        return f"its hook cannot be tried: {error}"
    return ""


def _status_for(command: str, folder: Path) -> int:
    hook = HookCommand(socket=folder / SOCKET_NAME, token="probe", answer_limit_s=LIMIT_S, reach_limit_s=LIMIT_S)  # noqa: S106
    with subprocess.Popen(
        ["/bin/sh", "-c", hook.shell],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # a group of its own, so that nothing of a hook that hangs is left
    ) as tried:
        try:
            tried.communicate(_call(command, folder), timeout=2 * LIMIT_S)
        except BaseException as error:  # Ctrl-C of the terminal does not reach that group
            os.killpg(tried.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise OSError("it gives no answer") from None
            raise
    return tried.returncode


def _call(command: str, folder: Path) -> bytes:
    return json.dumps({"tool_name": "Bash", "tool_input": {"command": command}, "cwd": str(folder)}).encode()


@contextmanager
def _answering(gate: ToolCallGate, folder: Path) -> Iterator[None]:
    """Answers hooks by a thread while this is open."""
    with short_path(folder) as place, bound_socket(place / SOCKET_NAME) as server:
        server.listen()
        thread = threading.Thread(target=_answer_all, args=(server, gate, folder), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(LIMIT_S)


def _answer_all(server: socket.socket, gate: ToolCallGate, folder: Path) -> None:
    while True:
        try:
            line, _ = server.accept()
        except OSError:  # it was shut down
            return
        with line, suppress(OSError):  # the hook hangs or has ended, and how it ends is looked at
            line.settimeout(LIMIT_S)
            with line.makefile("rb") as sent:
                _token, length = read_header(sent.readline(HEADER_LIMIT_BYTES))
                line.sendall(_answer(sent.read(length), gate, folder))


def _answer(sent: bytes, gate: ToolCallGate, folder: Path) -> bytes:
    try:
        reported = read_call(sent)
    except UnreadableCallError as error:
        return f"deny\n{error}".encode()
    call = ToolCall(
        task_id="", agent="", tool=reported.tool, uses=reported.uses, cwd=folder, workspace=folder, isolated=False
    )
    verdict = gate.judge(call)
    return ALLOWED if verdict.action is GateAction.ALLOW else f"deny\n{verdict.reason}".encode()
