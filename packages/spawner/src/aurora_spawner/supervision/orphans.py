"""Orphaned processes: found and ended after an attempt's supervisor was killed."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import psutil

from aurora_spawner.attempts.process_identity import start_time_of
from aurora_spawner.supervision.environment import TOKEN_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from aurora_spawner.attempts.process_identity import ProcessIdentity

PROC = Path("/proc")
SWEEP_LIMIT_S = 5.0
SWEEP_PERIOD_S = 0.02
NOTHING_KNOWN: Final[Mapping[int, int]] = MappingProxyType({})


def find_orphans(token: str, *, session: int | None, known: Mapping[int, int] = NOTHING_KNOWN) -> list[int]:
    """Returns the pids of an attempt's living processes and of their descendants.

    These processes carry the attempt's token in their environment, belong to its agent's session, or were recorded by
    its supervisor. The session counts only while its leader carries the token or is gone: the pid may belong to
    another process by now. Our own session never counts, even if a process in it carries the token.

    Args:
        known: Start times by pid of the processes that the supervisor recorded.
    """
    mark = f"{TOKEN_VARIABLE}={token}".encode("ascii")
    marked = [pid for pid in psutil.pids() if pid != os.getpid() and mark in environment_of(pid)]
    sessions = {_session(pid) for pid in marked} - {None, os.getsid(0)}
    if session is not None and session not in marked and _session(session) is None:
        sessions.add(session)
    related = [pid for pid in psutil.pids() if _session(pid) in sessions] if sessions else []
    noted = [pid for pid, start in known.items() if start and start_time_of(pid) == start]
    found = {*marked, *related, *noted}
    return sorted(pid for pid in found | (_descendants(found) if found else set()) if _session(pid) is not None)


def tokens_with_prefix(start: str) -> dict[int, str]:
    """Returns the tokens with this prefix that living processes carry in their environment, by pid."""
    mark = f"{TOKEN_VARIABLE}={start}".encode("ascii", errors="replace")
    found = {}
    for pid in psutil.pids():
        carried = next((each for each in environment_of(pid) if each.startswith(mark)), None)
        if carried is not None and _session(pid) is not None:
            found[pid] = carried.partition(b"=")[2].decode("ascii", errors="replace")
    return found


def end_orphans(
    token: str, *, session: int | None, known: Mapping[int, int] = NOTHING_KNOWN, limit_s: float = SWEEP_LIMIT_S
) -> list[int]:
    """Sends SIGKILL to an attempt's orphans until none is left; returns the pids that survived the time limit."""
    end = time.monotonic() + limit_s
    while orphans := find_orphans(token, session=session, known=known):
        if time.monotonic() > end:
            return orphans
        _kill(orphans)
        time.sleep(SWEEP_PERIOD_S)
    return []


def kill_process_tree(supervisor: ProcessIdentity, limit_s: float = SWEEP_LIMIT_S) -> list[int]:
    """Sends SIGKILL to all descendants of an unresponsive supervisor, then to the supervisor.

    The supervisor is the subreaper of its agent's orphans while it exists, stopped or not; so it is killed last.

    Returns:
        The pids that survived the time limit.
    """
    end = time.monotonic() + limit_s
    while supervisor.alive() and (living := _living(_descendants({supervisor.pid}))):
        if time.monotonic() > end:
            break
        _kill(living)
        time.sleep(SWEEP_PERIOD_S)
    while supervisor.alive():
        if time.monotonic() > end + limit_s:
            return [supervisor.pid, *_living(_descendants({supervisor.pid}))]
        _kill([supervisor.pid])
        time.sleep(SWEEP_PERIOD_S)
    return []


def _kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _living(pids: Iterable[int]) -> list[int]:
    return [pid for pid in pids if _session(pid) is not None]


def _descendants(roots: Collection[int]) -> set[int]:
    """Returns all descendants of these processes, without the calling process."""
    children: dict[int, list[int]] = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            children.setdefault(process.ppid(), []).append(process.pid)
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        born = set(children.get(waiting.pop(), ())) - found
        found |= born
        waiting.extend(born)
    return found - {os.getpid()}


def environment_of(pid: int) -> list[bytes]:
    """Returns the variables of a process, each whole: one attempt's token may be a prefix of another's."""
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
    """Returns the session of a living process; None if it has ended, reaped or not."""
    with suppress(OSError, psutil.Error):
        if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            return os.getsid(pid)
    return None
