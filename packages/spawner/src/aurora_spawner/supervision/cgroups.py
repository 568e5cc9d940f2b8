"""A cgroup for each attempt (Linux, version 2), where this process may make one: nothing leaves it unseen."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

END_LIMIT_S = 5.0
END_PERIOD_S = 0.01


def cgroup_for(token: str) -> Path | None:
    """Where the cgroup of an attempt is, or would be; None where there can be none."""
    base = own_cgroup()
    return base / f"aurora-{token}" if base is not None else None


@cache
def own_cgroup() -> Path | None:
    """This process's cgroup, if processes may be moved from it into new ones below it."""
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
    """Where version 2 is mounted; its options follow a lone dash, the mount point is the fifth word before it."""
    for line in _lines("/proc/self/mountinfo"):
        before, _dash, after = line.partition(" - ")
        if after.startswith("cgroup2 "):
            return Path(before.split(" ")[4])
    raise FileNotFoundError("no cgroup2 is mounted")


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8", errors="surrogateescape").splitlines()


def end_cgroup(path: Path, limit_s: float = END_LIMIT_S) -> list[int]:
    """SIGKILL all that is in a cgroup and remove it; returns what would not die within the limit."""
    end = time.monotonic() + limit_s
    while path.exists() and time.monotonic() < end:
        with suppress(OSError):
            (path / "cgroup.kill").write_text("1")
        with suppress(OSError):  # busy for a moment still, when its last process has just been killed
            path.rmdir()
        time.sleep(END_PERIOD_S)
    return _members(path)


def _members(path: Path) -> list[int]:
    with suppress(OSError):
        return [int(pid) for pid in (path / "cgroup.procs").read_text().split()]
    return []
