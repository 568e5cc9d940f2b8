"""The processes of this machine, as a supervisor sees, signals and adopts them.

The supervisor loads this file by its path; it imports nothing of ours.
"""

# ruff: noqa: PTH208 -- pathlib would cost 4 ms of import
from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # the public module adds enums and 3.5 ms; the names and values are the same
import os
import sys

TYPE_CHECKING = False  # the module of that name would have to be imported
if TYPE_CHECKING:
    from collections.abc import Callable

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""The signals that end an attempt."""
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

PRCTL: list[Callable[[int, int, int, int, int], int]] = []
"""The C library's function; a fork server looks it up once for all its forks."""


def prctl(option: int, value: int) -> None:
    """Sets one of Linux's process options."""
    load_prctl()
    PRCTL[0](option, value, 0, 0, 0)


def load_prctl() -> None:
    """Looks up the function before a fork: each page that a fork touches first costs a copy."""
    if not PRCTL:
        import ctypes

        PRCTL.append(ctypes.CDLL(None).prctl)


def become_subreaper() -> None:
    """Makes orphaned descendants children of this process, daemonised ones included (Linux)."""
    if sys.platform == "linux":
        prctl(PR_SET_CHILD_SUBREAPER, 1)


def read_small(path: str) -> str:
    """Returns a short text that the kernel or we wrote; the built-in `open` would take four times as long."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 4096).decode("utf-8", "replace")
    finally:
        os.close(descriptor)


def write_small(path: str, text: str) -> None:
    """Creates a file with a short text."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, text.encode("ascii"))
    finally:
        os.close(descriptor)


def process_stat(pid: int | str) -> list[str]:
    """Returns the fields of /proc/PID/stat after the name: [0] state, [1] parent, [2] group, [19] start in ticks."""
    return read_small(f"/proc/{pid}/stat").rpartition(")")[2].split()


def still_runs(pid: str, start: str) -> bool:
    """Returns True if the process of this pid and start time runs; a zombie does not."""
    try:
        if sys.platform != "linux":
            os.kill(int(pid), 0)
            return True
        fields = process_stat(pid)
    except OSError:
        return False
    return fields[0] not in "ZX" and fields[19] == start


def start_of(pid: int | str) -> str:
    """Returns a process's start time in clock ticks since boot; "0" if the system does not report it."""
    try:
        return process_stat(pid)[19] if sys.platform == "linux" else "0"
    except OSError:
        return "0"


def process_table() -> dict[int, tuple[int, int]]:
    """Returns the parent and group of each living process, by pid."""
    if sys.platform != "linux":
        return process_table_of_ps()
    table = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                fields = process_stat(name)
            except OSError:
                continue
            if fields[0] not in "ZX":
                table[int(name)] = (int(fields[1]), int(fields[2]))
    return table


def process_table_of_ps() -> dict[int, tuple[int, int]]:
    """Returns the process table from `ps`, for systems without /proc."""
    table = {}
    with os.popen("ps -Ao pid=,ppid=,pgid=,stat=") as listing:  # noqa: S605 -- fixed words
        for line in listing:
            pid, parent, group, state = line.split(None, 3)
            if not state.startswith("Z"):
                table[int(pid)] = (int(parent), int(group))
    return table


def descendants(agent: int) -> list[int]:
    """Returns all living descendants of this process, and the processes of the agent's group."""
    table = process_table()
    below = {os.getpid()}
    grown = True
    while grown:
        born = {pid for pid, (parent, _group) in table.items() if parent in below and pid not in below}
        grown = bool(born)
        below |= born
    below |= {pid for pid, (_parent, group) in table.items() if group == agent}
    below.discard(os.getpid())
    return sorted(below)


def send(pids: list[int], number: int) -> None:
    """Signals processes and wakes the stopped ones to receive it; skips those that have ended."""
    for pid in pids:
        try:
            os.kill(pid, number)
            os.kill(pid, signal.SIGCONT)
        except OSError:
            continue


BOOT_ID: list[str] = []
"""The boot id; a fork server reads it once for all its forks."""


def boot_id() -> str:
    """Returns the id of the machine's present boot; empty if the system has none."""
    if not BOOT_ID:
        try:
            BOOT_ID.append(read_small("/proc/sys/kernel/random/boot_id").strip())
        except OSError:
            BOOT_ID.append("")
    return BOOT_ID[0]


def signal_group(group: int, number: int) -> None:
    """Signals a process group and wakes its stopped processes to receive the signal."""
    for each in (number, signal.SIGCONT):
        try:
            os.killpg(group, each)
        except OSError:
            return
