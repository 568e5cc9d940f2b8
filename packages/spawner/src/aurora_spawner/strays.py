"""Find and end what an attempt left running after its supervisor was killed."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil

from aurora_spawner.environment import TOKEN_VARIABLE

PROC = Path("/proc")
SWEEP_LIMIT_S = 5.0
SWEEP_PERIOD_S = 0.02


def find_strays(token: str, *, session: int | None) -> list[int]:
    """Living processes that carry the attempt's token in their environment, or belong to its agent's session.

    The session counts only while its leader carries the token or is gone: the pid may be somebody else's by now. Our
    own session never counts, whoever in it carries the token.
    A process that both left the session and cleared its environment cannot be found this way.
    """
    mark = f"{TOKEN_VARIABLE}={token}".encode("ascii")
    marked = [pid for pid in psutil.pids() if pid != os.getpid() and mark in _environment(pid)]
    sessions = {_session(pid) for pid in marked} - {None, os.getsid(0)}
    if session is not None and session not in marked and _session(session) is None:
        sessions.add(session)
    related = [pid for pid in psutil.pids() if _session(pid) in sessions] if sessions else []
    return sorted({pid for pid in (*marked, *related) if _session(pid) is not None})


def tokens_that_begin_with(start: str) -> dict[int, str]:
    """Living processes that carry such a token in their environment, each with its token."""
    mark = f"{TOKEN_VARIABLE}={start}".encode("ascii", errors="replace")
    found = {}
    for pid in psutil.pids():
        carried = next((each for each in _environment(pid) if each.startswith(mark)), None)
        if carried is not None and _session(pid) is not None:
            found[pid] = carried.partition(b"=")[2].decode("ascii", errors="replace")
    return found


def end_strays(token: str, *, session: int | None, limit_s: float = SWEEP_LIMIT_S) -> list[int]:
    """SIGKILL strays until none is found; returns those that would not die within the limit."""
    end = time.monotonic() + limit_s
    while strays := find_strays(token, session=session):
        if time.monotonic() > end:
            return strays
        for pid in strays:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(SWEEP_PERIOD_S)
    return []


def _environment(pid: int) -> list[bytes]:
    """Its variables, each whole: one attempt's token may be the beginning of another's."""
    if (PROC / "self").exists():
        with suppress(OSError):
            return (PROC / str(pid) / "environ").read_bytes().split(b"\0")
        return []
    return _environment_by_psutil(pid)


def _environment_by_psutil(pid: int) -> list[bytes]:
    with suppress(psutil.Error, OSError):
        return [f"{name}={value}".encode() for name, value in psutil.Process(pid).environ().items()]
    return []


def _session(pid: int) -> int | None:
    """The session of a living process; None for one that has ended, reaped or not."""
    with suppress(OSError, psutil.Error):
        if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            return os.getsid(pid)
    return None
