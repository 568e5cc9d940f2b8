"""Whether the journal still says what was written, and whether its tables follow from its events."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.errors import JournalChangedError
from aurora_spawner.journal.chain import GENESIS, link, payload_digest
from aurora_spawner.journal.facts import FACT_TYPES, ChangesAccepted, GapDeclared, RunCleaned, entry_of
from aurora_spawner.journal.projections import project
from aurora_spawner.journal.schema import migrate
from aurora_spawner.journal.store import translated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aurora_spawner.journal.anchor import Anchor
    from aurora_spawner.journal.store import Journal

_COLUMNS: Final = "seq, at, run_id, task_id, kind, payload, payload_hash, hash"
_UNFIT: Final = (ValueError, TypeError, KeyError, RecursionError, sqlite3.Error)
"""What events raise that nobody wrote so."""
_TABLES: Final = ("runs", "tasks", "attempts", "recoveries", "breakers")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What an audit found."""

    events: int
    head: str
    """Hash of the last event, hexadecimal. Who kept it elsewhere can tell a shortened journal from a whole one."""
    problem: str | None = None
    seq: int | None = None
    """The first event that does not fit."""
    anchor: Anchor | None = None
    """The last event that the user's own folder remembers of this journal: up to it, nothing was cut or written
    anew. None where it remembers none: then only what is there was held against itself."""

    @property
    def ok(self) -> bool:
        """Nothing that can be known was changed."""
        return self.problem is None


@dataclass(slots=True)
class _Walk:
    """A walk along the chain: where it is, and what it has met."""

    head: bytes = GENESIS
    last: int = 0
    count: int = 0
    gap: str | None = None
    """The first gap that was declared."""
    emptied: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Events without content, by run."""
    cleaned: Counter[str] = field(default_factory=Counter)
    """How many events of a run clean-ups have emptied, as they say themselves."""
    anchored: bytes | None = None
    """The hash at the number that the anchor has."""


def verify(journal: Journal, anchor: Anchor | None = None) -> AuditReport:
    """Recomputes the hash chain, then the tables, and holds the chain against what the user's own folder remembers.

    Args:
        anchor: What is remembered of this journal.
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
    """Takes the next event; returns what is wrong with it."""
    seq, at, run_id, task_id, kind, payload, payload_hash, stored = row
    walk.count += 1
    try:
        problem = _fault(row) or _jump(walk, row)
    except _UNFIT:
        problem = "says nothing that can be read"
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
    """How many events a clean-up says to have emptied; what says nothing that can be read has emptied none."""
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
    """What is wrong with the number of an event; a gap that it declares itself is noted and passed over."""
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
    """What is wrong with an event by itself."""
    _seq, at, run_id, task_id, kind, payload, payload_hash, stored = row
    if payload is None and not isinstance(payload_hash, bytes):
        return "has lost its content"
    texts = [run_id, kind, *(each for each in (task_id, payload) if each is not None)]
    sound = all(isinstance(text, str) for text in texts) and isinstance(at, float) and isinstance(stored, bytes)
    return None if sound and (payload is None or payload.isascii()) else "has been changed since it was written"


def _unsaid_loss(walk: _Walk) -> str | None:
    """Contents that are gone, though no clean-up says that it removed them."""
    for run_id, seqs in walk.emptied.items():
        if len(seqs) != walk.cleaned[run_id]:
            return f"event {seqs[0]} of run {run_id} has lost its content, and no clean-up says so"
    return None


def _against_anchor(walk: _Walk, anchor: Anchor | None) -> str | None:
    """What the user's own folder remembers otherwise."""
    if anchor is None or walk.anchored == anchor.hash:
        return None
    if walk.last < anchor.seq:
        gone = f"events {walk.last + 1} to {anchor.seq}" if walk.last + 1 < anchor.seq else f"event {anchor.seq}"
        return f"{gone} are gone from its end: {anchor} had them"
    return f"event {anchor.seq} is not the one that {anchor} had: the chain was written anew"


def _events(journal: Journal, run_id: str | None = None) -> Iterator[tuple[Any, ...]]:
    where = "" if run_id is None else "WHERE run_id = ?"
    given = () if run_id is None else (run_id,)
    return iter(journal.connection.execute(f"SELECT {_COLUMNS} FROM events {where} ORDER BY seq", given))  # noqa: S608


def _table_fault(journal: Journal) -> str | None:
    """Replays the events into empty tables and compare."""
    try:
        with _replayed(_events(journal)) as replica:
            return _difference(journal.connection, replica, None)
    except _UNFIT as error:
        return f"the events do not follow from each other: {error}"


@contextmanager
def _replayed(rows: Iterable[tuple[Any, ...]]) -> Iterator[sqlite3.Connection]:
    """Tables in memory that follow from events, while this is open."""
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
    """The first table that is not as its replica, of one run or of all."""
    where = "" if run_id is None else "WHERE run_id = ?"
    given = () if run_id is None else (run_id,)
    for table in _TABLES:
        query = f"SELECT * FROM {table} {where} ORDER BY 1, 2, 3"  # noqa: S608 -- a fixed word
        if replica.execute(query, given).fetchall() != connection.execute(query, given).fetchall():
            return f"the table {table} does not follow from the events"
    return None


def check_run(journal: Journal, run_id: str, anchor: Anchor | None = None) -> None:
    """Holds one run's part of the journal against its hashes, and its rows against its events.

    Raises:
        JournalChangedError: It is not as it was written.
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
        if seq <= accepted:  # the user knows of it
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
    """What the user's own folder remembers and the journal does not have."""
    if anchor is None:
        return None
    found = journal.connection.execute("SELECT hash FROM events WHERE seq = ?", (anchor.seq,)).fetchone()
    if found is None:
        return f"event {anchor.seq} is gone: {anchor} had it"
    return None if found[0] == anchor.hash else f"event {anchor.seq} is not the one that {anchor} had"


def accept_changes(journal: Journal, run_id: str, problem: str, anchor: Anchor | None) -> None:
    """Goes on with a run whose part was changed: what its events say becomes its rows, and an event tells of it.

    Events that cannot be read any more leave the rows as they are.
    """
    rows = list(_events(journal, run_id))
    try:
        with _replayed(rows) as replica:
            found = {
                table: replica.execute(f"SELECT * FROM {table} WHERE run_id = ?", (run_id,)).fetchall()  # noqa: S608
                for table in _TABLES
            }
    except _UNFIT:
        found = {}
    last = journal.connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0]
    journal.accept(run_id, problem, found, gone=range(last + 1, (anchor.seq if anchor else 0) + 1))
