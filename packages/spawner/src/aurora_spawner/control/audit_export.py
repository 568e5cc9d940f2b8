"""Exports of the journal for an audit: an event a line, and a manifest at the end that seals them.

Each line has all that its hash was made of, so whoever has the file can compute the hash again. The manifest says
what was asked for, what the file has, and where the journal ended; its seal covers every byte before it and itself.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.control.audit import DECISIONS, existing_journal
from aurora_spawner.journal.exported_events import load_all_events
from aurora_spawner.journal.views import load_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aurora_spawner.journal.exported_events import ExportedEvent
    from aurora_spawner.journal.store import Journal

__all__ = ["FORMAT", "MANIFEST", "Selection", "exported_lines", "iso", "line_of", "seal_of", "selected"]

FORMAT: Final = "aurora-audit/1"
"""Another one once DECISIONS has other kinds: which events a file must have follows from its manifest."""
MANIFEST: Final = "export_manifest"
"""The kind of the last line, which is no event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The events that an export is to have; all of them by default.

    Attributes:
        run_id: Only those of this run.
        decisions: Only those that say who allowed what.
        since: Only those of this moment and later, Unix time.
        until: Only those before this moment.
    """

    run_id: str | None = None
    decisions: bool = False
    since: float | None = None
    until: float | None = None

    def takes(self, event: ExportedEvent) -> bool:
        """Returns True if an event of the run is among them."""
        known = not self.decisions or event.kind in DECISIONS
        return known and (self.since or event.at) <= event.at and (self.until is None or event.at < self.until)


@dataclass(slots=True)
class _Tally:
    """The sums of an export so far."""

    digest: Any = field(default_factory=hashlib.sha256)
    count: int = 0
    emptied: int = 0
    unbroken: bool = True
    """True if each event is the one behind the event before it, in the journal too."""
    first: dict[str, Any] | None = None
    last: dict[str, Any] | None = None

    def take(self, event: ExportedEvent, line: str) -> None:
        self.digest.update(line.encode("ascii"))
        self.count += 1
        self.emptied += event.payload is None
        self.unbroken = self.unbroken and (self.last is None or self.last["hash"] == event.before)
        self.last = {"seq": event.seq, "hash": event.hash}
        self.first = self.first or self.last


def exported_lines(
    journal: Path, selection: Selection, *, keep_days: int | None, now: float | None = None
) -> Iterator[str]:
    """Yields the lines of an export, each with its end: the events, the oldest first, and the manifest.

    There is no line if the journal never existed.

    Args:
        keep_days: The retention rule in force, which the manifest names.

    Raises:
        UnknownRunError: The journal has no such run.
        JournalError: It cannot be read.
    """
    with existing_journal(journal) as store:
        if store is None:
            return
        if selection.run_id is not None:
            load_run(store, selection.run_id)
        tally, head = _Tally(), store.last_event()
        for event in selected(store, selection, last=0 if head is None else head[0]):
            line = line_of(_document(event))
            tally.take(event, line)
            yield line
        yield line_of(_manifest(head, selection, tally, keep_days, time.time() if now is None else now))


def line_of(document: dict[str, Any]) -> str:
    """Returns the only form of a line."""
    return json.dumps(document, ensure_ascii=True).replace("\x7f", "\\u007f") + "\n"


def seal_of(manifest: dict[str, Any]) -> str:
    """Returns the seal of a manifest: the hash of its line without the seal."""
    bare = {name: value for name, value in manifest.items() if name != "seal"}
    return hashlib.sha256(line_of(bare).encode("ascii")).hexdigest()


def selected(store: Journal, selection: Selection, *, last: int) -> Iterator[ExportedEvent]:
    """Returns the events of a journal that an export has.

    Args:
        last: The number of the journal's last event at the export; others may have been written since.
    """
    found = load_all_events(store, selection.run_id)
    return (each for each in found if each.seq <= last and selection.takes(each))


def _document(event: ExportedEvent) -> dict[str, Any]:
    return {
        "seq": event.seq,
        "at": iso(event.at),
        "unix_time": event.at,
        "run_id": event.run_id,
        "task": event.task_id,
        "kind": event.kind,
        "fields": None if event.payload is None else json.loads(event.payload),
        **({} if event.payload_hash is None else {"fields_hash": event.payload_hash}),
        "before": event.before,
        "hash": event.hash,
    }


def _manifest(
    head: tuple[int, bytes] | None, selection: Selection, tally: _Tally, keep_days: int | None, now: float
) -> dict[str, Any]:
    manifest = {
        "kind": MANIFEST,
        "format": FORMAT,
        "at": iso(now),
        "run_id": selection.run_id,
        "task": None,  # for programs that choose lines by it
        "decisions": selection.decisions,
        "since": None if selection.since is None else iso(selection.since, "microseconds"),
        "until": None if selection.until is None else iso(selection.until, "microseconds"),
        "keep_days": keep_days,
        "events": tally.count,
        "emptied": tally.emptied,
        "unbroken": tally.unbroken,
        "first": tally.first,
        "last": tally.last,
        "head": None if head is None else {"seq": head[0], "hash": head[1].hex()},
        "sha256": tally.digest.hexdigest(),
    }
    return {**manifest, "seal": seal_of(manifest)}


def iso(moment: float, exact_to: str = "milliseconds") -> str:
    """Returns a moment, Unix time, as it stands in a line."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec=exact_to)
