"""Verifies a journal: its events are unchanged, and its tables follow from its events."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.errors import JournalChangedError
from aurora_spawner.journal.chain import GENESIS, link, payload_digest
from aurora_spawner.journal.entries import FACT_TYPES, entry_of
from aurora_spawner.journal.facts import ChangesAccepted, GapDeclared, RunCleaned
from aurora_spawner.journal.projections import project
from aurora_spawner.journal.schema import migrate
from aurora_spawner.journal.sqlite_errors import translated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aurora_spawner.journal.anchor import Anchor
    from aurora_spawner.journal.store import Journal

_COLUMNS: Final = "seq, at, run_id, task_id, kind, payload, payload_hash, hash"
_UNFIT: Final = (ValueError, TypeError, KeyError, RecursionError, sqlite3.Error)
"""The errors that malformed events raise."""
_TABLES: Final = ("runs", "tasks", "attempts", "recoveries", "breakers", "approvals")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """The result of an audit."""

    events: int
    head: str
    """Hash of the last event, hexadecimal; kept elsewhere, it reveals a shortened journal."""
    problem: str | None = None
    seq: int | None = None
    """The first event that does not fit."""
    anchor: Anchor | None = None
    """The last event of this journal that the user's state folder knows: up to it, nothing was cut or rewritten. None
    without an anchor: then the chain was only verified in itself."""

    @property
    def ok(self) -> bool:
        """True if no change was found."""
        return self.problem is None


@dataclass(slots=True)
class _Walk:
    """The state of a walk along the chain."""

    head: bytes = GENESIS
    last: int = 0
    count: int = 0
    gap: str | None = None
    """A description of the first declared gap."""
    emptied: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Events without content, by run."""
    cleaned: Counter[str] = field(default_factory=Counter)
    """The number of events that clean-ups removed the content of, by run, as the clean-ups say."""
    anchored: bytes | None = None
    """The hash of the event with the anchor's number."""


def verify(journal: Journal, anchor: Anchor | None = None) -> AuditReport:
    """Recomputes the hash chain and the tables, and compares the chain with the anchor in the user's state folder.

    Args:
        anchor: The anchor of this journal; None without one.
    """
    walk = _Walk()
    with translated(journal.path), _snapshot(journal):
        for row in _events(journal):
            problem = _step(walk, row, anchor)
            if problem is not None:
                return _report(walk, anchor, f"event {row[0]} {problem}", seq=row[0])
        problem = walk.gap or _unsaid_loss(walk) or _against_anchor(walk, anchor) or _table_fault(journal)
        return _report(walk, anchor, problem)


def _report(walk: _Walk, anchor: Anchor | None, problem: str | None, *, seq: int | None = None) -> AuditReport:
    return AuditReport(events=walk.count, head=walk.head.hex(), problem=problem, seq=seq, anchor=anchor)


def _step(walk: _Walk, row: tuple[Any, ...], anchor: Anchor | None) -> str | None:
    """Takes the next event; returns its fault, if any."""
    seq, at, run_id, task_id, kind, payload, payload_hash, stored = row
    walk.count += 1
    try:
        problem = _fault(row) or _jump(walk, row)
    except _UNFIT:
        problem = "cannot be read"
    if problem is not None:
        return problem
    digest = payload_hash if payload is None else payload_digest(payload)
    head = link(walk.head, seq=seq, at=at, run_id=run_id, task_id=task_id, kind=kind, payload_hash=digest)
    if head != stored:
        return "has been changed since it was written, or one before it"
    walk.head, walk.last = head, seq
    if payload is None:
        walk.emptied[run_id].append(seq)
    elif kind == RunCleaned.kind:
        walk.cleaned[run_id] += _emptied_by(payload)
    if anchor is not None and seq == anchor.seq:
        walk.anchored = head
    return None


def _emptied_by(payload: str) -> int:
    """Returns the number of events that a clean-up removed the content of; 0 if it cannot be read."""
    try:
        return int(json.loads(payload)["events"])
    except _UNFIT:
        return 0


