"""Verifies a file that `aur audit export` has written: no byte of it may have changed since."""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.control.audit import existing_journal
from aurora_spawner.control.audit_export import FORMAT, MANIFEST, Selection, iso, line_of, seal_of, selected
from aurora_spawner.journal.chain import link, payload_digest
from aurora_spawner.journal.entries import canonical_json
from aurora_spawner.journal.sqlite_errors import translated
from aurora_spawner.storage.regular_files import open_regular

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner.journal.store import Journal

__all__ = ["FileReport", "verify_file"]

LINE_BYTES: Final = 256 << 20
"""More than any line of an export has."""
_MEMBERS: Final = ("seq", "at", "unix_time", "run_id", "task", "kind", "fields", "before", "hash")
_UNFIT: Final = (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """The result of the verification of a file.

    Attributes:
        events: The events that were read.
        seal: That of its manifest; "" without one. Compared with the one that was told at the export, it shows a file
            that was written anew.
        head: The hash of the journal's last event at the export, hexadecimal; "" without one.
        problem: The first change that was found; None if the file is as it was written.
    """

    events: int
    seal: str = ""
    head: str = ""
    problem: str | None = None


class _ChangedError(Exception):
    """The file is not as it was written."""


@dataclass(slots=True)
class _Reading:
    """A file as far as it was read."""

    journal: Journal | None
    digest: Any = field(default_factory=hashlib.sha256)
    chain: Any = field(default_factory=hashlib.sha256)
    """Of the hashes of the events."""
    events: int = 0
    emptied: int = 0
    unbroken: bool = True
    first: dict[str, Any] | None = None
    last: dict[str, Any] | None = None
    manifest: dict[str, Any] | None = None

    def take(self, line: bytes) -> None:
        """Takes the next line.

        Raises:
            _ChangedError: It was changed.
        """
        if self.manifest is not None:
            raise _ChangedError("comes after the manifest, which must be the last line")
        try:
            found = json.loads(line)
            if line_of(found).encode("ascii") != line:
                raise _ChangedError("is not as it was written")
            if found["kind"] == MANIFEST and "seq" not in found:
                self._take_manifest(found)
            else:
                self._take_event(found, line)
        except _UNFIT as error:
            raise _ChangedError("cannot be read as a line of an export") from error

    def _take_event(self, found: dict[str, Any], line: bytes) -> None:
        members = [each for each in found if each != "fields_hash"]
        if tuple(members) != _MEMBERS or (found["fields"] is None) != ("fields_hash" in found):
            raise _ChangedError("does not have the members of an event")
        if _hash_of(found) != found["hash"]:
            raise _ChangedError(f"(event {found['seq']}) was changed: it does not match its hash")
        if iso(found["unix_time"]) != found["at"]:
            raise _ChangedError(f"(event {found['seq']}) was changed: its time does not match its unix_time")
        if self.last is not None and found["seq"] <= self.last["seq"]:
            raise _ChangedError(f"(event {found['seq']}) does not follow the one before it")
        if self.journal is not None:
            _compare(self.journal, found)
        self.digest.update(line)
        self.chain.update(bytes.fromhex(found["hash"]))
        self.events += 1
        self.emptied += found["fields"] is None
        self.unbroken = self.unbroken and (self.last is None or self.last["hash"] == found["before"])
        self.last = {"seq": found["seq"], "hash": found["hash"]}
        self.first = self.first or self.last

    def _take_manifest(self, found: dict[str, Any]) -> None:
        if found["format"] != FORMAT:
            raise _ChangedError(f"is of the format {found['format']!r:.40}; this version knows {FORMAT}")
        if seal_of(found) != found["seal"]:
            raise _ChangedError("was changed: the manifest does not match its seal")
        said = tuple(found[name] for name in ("events", "emptied", "unbroken", "first", "last", "sha256"))
        if said != (self.events, self.emptied, self.unbroken, self.first, self.last, self.digest.hexdigest()):
            raise _ChangedError("does not match the lines before it: some were changed, added, removed or moved")
        if self.journal is not None:
            _compare_whole(self.journal, found, self.chain.hexdigest())
        self.manifest = found


def verify_file(path: Path, *, seal: str | None = None, journal: Path | None = None) -> FileReport:
    """Returns whether a file is as it was written.

    Args:
        seal: The seal that was told at the export; None to trust the one in the file.
        journal: The journal that the file must be an export of; None to compare with none.

    Raises:
        OSError: The file cannot be read.
        JournalError: The journal cannot be read.
    """
    with ExitStack() as stack:
        store = stack.enter_context(existing_journal(journal)) if journal is not None else None
        file = stack.enter_context(open_regular(path))
        reading, number = _Reading(store), 0
        problem = "the journal of this project does not exist" if journal is not None and store is None else None
        try:
            while problem is None and (line := file.readline(LINE_BYTES)):
                number += 1
                reading.take(line)
        except _ChangedError as error:
            problem = f"line {number} {error}"
    return _report(reading, problem, seal)


def _report(reading: _Reading, problem: str | None, seal: str | None) -> FileReport:
    manifest = reading.manifest or {}
    if problem is None and not manifest:
        problem = "it has no manifest: its end is missing"
    if problem is None and seal is not None and manifest["seal"] != seal:
        problem = f"its seal is {manifest['seal']}, not the one given: the file was rewritten"
    head = manifest.get("head") or {}
    return FileReport(
        events=reading.events, seal=manifest.get("seal", ""), head=head.get("hash", ""), problem=problem
    )


def _hash_of(found: dict[str, Any]) -> str:
    """Returns the hash of an event, made of what its line says."""
    fields = found["fields"]
    digest = bytes.fromhex(found["fields_hash"]) if fields is None else payload_digest(canonical_json(fields))
    return link(
        bytes.fromhex(found["before"]),
        seq=found["seq"],
        at=found["unix_time"],
        run_id=found["run_id"],
        task_id=found["task"],
        kind=found["kind"],
        payload_hash=digest,
    ).hex()


def _emptied(journal: Journal, found: dict[str, Any]) -> bool | None:
    """Returns True if the event of this number and hash has lost its content; None if there is no such event."""
    query = "SELECT payload IS NULL FROM events WHERE seq = ? AND hash = ?"
    with translated(journal.path):
        row = journal.connection.execute(query, (found["seq"], bytes.fromhex(found["hash"]))).fetchone()
    return None if row is None else bool(row[0])


def _compare(journal: Journal, found: dict[str, Any]) -> None:
    """Compares an event with that of the journal; the journal alone may have lost its content since.

    Raises:
        _ChangedError: It is another one.
    """
    emptied = _emptied(journal, found)
    if emptied is None:
        raise _ChangedError(f"(event {found['seq']}) is not in the journal of this project")
    if found["fields"] is None and not emptied:
        raise _ChangedError(f"(event {found['seq']}) has no fields, though this project's journal still has them")


def _compare_whole(journal: Journal, manifest: dict[str, Any], chain: str) -> None:
    """Compares the events of a file, by the hash of their hashes, with those that were asked for.

    Raises:
        _ChangedError: The journal has other events for this selection, or lacks the last event that is named.
    """
    head = manifest["head"]
    if head and _emptied(journal, head) is None:
        raise _ChangedError("is the manifest, but the last event that it names is not in the journal of this project")
    since, until = (
        None if manifest[name] is None else datetime.fromisoformat(manifest[name]).timestamp()
        for name in ("since", "until")
    )
    selection = Selection(run_id=manifest["run_id"], decisions=manifest["decisions"], since=since, until=until)
    digest = hashlib.sha256()
    for event in selected(journal, selection, last=head["seq"] if head else 0):
        digest.update(bytes.fromhex(event.hash))
    if digest.hexdigest() != chain:
        raise _ChangedError(
            "is the manifest, but the events before it are not exactly those that "
            "it selects from this project's journal"
        )
