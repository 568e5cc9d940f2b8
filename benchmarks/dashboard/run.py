"""Measure what `aur dashboard` costs while agents work; writes results.md beside this file, or peer.md with a peer.

    python benchmarks/dashboard/run.py                 about five minutes; needs Chromium
    python benchmarks/dashboard/run.py --peer FOLDER   beside a peer's board, in a virtual environment there:
                                                       FOLDER/bin/pip install kanbot==0.9.11

A run of 1,000 tasks works in the background, 16 agents at once, each a real process of 4 seconds. First paint is what
Chromium reports for a page that it has not loaded before; the first one is of a server that has read nothing yet. The
time of an event is that from the journal's own time of the start or end of a task to the change of its row in the
page. The share of a core is the server's own processor time, user and system, over SECONDS of wall time; it and the
processor time of a page say what Aurora does where the wall time says how busy the machine is, too. In a session an
agent says a piece every 50 ms; the time of a piece is that from the journal's own time of its note to the page.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.dashboard.open_pages import kept_open
from benchmarks.dashboard.painting import paints_ms
from benchmarks.dashboard.peer import VERSION, PeerFigures, measured_peer
from tests.cli.chromium import chromium, chromium_path

from aurora_spawner.control.checkpoints import list_checkpoints
from aurora_spawner.control.lookup import find_run, is_held
from aurora_spawner.journal.store import Journal
from aurora_spawner.runs.noted_run import notes_in

if TYPE_CHECKING:
    from tests.cli.chromium import Browser

AUR = Path(sys.executable).with_name("aur")
HERE = Path(__file__).resolve().parent
TASKS, AT_ONCE, PAGES, SECONDS, PAINTS, PIECES = 1_000, 16, 20, 30.0, 9, 200
CHANGES_PER_S = 2 * AT_ONCE / 4
"""Starts and ends: each of the tasks at once takes 4 s."""
ROWS = "tr[id^=task-]"
SETTLE_S = 6.0
TALKER = Path(__file__).resolve().parents[2] / "tests" / "talking_agent.py"
CONFIG = f"""
backends:
  talker: {{kind: command, command: [{sys.executable}, {TALKER}], conversation: json-lines}}
  worker:
    kind: command
    command: ["sh", "-c", "for i in $(seq 20); do echo step $i of the work; sleep 0.2; done"]
