"""The identity of a process, which outlasts its pid: the system may give the pid to another process."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

import psutil

from aurora_spawner.storage.stored_values import read_fields

_START_FIELD = 19
"""The field of /proc/PID/stat after the name that holds the start time, in clock ticks since boot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessIdentity:
    """A process, distinguished from all others on any machine, before and after a reboot."""

    host: str
    boot_id: str
    namespace: str
    """The pid namespace: two containers on one machine number their processes separately."""
    pid: int
    start_time: int
    """Clock ticks since boot (Linux), else milliseconds since 1970."""

    def to_json(self) -> dict[str, str | int]:
        """Returns all fields as JSON values."""
        return {
            "host": self.host,
            "boot_id": self.boot_id,
            "namespace": self.namespace,
            "pid": self.pid,
            "start_time": self.start_time,
        }

    @classmethod
    def from_json(cls, stored: object) -> Self:
        """Returns the identity that `to_json` stored.

        Raises:
            StoredValueError: The value is not a stored identity.
        """
        return cls(**read_fields(cls, stored))

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    @property
    def here(self) -> bool:
        """True if its pid is valid here: same machine, same boot, same pid namespace."""
        return (self.host, self.boot_id, self.namespace) == (host_name(), boot_id(), pid_namespace())

    @property
    def of_this_machine(self) -> bool:
        """True if it ran on this machine in this process's pid namespace, before or after a reboot."""
        return (self.host, self.namespace) == (host_name(), pid_namespace())

    @property
    def elsewhere(self) -> str:
        """The pool or host that runs an attempt whose supervisor is no process of a known number; else ""."""
        return "" if self.pid else self.host

    def alive(self) -> bool:
        """Returns True if exactly this process still runs; a zombie does not run."""
        return self.here and start_time_of(self.pid) == self.start_time


def identify(pid: int) -> ProcessIdentity | None:
    """Returns the identity of a running process of this machine; None if no process has that pid."""
    start_time = start_time_of(pid)
    if start_time is None:
        return None
    return ProcessIdentity(
        host=host_name(), boot_id=boot_id(), namespace=pid_namespace(), pid=pid, start_time=start_time
    )


def own_identity() -> ProcessIdentity:
    """Returns the identity of this process."""
    identity = identify(os.getpid())
    assert identity is not None
    return identity


def start_time_of(pid: int) -> int | None:
    """Returns the start time of a running process; None if it has ended, reaped or not."""
    if sys.platform != "linux":
        return _start_time_by_psutil(pid)
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:  # noqa: PTH123 -- asked for several times a task
            stat = file.read()
    except OSError:
        return None
    fields = stat.rpartition(b")")[2].split()
    return None if fields[0] in (b"Z", b"X") else int(fields[_START_FIELD])


def _start_time_by_psutil(pid: int) -> int | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else int(process.create_time() * 1000)
    except psutil.Error:
        return None


@cache
def boot_id() -> str:
    """Returns the boot id, which changes with every boot of the machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return str(int(psutil.boot_time()))


@cache
def host_name() -> str:
    """Returns the name of this machine."""
    return socket.gethostname()


@cache
def pid_namespace() -> str:
    """Returns this process's pid namespace; empty if the system has no namespaces."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
