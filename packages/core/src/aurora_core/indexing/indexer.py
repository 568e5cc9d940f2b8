"""Updates the memory: reads changed files, cuts them into chunks and writes them into the index."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_core.index.commits import new_history
from aurora_core.index.graph import count_changed_files, put_links, refresh_graph
from aurora_core.index.history import put_history
from aurora_core.index.segments import mark_dead, merge_if_needed, write_segment
from aurora_core.indexing.prepare import Request, prepare
from aurora_core.indexing.walk import FoundFile, found_file, walk_paths
from aurora_core.indexing.workers import workers
from aurora_core.report import JUDGED, TOO_LARGE, IndexProgress, IndexReport, SkippedFile
from aurora_core.store.database import transaction
from aurora_core.store.files import (
    known_file,
    known_files,
    noted_paths,
    put_file,
    remove_chunks,
    remove_file,
    touch_file,
    unindexed_files,
)
from aurora_core.store.left_out import groups_of, put_left_out, read_left_out

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from aurora_core.indexing.prepare import PreparedBatch
    from aurora_core.report import LeftOut, LeftOutGroup
    from aurora_core.store.files import KnownFile

__all__ = ["index_files", "index_project", "reindex_files"]

# One transaction, and one segment, for so much: short enough for a second indexer to wait for.
BATCH_FILES: Final = 250
BATCH_BYTES: Final = 2_000_000
# Starting workers takes as long as preparing this much.
WORTH_WORKERS_BYTES: Final = 3_000_000
# Limits on what is indexed while a search waits for its answer: bytes and files.
WORTH_FOLLOWING_BYTES: Final = 1_000_000
MAX_MOVED: Final = 40


@dataclass(slots=True)
class _Tally:
    """Counters of a running index."""

    indexed: int = 0
    unchanged: int = 0
    removed: int = 0
    added_chunks: int = 0
    removed_chunks: int = 0
    skipped: list[SkippedFile] = field(default_factory=list)
    left_out: list[LeftOut | SkippedFile] = field(default_factory=list)


def index_project(
    connection: sqlite3.Connection,
    root: Path,
    *,
    below: str,
    exclude: Sequence[str],
    on_progress: Callable[[IndexProgress], None],
) -> IndexReport:
    """Brings the memory up to date with the files below a path, and no others.

    Every batch of files is one transaction, so that a kill at any moment leaves each file either in its old or in its
    new state.
    """
    started = time.perf_counter()
    tally = _Tally()
    _bring_up_to_date(
        connection, _scanned(connection, root, [below] if below else [], exclude, tally), on_progress, tally
    )
    history = new_history(connection, root)
    with transaction(connection):
        if not below:
            put_left_out(connection, groups_of((entry.path, entry.reason) for entry in tally.left_out))
        merge_if_needed(connection)
        if history is not None:
            put_history(connection, history)
        refresh_graph(connection)
        _note_time(connection)
    if tally.indexed > BATCH_FILES or tally.removed > BATCH_FILES:
        # A script runs the pragma to its end; a single step would give back one page only.
        connection.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE);")
    judged = tuple(group for group in read_left_out(connection) if group.reason in JUDGED)
    return _report(connection, tally, started, judged)


def index_files(
    connection: sqlite3.Connection,
    root: Path,
    paths: Iterable[str],
    *,
    exclude: Sequence[str],
    on_progress: Callable[[IndexProgress], None],
) -> IndexReport:
    """Indexes paths that are known to have changed, as `index_project` does; looks at no others."""
    started = time.perf_counter()
    tally = _Tally()
    named = sorted(set(paths))
    if named:
        _bring_up_to_date(connection, _scanned(connection, root, named, exclude, tally), on_progress, tally)
    with transaction(connection):
        merge_if_needed(connection)
        _note_time(connection)
    return _report(connection, tally, started)


def reindex_files(
    connection: sqlite3.Connection,
    root: Path,
    *,
    changed: Sequence[str],
    gone: Sequence[str],
    exclude: Sequence[str],
) -> bool:
    """Updates a few files that are known to have changed or gone; returns True if all of them could be.

    If files are gone, new files of the same sizes are indexed: they may be the moved ones.
    """
    tally = _Tally()
    known = {path: row for path in (*changed, *gone) if (row := known_file(connection, path))}
    found = {path: file for path in changed if (file := found_file(root, path))}
    if gone:
        found |= _moved(connection, root, {known[path].size for path in gone if path in known}, exclude)
    requests = _requests(connection, root, list(found.values()))
    with transaction(connection):
        _remove(connection, [file.id for path, file in known.items() if path not in found], tally)
    done = 0
    for batch in map(prepare, requests):
        with transaction(connection):
            _write(connection, batch, tally)
        done += len(batch.changed) + len(batch.same)
    with transaction(connection):
        merge_if_needed(connection)
    return done >= len(found)


def _moved(
    connection: sqlite3.Connection, root: Path, sizes: set[int], exclude: Sequence[str]
) -> dict[str, FoundFile]:
    """Returns the project's new files; only those of some sizes if all would take long."""
    known = known_files(connection)
    entries = (entry for entry in walk_paths(root, (), exclude) if isinstance(entry, FoundFile))
    new = {entry.path: entry for entry in entries if entry.path not in known}
    if sum(file.read_bytes for file in new.values()) <= WORTH_FOLLOWING_BYTES:
        return new
    alike = [path for path, file in new.items() if file.size in sizes]
    return {path: new[path] for path in alike[:MAX_MOVED]}


