"""Files → memory: what changed since last time is read, cut into chunks and put into the index."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_core.chunking import ChunkKind, chunk_file
from aurora_core.index.bm25 import path_frequencies
from aurora_core.index.history import refresh_history
from aurora_core.index.segments import IndexedChunk, mark_dead, merge_if_needed, write_segment
from aurora_core.places import is_test_file
from aurora_core.store.database import transaction
from aurora_core.store.files import KnownFile, known_file, known_files, put_file, remove_file, touch_file
from aurora_core.tokens import terms
from aurora_core.walk import FoundFile, SkippedFile, is_generated, is_text, walk

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from aurora_core.chunking import Chunk

__all__ = ["KINDS", "IndexProgress", "IndexReport", "index_project", "indexed_chunk"]

# One transaction, and one segment, for this many changed files: short enough for a second indexer to wait for.
BATCH_FILES: Final = 500
KINDS: Final = {kind: place for place, kind in enumerate(ChunkKind)}


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexProgress:
    """How far indexing is.

    Attributes:
        phase: "scan", then "index".
        done: files looked at in this phase.
        total: files in this phase; 0 while it is not known.
        file: the file at hand.
    """

    phase: str
    done: int
    total: int
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexReport:
    """What indexing did."""

    files_seen: int
    files_indexed: int
    files_unchanged: int
    files_removed: int
    files_skipped: tuple[SkippedFile, ...]
    chunks_added: int
    chunks_removed: int
    chunks_total: int
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """A file that was read and cut, ready to be written."""

    found: FoundFile
    digest: bytes
    text: str
    chunks: tuple[Chunk, ...]


@dataclass(slots=True)
class _Tally:
    """Counts that grow while indexing runs."""

    indexed: int = 0
    unchanged: int = 0
    removed: int = 0
    added_chunks: int = 0
    removed_chunks: int = 0
    skipped: list[SkippedFile] = field(default_factory=list)


def index_project(
    connection: sqlite3.Connection,
    root: Path,
    *,
    below: str,
    exclude: Sequence[str],
    on_progress: Callable[[IndexProgress], None],
) -> IndexReport:
    """Bring the memory up to date with the files below a path; what lies elsewhere is not touched.

    Every batch of files is one transaction, so that a kill at any moment leaves a memory in which each file is
    either as it was or as it is now.
    """
    started = time.perf_counter()
    tally = _Tally()
    found: list[FoundFile] = []
    for entry in walk(root, below, exclude):
        if isinstance(entry, SkippedFile):
            tally.skipped.append(entry)
        else:
            found.append(entry)
    on_progress(IndexProgress(phase="scan", done=len(found), total=len(found), file=""))
    known = known_files(connection)
    _remove_gone(connection, known, {f.path for f in found}, below, tally)
    changed = [
        f
        for f in found
        if f.path not in known or (f.size, f.mtime_ns) != (known[f.path].size, known[f.path].mtime_ns)
    ]
    tally.unchanged = len(found) - len(changed)
    for at in range(0, len(changed), BATCH_FILES):
        batch = changed[at : at + BATCH_FILES]
        prepared: list[_Prepared] = []
        for number, file in enumerate(batch, start=at):
            on_progress(IndexProgress(phase="index", done=number, total=len(changed), file=file.path))
            prepared += _prepare(root, file, tally)
        with transaction(connection):
            _write(connection, prepared, tally)
    if changed:
        on_progress(IndexProgress(phase="index", done=len(changed), total=len(changed), file=""))
    with transaction(connection):
        merge_if_needed(connection)
        refresh_history(connection, root)
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('last_indexed_at', ?)", (str(time.time()),))
    if changed or tally.removed:
        # A script runs the pragma to its end; a single step would give back one page only.
        connection.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE);")
    total = connection.execute("SELECT count(*) FROM chunks").fetchone()[0]
    return IndexReport(
        files_seen=len(found),
        files_indexed=tally.indexed,
        files_unchanged=tally.unchanged,
        files_removed=tally.removed,
        files_skipped=tuple(tally.skipped),
        chunks_added=tally.added_chunks,
        chunks_removed=tally.removed_chunks,
        chunks_total=total,
        duration_s=time.perf_counter() - started,
    )


def _remove_gone(
    connection: sqlite3.Connection, known: Mapping[str, KnownFile], present: set[str], below: str, tally: _Tally
) -> None:
    """Forget files that are no longer there; renamed ones come back under their new name."""
    gone = [file.id for path, file in known.items() if path not in present and _is_below(path, below)]
    if not gone:
        return
    with transaction(connection):
        dead = [chunk for file_id in gone for chunk in remove_file(connection, file_id)]
        mark_dead(connection, dead)
    tally.removed += len(gone)
    tally.removed_chunks += len(dead)


def _is_below(path: str, below: str) -> bool:
    return not below or path == below or path.startswith(f"{below}/")


def _prepare(root: Path, found: FoundFile, tally: _Tally) -> Iterator[_Prepared]:
    """Read and cut a file. One that cannot be indexed is still written, without chunks, so that its old ones go."""
    try:
        content = (root / found.path).read_bytes()
    except OSError as error:
        tally.skipped.append(SkippedFile(path=found.path, reason=f"cannot be read: {error.strerror}"))
        return
    reason = "" if is_text(content) else "is binary"
    reason = reason or ("is generated" if is_generated(content) else "")
    if reason:
        tally.skipped.append(SkippedFile(path=found.path, reason=reason))
    text = "" if reason else content.decode("utf-8", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    yield _Prepared(
        found=found,
        digest=hashlib.blake2b(content, digest_size=16).digest(),
        text=text,
        chunks=tuple(chunk_file(found.path, text)),
    )


def _write(connection: sqlite3.Connection, prepared: Sequence[_Prepared], tally: _Tally) -> None:
    """Replace changed files inside the caller's transaction; another indexer may have done some of them meanwhile."""
    dead: list[int] = []
    fresh: list[IndexedChunk] = []
    for file in prepared:
        path = file.found.path
        known = known_file(connection, path)
        if known is not None and known.digest == file.digest:
            touch_file(connection, path, file.found.size, file.found.mtime_ns)
            tally.unchanged += 1
            continue
        if known is not None:
            dead += remove_file(connection, known.id)
        file_id, ids = put_file(
            connection,
            path,
            digest=file.digest,
            size=file.found.size,
            mtime_ns=file.found.mtime_ns,
            text=file.text,
            chunks=file.chunks,
        )
        fresh += [indexed_chunk(path, file_id, number, chunk) for number, chunk in zip(ids, file.chunks, strict=True)]
        tally.indexed += 1
    mark_dead(connection, dead)
    write_segment(connection, fresh)
    tally.added_chunks += len(fresh)
    tally.removed_chunks += len(dead)


def indexed_chunk(path: str, file_id: int, number: int, chunk: Chunk) -> IndexedChunk:
    """What the index needs of a chunk of a file."""
    return IndexedChunk(
        id=number,
        file=file_id,
        body=Counter(terms(chunk.content)),
        path=path_frequencies(path),
        name=Counter(terms(chunk.name)),
        kind=KINDS[chunk.kind],
        test=is_test_file(path),
    )
