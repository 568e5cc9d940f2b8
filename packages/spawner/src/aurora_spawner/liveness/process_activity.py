"""Activity samples of running attempts: their processes, their output, and the thing that they wait for."""

from __future__ import annotations

import contextlib
import re
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

from aurora_spawner.attempts.attempt_folder import AttemptFolder
from aurora_spawner.liveness.stall_detection import ActivitySample
from aurora_spawner.storage.regular_files import open_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aurora_spawner.attempts.executor import RunningAttempt

TABLE_AGE_S: Final = 0.1
"""Samples of several attempts within this time share one read of the process table."""
TOOL_AFTER_S: Final = 2.0
"""A child that starts this long after its agent is a tool, not a part of the agent."""
NEW_BYTES: Final = 64 << 10
"""The most that is read of the output since the last sample, to find a new line."""
KNOWN_LINES: Final = 5_000
COMMAND_LENGTH: Final = 200
WAKE_UP_BYTES: Final = 64
"""A call for fewer bytes is a wake-up, no work: Codex reads 32 for each file that any process opens in /etc."""
_NUMBERS: Final = re.compile(r"\d+")
_INPUT_WAITS: Final = ("pipe_read", "anon_pipe_read", "wait_for_partner", "n_tty_read", "fifo_open")
"""Kernel functions in which a process sleeps until another process writes."""


@dataclass(slots=True)
class WatchedAttempt:
    """An attempt and the part of its output that earlier samples have read."""

    running: RunningAttempt
    read_to: dict[str, int] = field(default_factory=dict)
    lines: set[str] = field(default_factory=set)