@contextmanager
def _snapshot(journal: Journal) -> Iterator[None]:
    """Lets all reads see one state: a coordinator that writes meanwhile would look like a change from outside."""
    connection = journal.connection
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _jump(walk: _Walk, row: tuple[Any, ...]) -> str | None:
    """Returns the fault of an event's number; a gap that the event declares is recorded and is no fault."""
    seq, kind, payload = row[0], row[4], row[5]
    expected = walk.last + 1
    if seq == expected:
        return None
    if kind == GapDeclared.kind and payload is not None:
        said = json.loads(payload)
        if (said["first"], said["last"]) == (expected, seq - 1):
            walk.gap = walk.gap or f"events {expected} to {seq - 1} are lost, as event {seq} has declared"
            return None
    return f"follows where event {expected} should be"


def _fault(row: tuple[Any, ...]) -> str | None:
    """Returns the fault of an event by itself."""
    _seq, at, run_id, task_id, kind, payload, payload_hash, stored = row
    if payload is None and not isinstance(payload_hash, bytes):
        return "has lost its content"
    texts = [run_id, kind, *(each for each in (task_id, payload) if each is not None)]
    sound = all(isinstance(text, str) for text in texts) and isinstance(at, float) and isinstance(stored, bytes)
    # The digest of a content stands there only once the content is gone.
    whole = payload is None or (payload.isascii() and payload_hash is None)
    return None if sound and whole else "has been changed since it was written"


def _unsaid_loss(walk: _Walk) -> str | None:
    """Describes the first content that is gone without a clean-up that removed it."""
    for run_id, seqs in walk.emptied.items():
        if len(seqs) != walk.cleaned[run_id]:
            return f"event {seqs[0]} of run {run_id} has lost its content, and no clean-up says so"
    return None


def _against_anchor(walk: _Walk, anchor: Anchor | None) -> str | None:
    """Describes the difference from the anchor."""
    if anchor is None or walk.anchored == anchor.hash:
        return None
    if walk.last < anchor.seq:
        gone = f"events {walk.last + 1} to {anchor.seq}" if walk.last + 1 < anchor.seq else f"event {anchor.seq}"
        return f"{gone} are gone from its end: {anchor} had them"
    return f"event {anchor.seq} is not the one that {anchor} had: the chain was rewritten"


def _events(journal: Journal, run_id: str | None = None) -> Iterator[tuple[Any, ...]]:
    where = "" if run_id is None else "WHERE run_id = ?"
    given = () if run_id is None else (run_id,)
    return iter(journal.connection.execute(f"SELECT {_COLUMNS} FROM events {where} ORDER BY seq", given))  # noqa: S608


def _table_fault(journal: Journal) -> str | None:
    """Replays the events into empty tables and compares them."""
    try:
        with _replayed(_events(journal)) as replica:
            return _difference(journal.connection, replica, None)
    except _UNFIT as error:
        return f"the events do not follow from each other: {error}"


@contextmanager
def _replayed(rows: Iterable[tuple[Any, ...]]) -> Iterator[sqlite3.Connection]:
    """Yields a database in memory with the tables that follow from events."""
    replica = sqlite3.connect(":memory:", isolation_level=None)
    try:
        replica.execute("PRAGMA foreign_keys = ON")
        migrate(replica)
        for _seq, at, run_id, task_id, kind, payload, _payload_hash, _hash in rows:
            if payload is not None and kind in FACT_TYPES:
                fact = FACT_TYPES[kind](**json.loads(payload))
                project(entry_of(fact, run_id=run_id, task_id=task_id), at, replica)
        yield replica
    finally:
        replica.close()


