"""Find and end what an attempt left running after its supervisor was killed."""

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


def find_strays(token: str, *, session: int | None, known: Mapping[int, int] = NOTHING_KNOWN) -> list[int]:
    """Living processes of an attempt, with everything below them.

    They carry the attempt's token in their environment, belong to its agent's session, or are those that its
    supervisor wrote down. The session counts only while its leader carries the token or is gone: the pid may be
    somebody else's by now. Our own session never counts, whoever in it carries the token.

    Args:
        known: Processes that are known to be the attempt's, by pid with their start time.
    """
    mark = f"{TOKEN_VARIABLE}={token}".encode("ascii")
    marked = [pid for pid in psutil.pids() if pid != os.getpid() and mark in _environment(pid)]
    sessions = {_session(pid) for pid in marked} - {None, os.getsid(0)}
    if session is not None and session not in marked and _session(session) is None:
        sessions.add(session)
    related = [pid for pid in psutil.pids() if _session(pid) in sessions] if sessions else []
    noted = [pid for pid, start in known.items() if start and start_time_of(pid) == start]
    found = {*marked, *related, *noted}
    return sorted(pid for pid in found | (_below(found) if found else set()) if _session(pid) is not None)


def tokens_that_begin_with(start: str) -> dict[int, str]:
    """Living processes that carry such a token in their environment, each with its token."""
    mark = f"{TOKEN_VARIABLE}={start}".encode("ascii", errors="replace")
    found = {}
    for pid in psutil.pids():
        carried = next((each for each in _environment(pid) if each.startswith(mark)), None)
        if carried is not None and _session(pid) is not None:
            found[pid] = carried.partition(b"=")[2].decode("ascii", errors="replace")
    return found


def end_strays(
    token: str, *, session: int | None, known: Mapping[int, int] = NOTHING_KNOWN, limit_s: float = SWEEP_LIMIT_S
) -> list[int]:
    """SIGKILL strays until none is found; returns those that would not die within the limit."""
    end = time.monotonic() + limit_s
    while strays := find_strays(token, session=session, known=known):
        if time.monotonic() > end:
            return strays
        _kill(strays)
        time.sleep(SWEEP_PERIOD_S)
    return []


def end_with_all_below(supervisor: ProcessIdentity, limit_s: float = SWEEP_LIMIT_S) -> list[int]:
    """SIGKILL a supervisor that does not do its work, and before it all that it has below it.

    While it exists, stopped or not, whatever its agent started and left comes back to it; so it goes last.

    Returns:
        Those that would not die within the limit.
    """
    end = time.monotonic() + limit_s
    while supervisor.alive() and (living := _living(_below({supervisor.pid}))):
        if time.monotonic() > end:
            break
        _kill(living)
        time.sleep(SWEEP_PERIOD_S)
    while supervisor.alive():
        if time.monotonic() > end + limit_s:
            return [supervisor.pid, *_living(_below({supervisor.pid}))]
        _kill([supervisor.pid])
        time.sleep(SWEEP_PERIOD_S)
    return []


def _kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _living(pids: Iterable[int]) -> list[int]:
    return [pid for pid in pids if _session(pid) is not None]


def _below(roots: Collection[int]) -> set[int]:
    """All descendants of these processes, without this one."""
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