class LivenessProbe:
    """A probe that takes activity samples; one serves all attempts of a run.

    Args:
        clock: Seconds, on a clock that does not go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._children: dict[int, list[int]] = {}
        self._read_at = float("-inf")

    def sample(self, watched: WatchedAttempt) -> ActivitySample:
        """Returns the present activity of an attempt."""
        files = AttemptFolder(path=watched.running.folder)
        new_output = [self._has_new_line(watched, path) for path in (files.stdout, files.stderr)]
        agent = files.read_agent_pid()
        tree = _Tree()
        here = watched.running.supervisor.here
        for pid in self._below(watched.running.supervisor.pid) if here else ():
            tree.add(pid, agent)
        supervisor = _process(watched.running.supervisor.pid) if here else None
        if supervisor is not None:
            with contextlib.suppress(psutil.Error):
                times = supervisor.cpu_times()
                tree.cpu_s += times.children_user + times.children_system
        tool = tree.tool()
        return ActivitySample(
            at=self._clock(),
            output_bytes=sum(_size(path) for path in (files.stdout, files.stderr)),
            output_at=self.last_output(watched.running),
            new_output=any(new_output),
            cpu_s=tree.cpu_s,
            queued_s=tree.queued_s,
            io_bytes=tree.io_bytes,
            commands=frozenset(tree.commands),
            tool=tool,
            model_wait=_holds_connection(tree.pids),
            input_wait=bool(tree.pids) and _waits_for_input(tree.pids),
        )

    def last_output(self, running: RunningAttempt) -> float:
        """Returns the time at which the output last grew, on this clock."""
        files = AttemptFolder(path=running.folder)
        age = time.time() - max(_changed_at(path) for path in (files.stdout, files.stderr))
        return self._clock() - max(0.0, age)

    def _below(self, root: int) -> list[int]:
        """Returns all living descendants of a process."""
        if sys.platform != "linux":
            process = _process(root)
            return [child.pid for child in process.children(recursive=True)] if process else []
        if self._clock() - self._read_at > TABLE_AGE_S:
            self._children = _children_by_parent()
            self._read_at = self._clock()
        found = list(self._children.get(root, ()))
        for pid in found:
            found.extend(self._children.get(pid, ()))
        return found

    def _has_new_line(self, watched: WatchedAttempt, path: Path) -> bool:
        """Returns True if the output has a line that is new, numbers ignored."""
        start, end = watched.read_to.get(path.name, 0), _size(path)
        watched.read_to[path.name] = end
        if end <= start:
            return False
        if len(watched.lines) > KNOWN_LINES:  # an output with so many new lines is no heartbeat
            watched.lines.clear()
        try:
            with open_regular(path) as file:
                file.seek(max(start, end - NEW_BYTES))
                text = file.read(NEW_BYTES).decode("utf-8", errors="replace")
        except OSError:
            return False
        lines = {_NUMBERS.sub("#", line.strip())[:COMMAND_LENGTH] for line in text.splitlines() if line.strip()}
        new = lines - watched.lines
        watched.lines |= new
        return bool(new)


class _Tree:
    """The sums over all processes of an attempt."""

    def __init__(self) -> None:
        self.pids: list[int] = []
        self.cpu_s = 0.0
        self.queued_s: dict[int, float] = {}
        self.io_bytes: dict[int, int] = {}
        self.commands: set[str] = set()
        self._agent_started: float | None = None
        self._tools: list[tuple[float, str]] = []

    def add(self, pid: int, agent: int | None) -> None:
        """Adds one process; a process that has ended in between is ignored."""
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                times, words, started = process.cpu_times(), process.cmdline(), process.create_time()
        except psutil.Error:
            return
        self.pids.append(pid)
        self.cpu_s += times.user + times.system + times.children_user + times.children_system
        self.commands.add(_NUMBERS.sub("#", " ".join(words))[:COMMAND_LENGTH])
        if pid == agent:
            self._agent_started = started
        else:
            self._tools.append((started, _short_name(words)))
        if (queued_s := _queued_s(pid)) is not None:
            self.queued_s[pid] = queued_s
        with contextlib.suppress(psutil.Error, AttributeError):
            counted = process.io_counters()
            calls = counted.read_count + counted.write_count
            self.io_bytes[pid] = counted.read_chars + counted.write_chars - WAKE_UP_BYTES * calls

    def tool(self) -> str | None:
        """Returns the command of the youngest child that is a tool."""
        agent_at = self._agent_started
        later = [tool for tool in self._tools if agent_at is not None and tool[0] - agent_at >= TOOL_AFTER_S]
        return max(later)[1] if later else None


def _short_name(words: list[str]) -> str:
    """Returns the usual name of a command: its program, with the script if the program is an interpreter."""
    if not words:
        return "a process"
    name = Path(words[0]).name
    given = [word for word in words[1:] if not word.startswith("-")]
    if name.startswith(("python", "node", "sh", "bash", "dash", "zsh", "ruby", "perl")) and given:
        return " ".join([name, *Path(given[0].split()[0] if given[0].split() else name).name.split()])[:60]
    return name[:60]


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.Error:
        return None


def _children_by_parent() -> dict[int, list[int]]:
    table: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError):
                fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
                if fields[0] not in "ZX":
                    table[int(fields[1])].append(int(entry.name))
    return table


def _queued_s(pid: int) -> float | None:
    """Returns the seconds in which threads of a process waited for a processor; None where no kernel says it."""
    total_ns, known = 0, False
    for schedule in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError, ValueError, IndexError):  # the thread has ended
            total_ns += int(schedule.read_text(encoding="ascii").split()[1])
            known = True
    return total_ns / 1e9 if known else None


def _holds_connection(pids: Iterable[int]) -> bool:
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            connections = psutil.Process(pid).net_connections(kind="tcp")
            if any(each.status == psutil.CONN_ESTABLISHED for each in connections):
                return True
    return False


def _waits_for_input(pids: Iterable[int]) -> bool:
    """Returns True if a process of the attempt sleeps until another one writes (Linux only)."""
    for pid in pids:
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/wchan").read_text(encoding="ascii").strip() in _INPUT_WAITS:
                return True
    return False


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
