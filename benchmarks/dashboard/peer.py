"""A peer's board, measured as ours is: KanBot, a server with a web page on which coding agents have cards.

Its pages ask other addresses for fonts and a terminal; here nothing but loopback is reached, as on a machine without
a network. It has no run of many agents: its cards are made and changed through its API, as often as tasks start and
end in ours. The time of a change is that of the card's row in its database, as its API tells it.
"""

from __future__ import annotations

import base64
import os
import queue
import secrets
import socket
import statistics
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.dashboard.open_pages import kept_open
from benchmarks.dashboard.painting import paints_ms
from tests.cli.chromium import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.chromium import Browser

__all__ = ["VERSION", "PeerFigures", "measured_peer"]

VERSION = "0.9.11"
PeerFigures = dict[str, str]
"""Each figure by what it is of."""
CARDS = "#lanes .card"
SETTLE_S = 6.0
WATCH = """
window.changes = [];
const marks = new Map();
new MutationObserver(() => {
  for (const card of document.querySelectorAll("#lanes .card")) {
    const [name, mark] = [card.querySelector("h3").textContent, card.querySelector(".badge").textContent];
    if (marks.has(name) && marks.get(name) !== mark) { changes.push([name, mark, Date.now() / 1000]); }
    marks.set(name, mark);
  }
}).observe(document.querySelector("#lanes"), { childList: true, subtree: true });
0
"""


class Kanbot:
    """Its server, in a process of its own, with a board of many cards."""

    def __init__(self, venv: Path, folder: Path, cards: int) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        own = {"KANBOT_HOME": str(folder), "KANBOT_DB": str(folder / "kanbot.db"), "HOME": str(folder)}
        nowhere = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "no_proxy": "127.0.0.1"}
        self.process = subprocess.Popen(
            [venv / "bin" / "kanbot", "server", "--host", "127.0.0.1", "--port", str(self.port)],
            env={**os.environ, **own, **nowhere},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.address = f"http://127.0.0.1:{self.port}"
        self.client = httpx.Client(base_url=self.address, timeout=30, trust_env=False)
        self._seen = psutil.Process(self.process.pid)
        self._wait()
        self.board = self.client.post("/api/boards", json={"name": "shop"}).json()["board"]["id"]
        self.cards = [self._card(number) for number in range(1, cards + 1)]

    def _wait(self) -> None:
        answers = False
        while not answers:
            with suppress(httpx.ConnectError):
                answers = self.client.get("/api/health").is_success
            time.sleep(0.05)

    def _card(self, number: int) -> str:
        made = self.client.post(f"/api/boards/{self.board}/cards", json={"title": f"{number} Do part {number}"})
        return str(made.json()["id"])

    def keep(self, number: int) -> None:
        """Deletes all cards but so many."""
        for card in self.cards[number:]:
            self.client.delete(f"/api/cards/{card}")
        self.cards = self.cards[:number]

    def change(self, card: str, status: str) -> float:
        """Changes the state of a card; returns when, Unix time."""
        return float(self.client.patch(f"/api/cards/{card}", json={"status": status}).json()["updated_at"])

    def cpu_s(self) -> float:
        times = self._seen.cpu_times()
        return times.user + times.system

    def memory_mb(self) -> float:
        return float(self._seen.memory_info().rss) / 1e6

    def listen(self) -> socket.socket:
        """Opens the connection that a page keeps."""
        opened = socket.create_connection(("127.0.0.1", self.port))
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        lines = ("GET /ws/web HTTP/1.1", f"Host: 127.0.0.1:{self.port}", "Upgrade: websocket", "Connection: Upgrade")
        more = (f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", "")
        opened.sendall("\r\n".join([*lines, *more]).encode())
        return opened

    def end(self) -> None:
        self.client.close()
        self.process.terminate()
        self.process.wait()


@contextmanager
def _changing(peer: Kanbot, each_s: float) -> Iterator[dict[tuple[str, str], float]]:
    """Changes one card after another; yields when each took which state, by its number."""
    over, times = threading.Event(), {}

    def change() -> None:
        for round_of in ("queued", "idle") * 99:
            for number, card in enumerate(peer.cards, 1):
                if over.wait(each_s):
                    return
                times[str(number), round_of] = peer.change(card, round_of)

    changing = threading.Thread(target=change, daemon=True)
    changing.start()
    try:
        yield times
    finally:
        over.set()
        changing.join()


def measured_peer(
    venv: Path,
    folder: Path,
    browser: Browser,
    *,
    tasks: int,
    changes_per_s: float,
    pages: int,
    seconds: float,
    paints: int,
) -> PeerFigures:
    """Returns the figures of its board; those of changes with as many cards as its page can follow."""
    peer = Kanbot(venv, folder, tasks)
    try:
        painted = [paints_ms(browser, peer.address, CARDS, tasks) for _ in range(paints)]
        delays: list[float] = []
        while not delays and peer.cards:
            delays = _delays_ms(peer, browser, changes_per_s, seconds)
            held = len(peer.cards)
            if not delays:
                peer.keep(held // 3)
        alone = peer.memory_mb()
        with _changing(peer, 1 / changes_per_s), kept_open([peer.listen() for _ in range(pages)]):
            time.sleep(SETTLE_S)
            before, began = peer.cpu_s(), time.monotonic()
            time.sleep(seconds)
            share = 100 * (peer.cpu_s() - before) / (time.monotonic() - began)
            many = peer.memory_mb()
    finally:
        peer.end()
    first, whole = zip(*painted, strict=True)
    late = delays[int(len(delays) * 0.95)]
    behind = "" if held == tasks else f", with {held} cards; with {held * 3} its page was {LIMIT_S:.0f} s behind"
    return {
        "paint": f"{statistics.median(first):.0f} ms ({max(first):.0f})",
        "whole": f"{statistics.median(whole):.0f} ms ({max(whole):.0f})",
        "event": f"{statistics.median(delays):.0f} ms ({late:.0f}, {delays[-1]:.0f}), of {len(delays)}{behind}",
        "share": f"{share:.1f} %",
        "alone": f"{alone:.0f} MB",
        "many": f"{many:.0f} MB",
    }


def _delays_ms(peer: Kanbot, browser: Browser, changes_per_s: float, seconds: float) -> list[float]:
    """Returns the time from each change to the page, ascending; nothing if the page does not answer any longer."""
    page = browser.page()
    page.open(peer.address)
    page.wait(f"document.querySelectorAll({CARDS!r}).length >= {len(peer.cards)}")
    page.run(WATCH)
    with _changing(peer, 1 / changes_per_s) as times:
        time.sleep(seconds)
    try:
        seen = page.run("changes")
    except queue.Empty:
        return []
    finally:
        browser.tell("Page.close", session=page.session)
    found = [(at - times[name.split()[0], mark]) * 1e3 for name, mark, at in seen if (name.split()[0], mark) in times]
    return sorted(found)
