"""Measure what `aur interact` adds to a turn, and what an agent that stays saves; writes results.md beside this file.

    python benchmarks/interact/run.py [--write]           about five minutes

The agents are real CLIs, cut off from the network, with a simulated model that answers at once. Each is talked with
twice at the same time: by `aur interact`, and directly over its own protocol, by turns one after the other, so that
the load is the same. A turn lasts from its writing to the end that the agent reports; the first one includes the
start of the agent. `sessions.py` measures the memory of many sessions at once.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.interact.sessions import measured_sessions, shown_sessions
from tests.cli import talks
from tests.cli.talks import AGENT, Talk
from tests.e2e.cut_off import Cell, open_cell
from tests.e2e.stage import Stage
from tests.e2e.wirings import SETTINGS, address, search_path, wiring, write_settings

from aurora_spawner.backends.base import AttemptRequest, with_events
from aurora_spawner.backends.cli import CliBackend
from aurora_spawner.backends.command import CommandBackend
from aurora_spawner.backends.events import Failed, SessionStarted, Succeeded
from aurora_spawner.backends.model.backend import ModelBackend
from aurora_spawner.backends.stream import EventStream
from aurora_spawner.conversations.acp import messages
from aurora_spawner.conversations.acp.reading import INITIALIZE, NEW, message_in
from aurora_spawner.conversations.acp.wire import AcpWire
from aurora_spawner.conversations.app_server import AppServerWire
from aurora_spawner.conversations.claude_control import ARGUMENTS, ClaudeControlWire
from aurora_spawner.conversations.json_lines import JsonLinesWire
from aurora_spawner.conversations.transports import talking_backend
from aurora_spawner.tasks.task import SpawnTask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_spawner.backends.base import Backend
    from aurora_spawner.backends.fields import Fields
    from aurora_spawner.conversations.wire import Wire

HERE = Path(__file__).resolve().parent
TURNS = 15
SESSIONS = 20
PATIENCE_S = 300.0
"""Many programs start at once, maybe on a busy machine."""
TEXT = "Please say something"
PLAY = "crowd"
ACP = {"gemini": "Gemini CLI", "opencode": "OpenCode", "qwen": "Qwen Code", "copilot": "Copilot CLI"}
"""The agents that are talked with in ACP, and their titles."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """An agent and the way in which it is talked with."""

    name: str
    config: dict[str, Any]
    wire: Wire | None = None
    """Its protocol; None for one process a turn."""
    words: tuple[str, ...] = ()
    """Further words of its command."""

    def backend(self) -> Backend:
        """Returns the backend that the configuration means."""
        given: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in self.config.items()
        }
        kind = given.pop("kind")
        if kind == "command":
            return CommandBackend(name="agent", **given)
        if kind == "model":
            return ModelBackend(name="agent", **given)
        return CliBackend(name="agent", kind=kind, **given)


@dataclass
class Times:
    """The seconds of each turn, and of the first one."""

    first: float = 0.0
    others: list[float] = field(default_factory=list)

    def add(self, seconds: float) -> None:
        """Takes the next turn."""
        if self.first:
            self.others.append(seconds)
        else:
            self.first = seconds

    @property
    def least(self) -> float:
        """The least of all but the first: whatever else runs can only add."""
        return min(self.others)


class Direct:
    """An agent that is talked with over its own protocol, without Aurora."""

    def __init__(self, case: Case, cell: Cell, folder: Path) -> None:
        self._case, self._cell, self._folder = case, cell, folder
        self._process: subprocess.Popen[bytes] | None = None
        self._stream: EventStream | None = None

    def turn(self) -> float:
        """Says a turn, and returns how long it took; a process that is not there is started."""
        start = time.perf_counter()
        if self._case.wire is None:
            self._begin().communicate(TEXT.encode())
            return time.perf_counter() - start
        if self._process is None:
            self._process = self._begin()
            self._stream = EventStream(self._case.wire.dialect)
            self._write(*self._case.wire.hello(None))
            if isinstance(self._case.wire, AcpWire):
                self._begin_session(self._case.wire)
            else:
                self._until(SessionStarted)
        self._write(self._case.wire.turn(TEXT))
        self._until(Succeeded)
        return time.perf_counter() - start

    def _begin_session(self, wire: AcpWire) -> None:
        self._response(INITIALIZE)
        self._write(messages.new_session(self._folder))
        wire.session = self._response(NEW).fields("result").text("sessionId")

    def _response(self, request: str) -> Fields:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = message_in(line.decode())
            if message is not None and message.text("id") == request and not message.has("method"):
                return message
        raise SystemExit(f"{self._case.name} has ended")

    def _begin(self) -> subprocess.Popen[bytes]:
        backend = with_events(talking_backend(self._case.backend()) if self._case.wire else self._case.backend())
        assert backend is not None
        home = self._folder / "home"
        if not home.exists():
            home.mkdir(parents=True)
            write_settings(self._case.config["kind"], home)
            # As the project has one: some agents keep a state of the work tree for each turn.
            subprocess.run(["git", "init", "-q"], cwd=self._folder, check=True)
        task = SpawnTask("talk", "agent", id="talk")
        order = backend.request(
            AttemptRequest(task=task, folder=self._folder, prompt_file=self._folder / "prompt", home=home)
        )
        for path, content in order.files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return subprocess.Popen(
            self._cell.inside(*order.command, *self._case.words),
            cwd=self._folder,
            env={**os.environ, "HOME": str(home), **order.env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def _write(self, *documents: Mapping[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(b"".join(json.dumps(each).encode() + b"\n" for each in documents))
        self._process.stdin.flush()

    def _until(self, wanted: type) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        assert self._stream is not None
        for line in self._process.stdout:
            for event in self._stream.feed(line):
                if isinstance(event, Failed):
                    raise SystemExit(f"{self._case.name}: {event.failure.text}")
                if isinstance(event, wanted):
                    return
        raise SystemExit(f"{self._case.name} has ended")

    def close(self) -> None:
        """Ends it."""
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()


def cases(cell: Cell, folder: Path) -> list[Case]:
    """Returns the agents that are installed here."""
    stage = Stage(cell=cell, folder=folder)
    for kind in ("claude", "codex"):
        stage.add_agent(kind, PLAY, f"bench-{kind}")
    claude, codex = (stage.backends[f"bench-{kind}"] for kind in ("claude", "codex"))
    model = {"kind": "model", "api": "openai", "model": "m", "base_url": f"{address(f'{PLAY}!', 'bench-m')}/v1"}
    program = {"kind": "command", "command": [sys.executable, str(AGENT)], "conversation": "json-lines"}
    found = [
        Case(name="Claude Code, its control protocol", config=claude, wire=ClaudeControlWire(), words=ARGUMENTS),
        Case(name="Codex, its app-server", config=codex, wire=AppServerWire(folder, hooked=False)),
        Case(name="Codex, one process a turn", config={**codex, "args": [*codex["args"], "--color", "never"]}),
        *(acp_case(kind, title, folder) for kind, title in ACP.items()),
        Case(name="a model, one call a turn", config=model),
        Case(name="a program in JSON Lines", config=program, wire=JsonLinesWire()),
    ]
    return [each for each in found if each.config["kind"] in ("model", "command") or _installed(each.config["kind"])]


def acp_case(kind: str, title: str, folder: Path) -> Case:
    """Returns the case of an agent in ACP, as its users have it."""
    config = wiring(kind, PLAY, f"bench-{kind}", folder)
    if kind == "opencode":
        del config["model"]  # which its own settings name, too
    if kind in SETTINGS:
        config["isolated"] = False
    return Case(name=f"{title}, in ACP", config=config, wire=AcpWire())


def _installed(kind: str) -> bool:
    return shutil.which(kind, path=search_path()) is not None


def measured(case: Case, cell: Cell, folder: Path, turns: int) -> tuple[Times, Times]:
    """Returns the times through Aurora and without it."""
    stage = Stage(cell=cell, folder=folder)
    stage.backends["agent"] = case.config
    folder.mkdir()
    stage.set_up()
    write_settings(case.config["kind"], stage.home)
    direct = Direct(case, cell, folder / "direct")
    ours, own = Times(), Times()
    sys.stderr.write(f"{case.name}\n")
    with ExitStack() as ends:
        ends.callback(direct.close)
        talk = Talk(stage.begin("interact", "--agent", "agent", stdin=subprocess.PIPE))
        ends.enter_context(talk.process)
        ends.callback(talk.process.kill)
        for _ in range(turns):
            own.add(direct.turn())
            start = time.perf_counter()
            talk.tell(say=TEXT)
            over = talk.until("turn_over")
            ours.add(time.perf_counter() - start)
            if over["state"] != "done":
                raise SystemExit(f"{case.name}: {over}")
        talk.leave()
    return ours, own


def shown(found: dict[str, tuple[Times, Times]], turns: int) -> str:
    """Returns the page with the table."""
    lines = [
        "# What a turn of `aur interact` costs, measured",
        "",
        f"Written by `python benchmarks/interact/run.py` on {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores,",
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, load at the end",
        f"{os.getloadavg()[0]:.1f}. Milliseconds of one session; of {turns - 1} turns after the first, the least.",
        "The simulated model answers at once. *Added*: the difference of both; the target is 50.",
        "",
        "| agent | first turn | further turns | directly: first | directly: further | added | first / further |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, (ours, own) in found.items():
        values = (ours.first, ours.least, own.first, own.least, ours.least - own.least)
        row = " | ".join(f"{1000 * each:.0f}" for each in values)
        lines.append(f"| {name} | {row} | {ours.first / ours.least:.1f} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Measures, prints the table and writes it if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--sessions", type=int, default=SESSIONS)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    os.environ["PATH"] = search_path()
    talks.PATIENCE_S = PATIENCE_S
    cell = open_cell()
    if isinstance(cell, str):
        raise SystemExit(cell)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = {
            case.name: measured(case, cell, folder / f"case-{number}", given.turns)
            for number, case in enumerate(cases(cell, folder))
        }
        cell.close()
        sys.stdout.write(turns := shown(found, given.turns))
        sys.stdout.write(memory := shown_sessions(measured_sessions(folder / "sessions", given.sessions)))
    if given.write:
        (HERE / "results.md").write_text(turns + memory, encoding="utf-8")


if __name__ == "__main__":
    main()