def _difference(connection: sqlite3.Connection, replica: sqlite3.Connection, run_id: str | None) -> str | None:
    """Names the first table that differs from its replica, for one run or for all."""
    where = "" if run_id is None else "WHERE run_id = ?"
    given = () if run_id is None else (run_id,)
    for table in _TABLES:
        query = f"SELECT * FROM {table} {where} ORDER BY 1, 2, 3"  # noqa: S608 -- a fixed word
        if replica.execute(query, given).fetchall() != connection.execute(query, given).fetchall():
            return f"the table {table} does not follow from the events"
    return None


def check_run(journal: Journal, run_id: str, anchor: Anchor | None = None) -> None:
    """Verifies one run's events against their hashes, and its rows against its events.

    Raises:
        JournalChangedError: An event or a row was changed.
    """
    with translated(journal.path), _snapshot(journal):
        problem = _fault_of_pages(journal) or _fault_of_run(journal, run_id, anchor)
    if problem is not None:
        raise JournalChangedError(journal.path, run_id, problem)


def _fault_of_pages(journal: Journal) -> str | None:
    (found,) = journal.connection.execute("PRAGMA quick_check(1)").fetchone()
    return None if found == "ok" else f"the file is damaged: {found}"


def _fault_of_run(journal: Journal, run_id: str, anchor: Anchor | None) -> str | None:
    rows = list(_events(journal, run_id))
    before = dict(
        journal.connection.execute(
            "SELECT seq + 1, hash FROM events WHERE seq + 1 IN (SELECT seq FROM events WHERE run_id = ?)", (run_id,)
        )
    )
    accepted = max((row[0] for row in rows if row[4] == ChangesAccepted.kind), default=0)
    for row in rows:
        seq = row[0]
        if seq <= accepted:  # the user has accepted it
            continue
        head = before.get(seq, GENESIS if seq == 1 else None)
        if head is None and row[4] == GapDeclared.kind:
            continue
        problem = _fault(row) if head is not None else "has lost the event before it"
        if problem is None and _linked(head or GENESIS, row) != row[7]:
            problem = "has been changed since it was written, or the one before it"
        if problem is not None:
            return f"event {seq} {problem}"
    lost = None if anchor and anchor.seq <= accepted else _lost_since(journal, anchor)
    if lost is not None:
        return lost
    try:
        with _replayed(rows) as replica:
            return _difference(journal.connection, replica, run_id)
    except _UNFIT as error:
        return f"its events do not follow from each other: {error}"


def _linked(head: bytes, row: tuple[Any, ...]) -> bytes:
    seq, at, run_id, task_id, kind, payload, payload_hash, _stored = row
    digest = payload_hash if payload is None else payload_digest(payload)
    return link(head, seq=seq, at=at, run_id=run_id, task_id=task_id, kind=kind, payload_hash=digest)


def _lost_since(journal: Journal, anchor: Anchor | None) -> str | None:
    """Describes the anchored event if the journal lacks it."""
    if anchor is None:
        return None
    found = journal.connection.execute("SELECT hash FROM events WHERE seq = ?", (anchor.seq,)).fetchone()
    if found is None:
        return f"event {anchor.seq} is gone: {anchor} had it"
    return None if found[0] == anchor.hash else f"event {anchor.seq} is not the one that {anchor} had"


def accept_changes(journal: Journal, run_id: str, problem: str, anchor: Anchor | None) -> None:
    """Accepts the changes of a run: its rows are rebuilt from its events, and an event records it.

    If the events do not follow from each other, the rows stay unchanged.

    Raises:
        JournalError: The events cannot be read, or no event can be written.
    """
    with translated(journal.path):
        rows = list(_events(journal, run_id))
        last, _hash = journal.last_event() or (0, GENESIS)
    try:
        with _replayed(rows) as replica:
            found = {
                table: replica.execute(f"SELECT * FROM {table} WHERE run_id = ?", (run_id,)).fetchall()  # noqa: S608
                for table in _TABLES
            }
    except _UNFIT:
        found = {}
    journal.accept(run_id, problem, found, gone=range(last + 1, (anchor.seq if anchor else 0) + 1))
