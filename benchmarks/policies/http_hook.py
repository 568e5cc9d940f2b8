"""Measure what each form of Claude Code's hooks costs a tool call; writes http_hook.md beside this file.

    python benchmarks/policies/http_hook.py          about two minutes; needs Claude Code, see tools/install_agents.py

Real Claude Code, cut off from the network, with a stand-in for its model that asks for the same harmless command
again and again. The time is from the stand-in's answer to the next request, which has the result of the command. Both
gates allow everything at once, so what differs is the form.
"""

from __future__ import annotations

import contextlib
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.e2e.alone import run_alone
from tests.e2e.cut_off import open_cell
from tests.e2e.http_gate import http_gate
from tests.e2e.wirings import search_path

from aurora_spawner.gates.hook import ALLOWED
from aurora_spawner.gates.hook_command import SOCKET_NAME, HookCommand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.cut_off import Cell

HERE: Final = Path(__file__).resolve().parent
ROUNDS: Final = 12
PORT: Final = 8422
FORMS: Final = ("no hook", "a command, as Aurora wires it", "HTTP")
PLAY: Final = "cheap"
"""Six times the same command, and a last word."""


def main() -> None:
    """Prints the figures, and writes them."""
    load = os.getloadavg()[0]
    took: dict[str, list[float]] = {form: [] for form in FORMS}
    cell = open_cell()
    if isinstance(cell, str):
        raise SystemExit(cell)
    with contextlib.closing(cell), tempfile.TemporaryDirectory() as name:
        for number in range(ROUNDS):
            for form in FORMS:
                took[form] += times_of(form, cell, Path(name) / f"{FORMS.index(form)}-{number}")
    table = "\n".join(line_of(form, times) for form, times in took.items())
    version = subprocess.run(
        ["claude", "--version"], env={**os.environ, "PATH": search_path()}, capture_output=True, text=True, check=True
    ).stdout.split()[0]
    system = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    report = f"""# The forms of Claude Code's hooks, measured

Written by `python benchmarks/policies/http_hook.py` on {datetime.now(UTC):%Y-%m-%d}: Claude Code {version}, {system},
load before the start {load:.1f}. Milliseconds from a model's answer to the next request, with one `echo`
between them; the first call of each session is left out.

| | calls | least | lower quartile | median |
|---|---|---|---|---|
{table}
"""
    (HERE / "http_hook.md").write_text(report, encoding="utf-8")
    print(report)


def times_of(form: str, cell: Cell, folder: Path) -> list[float]:
    """Returns the seconds between the requests of one session."""
    key = folder.name
    if form == "HTTP":
        with http_gate("allows", PORT, cell) as settings:
            run_alone("claude", cell, folder, play=PLAY, key=key, args=("--settings", settings))
    elif form == "no hook":
        run_alone("claude", cell, folder, play=PLAY, key=key)
    else:
        folder.mkdir()
        with allowing(folder / SOCKET_NAME):
            hook = HookCommand(socket=folder / SOCKET_NAME, token="token")
            run_alone("claude", cell, folder / "run", play=PLAY, key=key, hook=hook)
    asked = [each["at"] for each in cell.asked(key)]
    return [later - earlier for earlier, later in pairwise(asked[1:])]


@contextlib.contextmanager
def allowing(place: Path) -> Iterator[None]:
    """Lets every call pass at this socket, by a thread."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place))
        server.listen()
        thread = threading.Thread(target=allow_all, args=(server,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def allow_all(server: socket.socket) -> None:
    """Answers until the socket is shut down."""
    with contextlib.suppress(OSError):
        while True:
            line, _ = server.accept()
            with line, line.makefile("rb") as sent:
                sent.read(int(sent.readline().split()[1]))
                line.sendall(ALLOWED)


def line_of(form: str, times: list[float]) -> str:
    """Returns a line of the table."""
    ordered = sorted(1000 * each for each in times)
    quartile = ordered[len(ordered) // 4]
    return f"| {form} | {len(ordered)} | {ordered[0]:.0f} | {quartile:.0f} | {statistics.median(ordered):.0f} |"


if __name__ == "__main__":
    main()
