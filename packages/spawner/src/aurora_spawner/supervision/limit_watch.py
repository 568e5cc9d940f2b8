"""The limits of one attempt: set where the kernel enforces them, and watched by what its processes use.

The supervisor loads this file by its path, and only for an attempt that has limits; it imports nothing of ours.
"""

# pathlib would cost 4 ms of import:
# ruff: noqa: PTH110, PTH118, PTH208
from __future__ import annotations

import math
import os
import resource

TYPE_CHECKING = False  # the module of that name would have to be imported
if TYPE_CHECKING:
    from collections.abc import Iterable

MIB = 1 << 20
THREADS_OF_A_PROCESS, SPARE_THREADS = 16, 256
"""The room of the kernel's own limit, which counts threads, and those of the user's other programs: it is for a fork
bomb that is faster than the looks."""
CPU_SPARE_S = 2
"""Seconds after which the kernel ends a single process that nobody watches any more, beyond the limit."""
TICKS = os.sysconf("SC_CLK_TCK")


class LimitWatch:
    """Compares what the processes of an attempt use with its limits.

    Args:
        word: The limits as bytes, processes and seconds, separated by commas; 0 for none.
    """

    def __init__(self, word: str) -> None:
        memory, processes, cpu = word.split(",")
        self.memory_bytes, self.processes, self.cpu_s = int(memory), int(processes), float(cpu)
        self.peak_bytes = 0

    def enter(self, cgroup: str) -> None:
        """Puts this process, which becomes the agent, into its cgroup, if any, and sets the kernel's limits."""
        write_existing(os.path.join(cgroup, "cgroup.procs"), "0")
        if self.cpu_s:
            seconds = math.ceil(self.cpu_s) + CPU_SPARE_S
            lower(resource.RLIMIT_CPU, seconds)
        if self.processes:
            lower(resource.RLIMIT_NPROC, own_threads() + self.processes * THREADS_OF_A_PROCESS + SPARE_THREADS)

    def limit_cgroup(self, cgroup: str) -> None:
        """Sets the limits of a cgroup, as far as it has those controllers."""
        if self.memory_bytes:
            write_existing(os.path.join(cgroup, "memory.max"), str(self.memory_bytes))
            write_existing(os.path.join(cgroup, "memory.swap.max"), "0")
            write_existing(os.path.join(cgroup, "memory.oom.group"), "1")
        if self.processes:
            write_existing(
                os.path.join(cgroup, "pids.max"), str(self.processes * THREADS_OF_A_PROCESS + SPARE_THREADS)
            )

    def end_cgroup(self, cgroup: str) -> None:
        """Ends all processes of a cgroup in one step, so that no fork bomb outruns it; without a cgroup, none."""
        write_existing(os.path.join(cgroup, "cgroup.kill"), "1")

    def exceeded(self, pids: Iterable[int], *, ended_cpu_s: float) -> str:
        """Returns the limit that living processes exceed, and by how much; "" if they exceed none.

        Args:
            ended_cpu_s: Processor time of the processes that have ended.
        """
        living = list(pids)
        if self.processes and len(living) > self.processes:
            return f"process limit {self.processes} exceeded ({len(living)} at once)"
        return self._cpu_exceeded(ended_cpu_s + sum(map(cpu_of, living))) or (
            self._memory_exceeded(living) if self.memory_bytes else ""
        )

    def _cpu_exceeded(self, used: float) -> str:
        if not self.cpu_s or used <= self.cpu_s:
            return ""
        return f"CPU limit {self.cpu_s:g} s exceeded ({used:.1f} s used)"

    def _memory_exceeded(self, living: list[int]) -> str:
        used = sum(memory_of(pid, "status", ("RssAnon:", "RssShmem:")) for pid in living)
        if used > self.memory_bytes:  # pages that several processes share were counted for each: count them once
            used = sum(memory_of(pid, "smaps_rollup", ("Pss_Anon:", "Pss_Shmem:")) for pid in living)
        self.peak_bytes = max(self.peak_bytes, used)
        return self._memory_text() if used > self.memory_bytes else ""

    def exceeded_in(self, cgroup: str) -> str:
        """Returns the limit that a cgroup has exceeded, as the kernel counts; "" if it has exceeded none.

        That of processor time also counts processes whose end nobody has waited for, and that of memory has ended
        processes already.
        """
        if over := self._cpu_exceeded(count_in(os.path.join(cgroup, "cpu.stat"), "usage_usec") / 1_000_000):
            return over
        if not self.memory_bytes or not count_in(os.path.join(cgroup, "memory.events"), "oom_kill"):
            return ""
        peak = read_existing(os.path.join(cgroup, "memory.peak")).strip()
        self.peak_bytes = max(self.peak_bytes, int(peak) if peak.isdigit() else self.memory_bytes)
        return self._memory_text()

    def _memory_text(self) -> str:
        return f"memory limit {self.memory_bytes / MIB:.0f} MiB exceeded (peak {self.peak_bytes / MIB:.0f} MiB)"


def lower(kind: int, value: int) -> None:
    """Lowers one of the kernel's limits; never raises it."""
    _soft, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def own_threads() -> int:
    """Returns the number of threads of this user."""
    count = 0
    for name in os.listdir("/proc") if os.path.exists("/proc/self/stat") else ():
        try:
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == os.getuid():  # noqa: PTH116
                count += int(stat_of(int(name))[17])
        except (OSError, IndexError):
            continue
    return count


def stat_of(pid: int) -> list[str]:
    """Returns the fields of /proc/PID/stat after the name; none for a process that has ended."""
    return read_existing(f"/proc/{pid}/stat").rpartition(")")[2].split()


def cpu_of(pid: int) -> float:
    """Returns the processor time of a process and of those children that it has waited for."""
    fields = stat_of(pid)
    return sum(map(int, fields[11:15])) / TICKS if len(fields) > 14 else 0.0


def memory_of(pid: int, name: str, lines: tuple[str, ...]) -> int:
    """Returns the sum of some lines of a file in /proc/PID, in bytes; 0 for a process that has ended."""
    found = [line.split() for line in read_existing(f"/proc/{pid}/{name}").splitlines() if line.startswith(lines)]
    return sum(int(words[1]) << 10 for words in found if len(words) > 1 and words[1].isdigit())


def count_in(path: str, name: str) -> int:
    """Returns a number of a file of names and numbers of the kernel; 0 if it is not there."""
    words = read_existing(path).split()
    found = dict(zip(words[::2], words[1::2], strict=False)).get(name, "")
    return int(found) if found.isdigit() else 0


def read_existing(path: str) -> str:
    """Returns the text of a file of the kernel; "" if it does not exist or its process has ended."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(descriptor, 1 << 16).decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def write_existing(path: str, text: str) -> None:
    """Writes into a file of the kernel, if it exists and may be written."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.write(descriptor, text.encode("ascii"))
    except OSError:
        return
    finally:
        os.close(descriptor)
