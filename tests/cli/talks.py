"""`aur interact` as another program drives it: lines of JSON in, lines of JSON out."""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from tests.warm_python import WarmPopen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from subprocess import Popen

AUR: Final = Path(sys.executable).with_name("aur")
AGENT: Final = Path(__file__).resolve().parents[1] / "talking_agent.py"
NO_SHELLS: Final[Mapping[str, str]] = MappingProxyType({})
PATIENCE_S = 30.0
"""Longer where real agents or many programs start."""


def talking_config(folder: Path) -> str:
    """A configuration with scripted agents: `bot` keeps its sessions, `fresh` none, `cat` answers once."""
    python = json.dumps(sys.executable)
    bot = f"[{python}, {json.dumps(str(AGENT))}, {json.dumps(str(folder))}]"
    return (
        "tool: bot\nbackends:\n"
        f"  bot: {{kind: command, command: {bot}, conversation: json-lines}}\n"
        f"  fresh: {{kind: command, command: [{python}, {json.dumps(str(AGENT))}], conversation: json-lines}}\n"
        "  cat: {kind: command, command: [cat]}\n"
    )


def talking_project(root: Path, shells: Mapping[str, str] = NO_SHELLS, *, tool: str = "bot") -> None:
    """Sets up a project with the scripted agents, whose sessions are kept beside it.

    Args:
        shells: further agents, by name: each is a script of a shell.
    """
    sessions = root.parent / "sessions"
    sessions.mkdir()
    (root / ".aurora").mkdir(exist_ok=True)
    more = (f"  {name}: {{kind: command, command: [sh, -c, {json.dumps(each)}]}}\n" for name, each in shells.items())
    config = talking_config(sessions).replace("tool: bot", f"tool: {tool}") + "".join(more)
    (root / ".aurora" / "config.yaml").write_text(config)


@contextmanager
def talks_begun(begin: Callable[..., Talk] | None = None) -> Iterator[Callable[..., Talk]]:
    """Yields what begins a talk, `begin_talk` by default; what is left of its talks is killed at the end."""
    begun: list[Talk] = []

    def call(*args: str) -> Talk:
        begun.append(talk := (begin or begin_talk)(*args))
        return talk

    try:
        yield call
    finally:
        for talk in begun:
            with talk.process:
                talk.process.kill()


def begin_talk(*args: str, command: str = "interact") -> Talk:
    """Starts a command of `aur` in this folder that talks in lines."""
    return Talk(
        WarmPopen(
            [AUR, command, *args],
            env=dict(os.environ),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            text=True,
            encoding="utf-8",
            process_group=0,
        )
    )


class Talk:
    """One process that talks."""

    def __init__(self, process: Popen[str]) -> None:
        self.process = process
        self.seen: list[dict[str, Any]] = []
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def tell(self, **request: Any) -> None:
        """Writes a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def until(self, event: str, **fields: Any) -> dict[str, Any]:
        """Reads up to an event with these fields."""
        while line := self._lines.get(timeout=PATIENCE_S):
            document = json.loads(line)
            self.seen.append(document)
            if document["event"] == event and fields.items() <= document.items():
                return dict(document)
        assert self.process.stderr is not None
        raise AssertionError(f"no {event} {fields} in {self.seen}\n{self.process.stderr.read()}")

    def say(self, text: str) -> str:
        """Says a turn, and returns what is answered."""
        before = len(self.seen)
        self.tell(say=text)
        self.until("turn_over")
        return "".join(each["text"] for each in self.seen[before:] if each["event"] == "text")

    @property
    def id(self) -> str:
        """The session's."""
        found = self.seen[0] if self.seen else self.until("session")
        return str(found["id"])

    def kill(self) -> None:
        """Kills it as nothing can be prevented."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def leave(self) -> int:
        """Ends the input, reads everything, and returns the exit status."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        while line := self._lines.get(timeout=PATIENCE_S):
            self.seen.append(json.loads(line))
        return self.process.wait(timeout=PATIENCE_S)