def _note_time(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('last_indexed_at', ?)", (str(time.time()),))


def _report(
    connection: sqlite3.Connection, tally: _Tally, started: float, left_out: tuple[LeftOutGroup, ...] = ()
) -> IndexReport:
    return IndexReport(
        files_seen=tally.indexed + tally.unchanged,
        files_indexed=tally.indexed,
        files_unchanged=tally.unchanged,
        files_removed=tally.removed,
        files_skipped=tuple(tally.skipped),
        chunks_added=tally.added_chunks,
        chunks_removed=tally.removed_chunks,
        chunks_total=connection.execute("SELECT count(*) FROM chunks").fetchone()[0],
        duration_s=time.perf_counter() - started,
        left_out=left_out,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scan:
    """The files found on disk, and the files known to the memory."""

    root: Path
    found: Mapping[str, FoundFile]
    known: Mapping[str, KnownFile]


def _scanned(
    connection: sqlite3.Connection, root: Path, paths: Sequence[str], exclude: Sequence[str], tally: _Tally
) -> _Scan:
    """Finds the files at or below some paths; of the whole project if there are none."""
    found: dict[str, FoundFile] = {}
    known: dict[str, KnownFile] = {}
    for below in paths or ("",):
        known |= known_files(connection, below)
    for entry in walk_paths(root, paths, exclude):
        if isinstance(entry, FoundFile):
            found[entry.path] = entry
        else:
            tally.left_out.append(entry)
            if isinstance(entry, SkippedFile):
                tally.skipped.append(entry)
    return _Scan(root=root, found=found, known=known)


def _bring_up_to_date(
    connection: sqlite3.Connection, scan: _Scan, on_progress: Callable[[IndexProgress], None], tally: _Tally
) -> None:
    on_progress(IndexProgress(phase="scan", done=len(scan.found), total=len(scan.found), file=""))
    _remove_gone(connection, [file.id for path, file in scan.known.items() if path not in scan.found], tally)
    changed = [file for file in scan.found.values() if not _is_known(file, scan.known.get(file.path))]
    unindexed = frozenset(unindexed_files(connection).values())
    tally.unchanged = len(scan.found.keys() - unindexed - {file.path for file in changed})
    named_again = scan.found.keys() & noted_paths(connection, TOO_LARGE) - {file.path for file in changed}
    tally.skipped += [SkippedFile(path=path, reason=TOO_LARGE) for path in sorted(named_again)]
    done = 0
    with _preparing(changed) as prepared:
        for batch in prepared(_requests(connection, scan.root, changed)):
            with transaction(connection):
                _write(connection, batch, tally)
            tally.unchanged += sum(file.path not in unindexed for file in batch.same)
            for file in (*batch.same, *(f.found for f in batch.changed)):
                done += 1
                on_progress(IndexProgress(phase="index", done=done, total=len(changed), file=file.path))
    if changed:
        on_progress(IndexProgress(phase="index", done=len(changed), total=len(changed), file=""))


def _is_known(found: FoundFile, known: KnownFile | None) -> bool:
    return known is not None and (found.size, found.mtime_ns) == (known.size, known.mtime_ns)


@contextmanager
def _preparing(files: Sequence[FoundFile]) -> Iterator[Callable[[Iterable[Request]], Iterator[PreparedBatch]]]:
    """Prepares in this process for a few files, in one worker a core for many."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if sum(file.read_bytes for file in files) < WORTH_WORKERS_BYTES or not sys.executable:
        yield lambda requests: map(prepare, requests)
    else:
        with workers(cores) as prepared:
            yield prepared


def _requests(connection: sqlite3.Connection, root: Path, changed: Sequence[FoundFile]) -> Iterator[Request]:
    """Yields the changed files in batches, without those that another indexer has written meanwhile."""
    at = 0
    while at < len(changed):
        size, end = 0, at
        while end < len(changed) and end - at < BATCH_FILES and size <= BATCH_BYTES:
            size += changed[end].read_bytes
            end += 1
        known = {file.path: known_file(connection, file.path) for file in changed[at:end]}
        yield Request(
            root=str(root),
            files=tuple((file, _digest(known[file.path])) for file in changed[at:end]),
        )
        at = end


def _digest(known: KnownFile | None) -> bytes | None:
    return None if known is None else known.digest


def _remove_gone(connection: sqlite3.Connection, gone: Sequence[int], tally: _Tally) -> None:
    """Removes files that no longer exist; renamed files are added under their new name."""
    if gone:
        with transaction(connection):
            _remove(connection, gone, tally)


def _remove(connection: sqlite3.Connection, gone: Sequence[int], tally: _Tally) -> None:
    """Removes files, inside the caller's transaction."""
    if not gone:
        return
    dead = [chunk for file_id in gone for chunk in remove_file(connection, file_id)]
    mark_dead(connection, dead)
    count_changed_files(connection, len(gone))
    tally.removed += len(gone)
    tally.removed_chunks += len(dead)


def _write(connection: sqlite3.Connection, batch: PreparedBatch, tally: _Tally) -> None:
    """Replaces changed files, inside the caller's transaction."""
    for found in batch.same:
        touch_file(connection, found.path, found.size, found.mtime_ns)
    dead: list[int] = []
    ids: list[int] = []
    files: list[int] = []
    for file in batch.changed:
        known = known_file(connection, file.found.path)
        if known is not None:
            dead += remove_chunks(connection, known.id)
        file_id, numbers = put_file(
            connection,
            file.found.path,
            digest=file.digest,
            size=file.found.size,
            mtime_ns=file.found.mtime_ns,
            text=file.text,
            note=file.note,
            chunks=file.chunks,
        )
        put_links(connection, file_id, file.links)
        ids += numbers
        files += [file_id] * len(numbers)
    mark_dead(connection, dead)
    write_segment(connection, batch.segment, ids=ids, files=files)
    count_changed_files(connection, len(batch.changed))
    tally.indexed += sum(bool(file.chunks) or not file.note for file in batch.changed)
    tally.skipped += batch.skipped
    tally.added_chunks += len(ids)
    tally.removed_chunks += len(dead)