"""
WATCH = """
window.changes = [];
const marks = new Map();
new MutationObserver(() => {
  for (const row of document.querySelectorAll("tr[id^=task-]")) {
    const mark = row.cells[0].textContent.trim()[0];
    if (marks.has(row.id) && marks.get(row.id) !== mark) {
      changes.push([row.cells[1].textContent.trim(), mark, Date.now() / 1000]);
    }
    marks.set(row.id, mark);
  }
}).observe(document.querySelector("tbody"), { childList: true, subtree: true });
0
"""


GROWN = """
window.grown = [];
new MutationObserver(() => {
  const pieces = [...document.querySelectorAll("#turns [id^=turn-2-] .words")].map((each) => each.textContent);
  grown.push([pieces.join("").length, Date.now() / 1000]);
}).observe(document.querySelector("#turns"), { childList: true, subtree: true, characterData: true });
0
"""


BESIDE = f"""
KanBot {VERSION} is a board of cards for coding agents, with a server, a database and a web page of its own. It was
measured in the same run, after ours had ended: {TASKS:,} cards, of which {CHANGES_PER_S:.0f} a second change their
state, as many as tasks start or end in ours; if its page could not follow, fewer cards, as the table says. Its page
asks other addresses for a font and a terminal; they were not reached, as without a network. It shows cards that wait
and the last few that have ended, and has no run, no graph and no timeline. Its server does no work for agents here;
ours reads the journal of a coordinator that works beside it. On a busy machine both wait for a processor: the columns
can be compared, and the targets are for a machine that has nothing else to do ([results.md](results.md)).
"""


class Server:
    """A dashboard in a process of its own."""

    def __init__(self, project: Path) -> None:
        self.process = subprocess.Popen(
            [AUR, "dashboard", "--port", "0"],
            cwd=project,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout
        self.address = self.process.stdout.readline().strip()
        self._seen = psutil.Process(self.process.pid)
        while True:
            try:
                answer = httpx.get(self.address)
                break
            except httpx.ConnectError:
                time.sleep(0.02)
        self.place = answer.headers["location"].rstrip("/")
        self.cookie = answer.headers["set-cookie"].split(";")[0]

    def cpu_s(self) -> float:
        times = self._seen.cpu_times()
        return times.user + times.system

    def memory_mb(self) -> float:
        return float(self._seen.memory_info().rss) / 1e6

    def share(self, seconds: float) -> float:
        """Returns the percentage of a core that it takes from now on."""
        before, began = self.cpu_s(), time.monotonic()
        time.sleep(seconds)
        return 100 * (self.cpu_s() - before) / (time.monotonic() - began)

    def stream(self, path: str) -> socket.socket:
        """Opens a stream of events."""
        where = urlsplit(self.address)
        opened = socket.create_connection((where.hostname, where.port))
        opened.sendall(
            f"GET {self.place}{path} HTTP/1.1\r\nHost: {where.netloc}\r\nCookie: {self.cookie}\r\n\r\n".encode()
        )
        return opened

    def end(self) -> None:
        self.process.terminate()
        self.process.wait()


def delays_ms(browser: Browser, address: str, journal: Path, run_id: str) -> list[float]:
    """Returns for each start and end of a task the time until its row says so."""
    page = browser.page()
    page.open(address)
    time.sleep(SETTLE_S)
    page.run(WATCH)
    time.sleep(SECONDS)
    changes = page.run("changes")
    page.ask("Page.close")
    rows = {row.task_id: row for row in find_run(journal, run_id)[1]}
    found = []
    for name, mark, at in changes:
        row = rows[name.split()[0]]
        begun = row.started_at if mark == "●" else row.ended_at
        if begun is not None:
            found.append((at - begun) * 1e3)
    return found


def pieces_ms(browser: Browser, server: Server, project: Path) -> list[float]:
    """Returns for each piece of an answer the time until the page shows it."""
    talk = subprocess.Popen(
        [AUR, "interact", "say:hello", "--agent", "talker"],
        cwd=project,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert talk.stdin
    assert talk.stdout
    try:
        session_id = json.loads(talk.stdout.readline())["id"]
        while '"turn_over"' not in talk.stdout.readline():
            pass
        page = browser.page()
        page.open(f"{server.address.partition('/?')[0]}{server.place}/runs/{session_id}")
        time.sleep(SETTLE_S)
        page.run(GROWN)
        talk.stdin.write(json.dumps({"say": f"slow:{PIECES}"}) + "\n")
        talk.stdin.flush()
        page.wait("document.querySelector('#turn-2-end')")
        seen = page.run("grown")
        page.ask("Page.close")
    finally:
        talk.kill()
        talk.wait()
    long, found = 0, []
    with Journal(project / ".aurora" / "runs.db", make=False) as store:
        said = [each for each in notes_in(store, session_id) if each.topic == "said"]
    for note in said[1:]:
        long += len(note.note["text"])
        found.append(1e3 * (next(at for length, at in seen if length >= long) - note.at))
    return found


def measured(project: Path, run_id: str, journal: Path, browser: Browser) -> list[tuple[str, str, str, str]]:
    path, stream = f"/runs/{run_id}", f"/stream/{run_id}?after=99999999999999"
    server = Server(project)
    try:
        enter = browser.page()
        enter.open(server.address)
        where = server.address.partition("/?")[0] + server.place + path
        before = server.cpu_s()
        first, _ = paints_ms(browser, where, ROWS, TASKS)
        of_first = server.cpu_s() - before
        paints, whole = zip(*(paints_ms(browser, where, ROWS, TASKS) for _ in range(PAINTS)), strict=True)
        enter.ask("Page.close")
        delays = sorted(delays_ms(browser, where, journal, run_id))
        pieces = sorted(pieces_ms(browser, server, project))
        time.sleep(12)
        alone = server.memory_mb()
        with kept_open([server.stream(stream) for _ in range(PAGES)]):
            time.sleep(SETTLE_S)
            busy = server.share(SECONDS)
            many = server.memory_mb()
            silent = [server.stream(stream) for _ in range(PAGES)]
            time.sleep(SECONDS)
            stuck = server.memory_mb()
            for each in silent:
                each.close()
        assert is_held(journal, run_id), "the run ended while it was watched; give it more to do"
    finally:
        server.end()
    p95 = delays[int(len(delays) * 0.95)]
    return [
        ("", "first paint of the run's page, of a server that has just started", f"{first:.0f} ms", "≤ 300 ms"),
        ("", "of that, processor time of the server", f"{1e3 * of_first:.0f} ms", ""),
        (
            "paint",
            f"first paint later, median of {PAINTS} (longest)",
            f"{statistics.median(paints):.0f} ms ({max(paints):.0f})",
            "≤ 300 ms",
        ),
        (
            "whole",
            f"all {TASKS:,} tasks on the page, median of {PAINTS} (longest)",
            f"{statistics.median(whole):.0f} ms ({max(whole):.0f})",
            "",
        ),
        (
            "event",
            "from the journal to the page, median (95 %, longest)",
            f"{statistics.median(delays):.0f} ms ({p95:.0f}, {delays[-1]:.0f}), of {len(delays)}",
            "≤ 200 ms",
        ),
        (
            "",
            f"a piece of an answer, from the journal to the page, median of {len(pieces)} (95 %, longest)",
            f"{statistics.median(pieces):.0f} ms ({pieces[int(len(pieces) * 0.95)]:.0f}, {pieces[-1]:.0f})",
            "≤ 200 ms",
        ),
        ("share", f"share of a core with {PAGES} pages of the run open", f"{busy:.1f} %", "≤ 5 %"),
        ("alone", "memory without an open page", f"{alone:.0f} MB", "bounded"),
        ("many", f"memory with {PAGES} pages", f"{many:.0f} MB", "bounded"),
        ("", f"memory with {PAGES} more that read nothing, after {SECONDS:.0f} s", f"{stuck:.0f} MB", "bounded"),
    ]


def shown(found: list[tuple[str, str, str, str]], peer: PeerFigures | None) -> str:
    """Returns the figures as a table, with a column for the peer if it was measured."""
    if peer is None:
        rows = [["what", "measured", "target"], ["---"] * 3, *([what, ours, goal] for _, what, ours, goal in found)]
    else:
        rows = [["what", "measured", f"KanBot {VERSION}", "target"], ["---"] * 4]
        rows += [[what, ours, peer.get(name, ""), goal] for name, what, ours, goal in found]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", type=Path, help="the virtual environment of the peer")
    peer_venv = parser.parse_args().peer
    browser_path = chromium_path()
    assert browser_path, "Chromium is not installed"
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="aurora-dashboard-") as place, chromium(browser_path) as browser:
        folder = Path(place).resolve()
        os.environ.update(HOME=str(folder / "home"), AURORA_TRUST="1")
        project = folder / "project"
        for each in (folder / "home", project / ".aurora"):
            each.mkdir(parents=True)
        (project / ".aurora" / "config.yaml").write_text(CONFIG)
        (project / "tasks.md").write_text(
            "".join(f"- [ ] {i} Do part {i} of the work\n" for i in range(1, TASKS + 1))
        )
        start = ("spawn", "tasks.md", "--bg", "--yes", "--tool", "worker", "--max-concurrent", str(AT_ONCE))
        subprocess.run([AUR, *start], cwd=project, check=True, capture_output=True)
        journal = project / ".aurora" / "runs.db"
        run_id = list_checkpoints(journal)[0].run.run_id
        try:
            found = measured(project, run_id, journal, browser)
        finally:
            subprocess.run([AUR, "cancel", run_id, "--at-once"], cwd=project, check=True, capture_output=True)
        peer = None
        if peer_venv is not None:
            (folder / "peer").mkdir()
            peer = measured_peer(
                peer_venv.resolve(),
                folder / "peer",
                browser,
                tasks=TASKS,
                changes_per_s=CHANGES_PER_S,
                pages=PAGES,
                seconds=SECONDS,
                paints=PAINTS,
            )
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    report = f"""# What the dashboard costs, measured

Written by `python benchmarks/dashboard/run.py{" --peer FOLDER" if peer else ""}`
on {datetime.now(UTC):%Y-%m-%d}: {machine},
load before the start {load:.1f}.
A run of {TASKS:,} tasks, {AT_ONCE} at once, each a process of 4 s, works all the time.

{shown(found, peer)}
{BESIDE if peer else ""}"""
    (HERE / ("peer.md" if peer else "results.md")).write_text(report, encoding="utf-8")
    print(report)


if __name__ == "__main__":
    main()
