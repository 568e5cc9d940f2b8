"""Pushes what has changed: each view reads once for all its pages, and every part of it has a version."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from aurora_cli.dashboard.pages import Drawn
from aurora_cli.dashboard.talks import DrawnTurns
from aurora_cli.error_messages import error_report
from aurora_cli.errors import CliError
from aurora_cli.watch.facts import Facts, Wanted
from aurora_core import AuroraCoreError
from aurora_soar.errors import SoarError
from aurora_spawner.conversations.kinds import SESSION_RUN
from aurora_spawner.conversations.session_reader import SessionReader
from aurora_spawner.errors import SpawnerError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from aurora_cli.dashboard.pages import Pages, Parts
    from aurora_cli.dashboard.places import Places
    from aurora_spawner.conversations.transcript import Transcript

__all__ = ["Hub", "View", "event"]

CHANGED_S: Final = 0.03
"""Between two looks whether the journal has changed, which cost next to nothing."""
GROWS_OLD_S: Final = 1.0
"""After this time a view is read again although nothing was written: times and last lines move on."""
SHORTEST_S: Final = 0.05
"""The shortest time between two reads of a view, however much is written."""
SHARE: Final = 0.05
"""The share of a core that the reads of a view may take; a large run is read less often."""
ALONE_S: Final = 10.0
"""A view without a page is read no longer after this time."""
LAST_LINES: Final = 60
"""Running tasks whose last line is read."""


@dataclass(slots=True)
class Seen:
    """The parts of a view for one kind of token, each with the version in which it changed last."""

    html: Parts = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    structure: int = 0
    """The version in which parts came or went; older pages have to load anew."""
    first: int = 0
    """The first version of all; a page that was hidden for long may be older, and has the same parts all the same."""

    def take(self, parts: Parts, version: int) -> bool:
        """Takes the parts as they are now; returns True if something is another.

        Turns that have come behind the others are put there by the pages themselves.
        """
        changed = [name for name, html in parts.items() if self.html.get(name) != html]
        names, known = [*parts], len(self.html)
        grown = (
            known > 0 and names[:known] == [*self.html] and all(each.startswith("turn-") for each in names[known:])
        )
        if parts.keys() != self.html.keys() and not grown:
            self.structure = version
            self.first = self.first or version
        elif not changed:
            return False
        self.versions.update(dict.fromkeys(changed, version))
        self.html = parts
        return True

    def since(self, version: int) -> Parts | None:
        """Returns the parts that changed after a version; None if a page of that version has to load anew.

        A page that is older than the first version gets all parts, and loads anew by itself if it lacks the place of
        one. A page of a session does so at once: it may have other pieces of an answer.
        """
        if 0 < version < self.structure == self.first and not any(name.startswith("turn-") for name in self.html):
            return dict(self.html)
        if version < self.structure:
            return None
        return {name: html for name, html in self.html.items() if self.versions[name] > version}


def event(kind: str, data: str, version: int | None = None) -> bytes:
    """Returns a server-sent event; its data has no line break."""
    number = f"id: {version}\n" if version is not None else ""
    return f"{number}event: {kind}\ndata: {data}\n\n".encode()


class View:
    """All runs, or one of them, as its pages see it.

    Args:
        run_id: None for all runs.
    """

    def __init__(self, places: Places, pages: Pages, run_id: str | None) -> None:
        self.run_id = run_id
        self._pages = pages
        self._reader = places.reader(run_id)
        self._drawn = Drawn()
        self._places = places
        self._talk: SessionReader | None = None
        self._turns = DrawnTurns(pages.turn_part)
        self.is_session = False
        self.at_work: str | None = None
        """The newest run that a process works on, of a view of all."""
        self._seen = {True: Seen(), False: Seen()}
        self.version = 0
        self.followers = 0
        self.is_over = False
        """True once it is read no longer: nobody is there, or reading it has failed."""
        self.left_at = time.monotonic()
        self._changed = asyncio.Event()
        self._lock = asyncio.Lock()
        self._read_at = float("-inf")
        self._took_s = (0.0, 0.0)
        """The processor time of the last two reads; the first one of a view takes far longer than the others."""
        self._sent: dict[tuple[int, int, bool], bytes] = {}
        """The last events that were sent; most pages have the same version."""
        self._running: tuple[str, ...] = ()

    async def refresh(self, *, within_s: float = 0.0) -> None:
        """Reads the view, unless it was read within the time."""
        async with self._lock:
            if time.monotonic() - self._read_at < within_s:
                return
            parts, took_s = await asyncio.to_thread(self._read)
            self._read_at = time.monotonic()
            self._took_s = (self._took_s[1], took_s)
            # Never below the clock: a page of an earlier server must not think itself newer.
            version = max(self.version + 1, time.time_ns() // 1_000_000)
            changed = [self._seen[may_act].take(found, version) for may_act, found in parts.items()]
            if any(changed):
                self.version = version
                self._changed.set()
                self._changed = asyncio.Event()

    def seen(self, *, may_act: bool) -> Seen:
        """Returns the parts as they were last read."""
        return self._seen[may_act]

    def change(self, after: int, *, may_act: bool) -> tuple[bytes, bool]:
        """Returns what brings a page of a version up to date, and True if that is another page."""
        key = (after, self.version, may_act)
        if key not in self._sent:
            parts = self._seen[may_act].since(after)
            if parts is None:
                return event("reload", "", self.version), True
            content = event("parts", json.dumps(parts), self.version) if parts else b": nothing new\n\n"
            self._sent = {each: sent for each, sent in self._sent.items() if each[:2] == key[:2]} | {key: content}
        return self._sent[key], False

    async def keep_fresh(self) -> None:
        """Reads the view again and again, as long as a page is open."""
        try:
            while self.followers or time.monotonic() - self.left_at < ALONE_S:
                since = time.monotonic() - self._read_at
                pause_s = max(SHORTEST_S, min(self._took_s) / SHARE)
                if since >= GROWS_OLD_S or (since >= pause_s and await asyncio.to_thread(self._has_changed)):
                    await self.refresh()
                await asyncio.sleep(CHANGED_S)
        finally:
            self.is_over = True
            self._changed.set()
            self._reader.close()
            if self._talk is not None:
                self._talk.close()

    async def changed(self, limit_s: float) -> None:
        """Waits for the next change, or for the time."""
        try:
            async with asyncio.timeout(limit_s):
                await self._changed.wait()
        except TimeoutError:
            return

    def _has_changed(self) -> bool:
        try:
            return self._reader.has_changed()
        except (SpawnerError, OSError):
            return True  # the read says why

    def _read(self) -> tuple[dict[bool, Parts], float]:
        """Returns the parts, and the processor time that it took to make them."""
        began = time.thread_time()
        facts = self._facts()
        live = facts.selected
        self._running = tuple(each.task for each in live.status.running[:LAST_LINES]) if live else ()
        self.at_work = next((each.run.run_id for each in facts.runs if each.status.pid is not None), None)
        return self._parts(facts), time.thread_time() - began

    def _parts(self, facts: Facts) -> dict[bool, Parts]:
        live = facts.selected
        self.is_session = self.run_id is not None and live is not None and live.run.kind == SESSION_RUN
        if not self.is_session or live is None:
            return self._pages.parts(facts, self.run_id, self._drawn)
        try:
            return self._pages.session_parts(facts, live, self._said(), self._turns)
        except (SpawnerError, AuroraCoreError, CliError) as error:
            self.is_session = False
            problem = error_report(error).message
            return self._pages.parts(replace(facts, problems=(*facts.problems, problem)), self.run_id, self._drawn)

    def _said(self) -> Transcript:
        if self._talk is None:
            aurora, own_id = self._places.of_run(self.run_id or "")
            self._talk = SessionReader(aurora.project.runs_db, own_id)
        return self._talk.look()

    def _facts(self) -> Facts:
        try:
            facts = self._reader.look(Wanted(run_id=self.run_id, tasks=self._running))
        except (SpawnerError, SoarError, AuroraCoreError, OSError) as error:
            report = error_report(error)
            return Facts(at=time.time(), problems=(" · ".join(filter(None, (report.message, report.hint))),))
        if self.run_id is not None and facts.selected and facts.selected.run.run_id != self.run_id:
            return Facts(at=facts.at, runs=facts.runs, gates=facts.gates, spending=facts.spending)
        return facts


class Hub:
    """The views that pages are open of."""

    def __init__(self, places: Places, pages: Pages) -> None:
        self._places = places
        self._pages = pages
        self._views: dict[str | None, tuple[View, asyncio.Task[None]]] = {}
        self._preparing: set[asyncio.Task[None]] = set()

    def __contains__(self, run_id: str | None) -> bool:
        return run_id in self._views

    def view(self, run_id: str | None) -> View:
        """Returns the view of a run, or of all; made and kept fresh as long as pages are open."""
        self._views = {key: found for key, found in self._views.items() if not found[1].done()}
        found = self._views.get(run_id)
        if found is None:
            view = View(self._places, self._pages, run_id)
            found = self._views[run_id] = (view, asyncio.ensure_future(view.keep_fresh()))
        found[0].left_at = time.monotonic()
        return found[0]

    def prepare(self, run_id: str) -> None:
        """Reads a run whose page is likely to be the next one; the first read takes far longer than the others."""
        if run_id not in self:
            reading = asyncio.ensure_future(self.view(run_id).refresh())
            self._preparing.add(reading)
            reading.add_done_callback(self._prepared)

    def _prepared(self, reading: asyncio.Task[None]) -> None:
        self._preparing.discard(reading)
        if not reading.cancelled():
            reading.exception()  # the page itself fails in the same way, and says so

    async def follow(self, run_id: str | None, *, after: int, may_act: bool) -> AsyncGenerator[bytes, None]:
        """Yields what has changed after a version, again and again, until a page must load or connect anew.

        A page that reads slowly gets what changed meanwhile as one; nothing is kept for it. An empty change is
        yielded now and then, so that a page that is gone is noticed.
        """
        view = self.view(run_id)
        view.followers += 1
        try:
            await view.refresh(within_s=GROWS_OLD_S)
            loads_anew = False
            while not (loads_anew or view.is_over):
                version = view.version
                content, loads_anew = view.change(after, may_act=may_act)
                yield content
                after = version
                if view.version == version:
                    await view.changed(ALONE_S)
        finally:
            view.followers -= 1
            view.left_at = time.monotonic()

    async def close(self) -> None:
        """Ends all views."""
        working = [*(task for _, task in self._views.values()), *self._preparing]
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
