"""A look at a running attempt: its processes, its output, and what it waits for."""

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
from aurora_spawner.liveness.stall_detection import Signs
from aurora_spawner.storage.regular_files import open_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aurora_spawner.attempts.executor import RunningAttempt

TABLE_AGE_S: Final = 0.1
"""Looks at several attempts at about the same time share one look at the system."""
TOOL_AFTER_S: Final = 2.0
"""A child that the agent started later than this after its own start is a tool, not a part of it."""
NEW_BYTES: Final = 64 << 10
"""Of the output since the look before, what is read to see whether it says something new."""
KNOWN_LINES: Final = 5_000
COMMAND_LENGTH: Final = 200
_NUMBERS: Final = re.compile(r"\d+")
_INPUT_WAITS: Final = ("pipe_read", "anon_pipe_read", "wait_for_partner", "n_tty_read", "fifo_open")
"""Where the kernel has a process sleep that waits for somebody to write."""


@dataclass(slots=True)
class Watched:
    """What one attempt had said at the look before."""

    running: RunningAttempt
    read_to: dict[str, int] = field(default_factory=dict)
    lines: set[str] = field(default_factory=set)


class Vitals:
    """Takes looks; one of these serves all attempts of a run.

    Args:
        clock: Seconds, never going back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._children: dict[int, list[int]] = {}
        self._read_at = float("-inf")

    def look(self, watched: Watched) -> Signs:
        """What can be seen of an attempt now."""
        files = AttemptFolder(path=watched.running.folder)
        said_new = [self._says_new(watched, path) for path in (files.stdout, files.stderr)]
        agent = files.read_agent_pid()
        seen = _Tree()
        for pid in self._below(watched.running.supervisor.pid):
            seen.add(pid, agent)
        supervisor = _process(watched.running.supervisor.pid)
        if supervisor is not None:
            with contextlib.suppress(psutil.Error):
                times = supervisor.cpu_times()
                seen.cpu_s += times.children_user + times.children_system
        tool = seen.tool()
        return Signs(
            at=self._clock(),
            output_bytes=sum(_size(path) for path in (files.stdout, files.stderr)),
            output_at=self.last_output(watched.running),
            said_new=any(said_new),
            cpu_s=seen.cpu_s,
            moved_bytes=seen.moved,
            commands=frozenset(seen.commands),
            tool=tool,
            model_wait=_holds_connection(seen.pids),
            input_wait=bool(seen.pids) and _waits_for_input(seen.pids),
        )

    def last_output(self, running: RunningAttempt) -> float:
        """When the output last grew, on this clock."""
        files = AttemptFolder(path=running.folder)
        age = time.time() - max(_changed_at(path) for path in (files.stdout, files.stderr))
        return self._clock() - max(0.0, age)

    def _below(self, root: int) -> list[int]:
        """All living descendants of a process."""
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

    def _says_new(self, watched: Watched, path: Path) -> bool:
        """Whether the output has a line now that it had not before, numbers aside."""
        start, end = watched.read_to.get(path.name, 0), _size(path)
        watched.read_to[path.name] = end
        if end <= start:
            return False
        if len(watched.lines) > KNOWN_LINES:  # who said so much that is new will not be taken for a heartbeat soon
            watched.lines.clear()
        try:
            with open_regular(path) as file:
                file.seek(max(start, end - NEW_BYTES))
                said = file.read(NEW_BYTES).decode("utf-8", errors="replace")
        except OSError:
            return False
        lines = {_NUMBERS.sub("#", line.strip())[:COMMAND_LENGTH] for line in said.splitlines() if line.strip()}
        new = lines - watched.lines
        watched.lines |= new
        return bool(new)


class _Tree:
    """What the processes of an attempt add up to."""

    def __init__(self) -> None:
        self.pids: list[int] = []
        self.cpu_s = 0.0
        self.moved: dict[int, int] = {}
        self.commands: set[str] = set()
        self._agent_began: float | None = None
        self._tools: list[tuple[float, str]] = []

    def add(self, pid: int, agent: int | None) -> None:
        """Takes in one process; one that has ended meanwhile is no matter."""
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                times, words, began = process.cpu_times(), process.cmdline(), process.create_time()
        except psutil.Error:
            return
        self.pids.append(pid)
        self.cpu_s += times.user + times.system + times.children_user + times.children_system
        self.commands.add(_NUMBERS.sub("#", " ".join(words))[:COMMAND_LENGTH])
        if pid == agent:
            self._agent_began = began
        else:
            self._tools.append((began, _short_name(words)))
        with contextlib.suppress(psutil.Error, AttributeError):
            counted = process.io_counters()
            self.moved[pid] = counted.read_chars + counted.write_chars

    def tool(self) -> str | None:
        """The youngest child that is a tool."""
        began = self._agent_began
        later = [tool for tool in self._tools if began is not None and tool[0] - began >= TOOL_AFTER_S]
        return max(later)[1] if later else None


def _short_name(words: list[str]) -> str:
    """What people call a command: its program, and where that only interprets, what it was given."""
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


def _holds_connection(pids: Iterable[int]) -> bool:
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            connections = psutil.Process(pid).net_connections(kind="tcp")
            if any(each.status == psutil.CONN_ESTABLISHED for each in connections):
                return True
    return False


def _waits_for_input(pids: Iterable[int]) -> bool:
    """Whether a process of the attempt sleeps until somebody writes (Linux; elsewhere it cannot be seen)."""
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
