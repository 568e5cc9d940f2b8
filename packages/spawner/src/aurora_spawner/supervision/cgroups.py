"""A cgroup for each attempt (Linux, version 2), if this process may create one: no descendant escapes it."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

END_LIMIT_S = 5.0
END_PERIOD_S = 0.01


def cgroup_for(token: str) -> Path | None:
    """Returns the path of an attempt's cgroup, which need not exist; None if this process cannot create cgroups."""
    base = own_cgroup()
    return base / f"aurora-{token}" if base is not None else None


@cache
def own_cgroup() -> Path | None:
    """Returns this process's cgroup, if it can move processes into new cgroups below; else None."""
    try:
        mount = _mount_point()
        path = next(line[3:] for line in _lines("/proc/self/cgroup") if line.startswith("0::"))
        base = mount / path.lstrip("/")
        probe = base / f"aurora-probe-{os.getpid()}"
        probe.mkdir()
        probe.rmdir()
    except (OSError, StopIteration):
        return None
    return base if os.access(base / "cgroup.procs", os.W_OK) else None


def _mount_point() -> Path:
    """Returns the mount point of cgroup version 2: the fifth word before the lone dash of its line."""
    for line in _lines("/proc/self/mountinfo"):
        before, _dash, after = line.partition(" - ")
        if after.startswith("cgroup2 "):
            return Path(before.split(" ")[4])
    raise FileNotFoundError("no cgroup2 is mounted")


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8", errors="surrogateescape").splitlines()


def end_cgroup(path: Path, limit_s: float = END_LIMIT_S) -> list[int]:
    """Kills all processes of a cgroup and removes it; returns the pids that survived the time limit."""
    end = time.monotonic() + limit_s
    while path.exists() and time.monotonic() < end:
        with suppress(OSError):
            (path / "cgroup.kill").write_text("1")
        with suppress(OSError):  # busy for a moment after its last process was killed
            path.rmdir()
        time.sleep(END_PERIOD_S)
    return _members(path)


def _members(path: Path) -> list[int]:
    with suppress(OSError):
        return [int(pid) for pid in (path / "cgroup.procs").read_text().split()]
    return []
