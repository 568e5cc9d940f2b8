"""The inverted index in SQLite: immutable segments of postings, and bits for their removed chunks.

Each batch of changes writes one segment. A posting list is `df` places (int32), `df` frequencies in the body (uint8)
and `df` frequencies in the head (uint8: path times 16 plus name, each at most 15); a place is an index into the
segment's arrays. Fields are kept apart so that they can be weighed differently for different questions. Removed
chunks are marked dead and leave when segments are merged: small segments with their like, so that a change of few
files never rewrites the whole index.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import IntEnum
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final

import numpy as np

from aurora_core.store.database import bump_generation

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    _Integers = Sequence[int] | NDArray[np.int32] | NDArray[np.uint8]

__all__ = [
    "BuiltSegment",
    "IndexedChunk",
    "Part",
    "Postings",
    "Segment",
    "built_segment",
    "mark_dead",
    "merge_if_needed",
    "read_postings",
    "read_segments",
    "write_segment",
]

MAX_SEGMENTS: Final = 8
MERGED_AT_ONCE: Final = 4
MAX_DEAD_SHARE: Final = 0.2
MAX_BODY: Final = 255
MAX_HEAD: Final = 15


class Part(IntEnum):
    """The part of its file or type that a chunk is."""

    WHOLE = 0
    MODULE_REST = 1  # lines outside of the definitions of a file that has definitions
    CLASS_REST = 2  # lines of a type outside of its members


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedChunk:
    """The input of the index for a chunk.

    Attributes:
        body: frequency in the content, by term.
        path: frequency in the file's path, by term.
        name: frequency in the name, by term.
        kind: position of its kind in `ChunkKind`.
        part: see `Part`.
        test: True if its file is a test.
    """

    body: Mapping[str, int]
    path: Mapping[str, int]
    name: Mapping[str, int]
    kind: int
    part: Part
    test: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltSegment:
    """A segment before its chunks have ids; a worker process can build it.

    Attributes:
        bodies, heads, kinds, tests: as in `Segment`, in the order of the chunks.
        postings: (term, entries), in the order of the terms.
    """

    bodies: bytes
    heads: bytes
    kinds: bytes
    tests: bytes
    postings: Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """The arrays of a segment, parallel and in the order of its chunks.

    Attributes:
        ids: (n,) int64, chunk ids, ascending.
        files: (n,) int64, file ids.
        bodies: (n,) int32, terms in the content.
        heads: (n,) int32, terms in path and name.
        kinds: (n,) uint8: positions in `ChunkKind`.
        parts: (n,) uint8: numbers of `Part`.
        tests: (n,) uint8, 1 for a test file's chunk.
        dead: (n,) uint8, 1 for a removed chunk.
    """

    id: int
    ids: NDArray[np.int64]
    files: NDArray[np.int64]
    bodies: NDArray[np.int32]
    heads: NDArray[np.int32]
    kinds: NDArray[np.uint8]
    parts: NDArray[np.uint8]
    tests: NDArray[np.uint8]
    dead: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Postings:
    """The postings of one term in one segment; parallel arrays.

    Attributes:
        places: (df,) int32, indexes into the segment's arrays, ascending.
        body: (df,) uint8.
        path: (df,) uint8.
        name: (df,) uint8.
    """

    places: NDArray[np.int32]
    body: NDArray[np.uint8]
    path: NDArray[np.uint8]
    name: NDArray[np.uint8]


def read_segments(connection: sqlite3.Connection) -> list[Segment]:
    """Returns all segments, oldest first."""
    rows = connection.execute(
        """SELECT id, ids, files, bodies, heads, kinds, tests, dead
           FROM segments LEFT JOIN deaths ON segment = id ORDER BY id"""
    )
    return [
        Segment(
            id=number,
            ids=np.frombuffer(ids, dtype="<i8"),
            files=np.frombuffer(files, dtype="<i8"),
            bodies=np.frombuffer(bodies, dtype="<i4"),
            heads=np.frombuffer(heads, dtype="<i4"),
            kinds=np.frombuffer(kinds, dtype=np.uint8) & np.uint8(15),
            parts=np.frombuffer(kinds, dtype=np.uint8) >> np.uint8(4),
            tests=np.frombuffer(tests, dtype=np.uint8),
            dead=np.frombuffer(dead or bytes(len(kinds)), dtype=np.uint8),
        )
        for number, ids, files, bodies, heads, kinds, tests, dead in rows
    ]


def read_postings(connection: sqlite3.Connection, term: str) -> list[tuple[int, Postings]]:
    """Returns for each segment that has a term: the segment's id and the postings."""
    rows = connection.execute(
        """SELECT segments.id, entries FROM segments JOIN postings ON segment = segments.id AND term = ?
           ORDER BY segments.id""",
        (term,),
    )
    return [(segment, _unpacked(entries)) for segment, entries in rows]


def _unpacked(entries: bytes) -> Postings:
    places, body, head = _split(entries)
    return Postings(places, body, (head >> 4).astype(np.uint8), (head & 15).astype(np.uint8))


def _split(entries: bytes) -> tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.uint8]]:
    count = len(entries) // 6
    return (
        np.frombuffer(entries, dtype="<i4", count=count),
        np.frombuffer(entries, dtype=np.uint8, count=count, offset=4 * count),
        np.frombuffer(entries, dtype=np.uint8, offset=5 * count),
    )


def _pack(places: _Integers, body: _Integers, head: _Integers) -> bytes:
    packed = (np.asarray(places, dtype="<i4"), np.asarray(body, dtype=np.uint8), np.asarray(head, dtype=np.uint8))
    return b"".join(array.tobytes() for array in packed)


def built_segment(chunks: Sequence[IndexedChunk]) -> BuiltSegment:
    """Returns the segment of some chunks."""
    gathered: dict[str, tuple[list[int], list[int], list[int]]] = defaultdict(lambda: ([], [], []))
    for place, chunk in enumerate(chunks):
        for term in chunk.body.keys() | chunk.path.keys() | chunk.name.keys():
            places, body, head = gathered[term]
            places.append(place)
            body.append(min(chunk.body.get(term, 0), MAX_BODY))
            head.append(min(chunk.path.get(term, 0), MAX_HEAD) << 4 | min(chunk.name.get(term, 0), MAX_HEAD))
    return BuiltSegment(
        bodies=np.array([sum(c.body.values()) for c in chunks], dtype="<i4").tobytes(),
        heads=np.array([sum(c.path.values()) + sum(c.name.values()) for c in chunks], dtype="<i4").tobytes(),
        kinds=bytes(c.part << 4 | c.kind for c in chunks),
        tests=bytes(c.test for c in chunks),
        postings=[(term, _pack(*gathered[term])) for term in sorted(gathered)],
    )


def write_segment(
    connection: sqlite3.Connection, built: BuiltSegment, *, ids: Sequence[int], files: Sequence[int]
) -> None:
    """Adds a segment; writes nothing if there are no chunks.

    Args:
        ids: ids of the chunks, in the order in which they were built.
        files: ids of their files.
    """
    if not ids:
        return
    segment = _insert_segment(
        connection,
        ids=np.array(ids, dtype="<i8").tobytes(),
        files=np.array(files, dtype="<i8").tobytes(),
        bodies=built.bodies,
        heads=built.heads,
        kinds=built.kinds,
        tests=built.tests,
    )
    connection.executemany(
        "INSERT INTO postings (segment, term, entries) VALUES (?, ?, ?)",
        ((segment, term, entries) for term, entries in built.postings),
    )
    bump_generation(connection)


def _insert_segment(connection: sqlite3.Connection, **columns: bytes) -> int:
    """Adds a segment without removed chunks; returns its id."""
    cursor = connection.execute(
        f"INSERT INTO segments ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",  # noqa: S608 - own names
        tuple(columns.values()),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def mark_dead(connection: sqlite3.Connection, chunk_ids: Iterable[int]) -> None:
    """Removes chunks from every later search."""
    gone = np.array(sorted(chunk_ids), dtype=np.int64)
    if not len(gone):
        return
    for segment in read_segments(connection):
        hit = np.isin(segment.ids, gone)
        if hit.any():
            dead = (segment.dead | hit).astype(np.uint8).tobytes()
            connection.execute("INSERT OR REPLACE INTO deaths VALUES (?, ?)", (segment.id, dead))
    bump_generation(connection)


def merge_if_needed(connection: sqlite3.Connection) -> bool:
    """Merges segments if there are many, or many removed chunks; returns True if it did.

    A segment is merged only if all smaller ones together hold at least half as many chunks. So a chunk moves about as
    often as its index has doubled, and a small change moves little.
    """
    segments = read_segments(connection)
    total = sum(len(s.ids) for s in segments)
    dead = sum(int(s.dead.sum()) for s in segments)
    if dead > MAX_DEAD_SHARE * total:
        _merge(connection, segments)
    elif len(segments) > MAX_SEGMENTS:
        _merge(connection, _segments_to_merge(segments))
    else:
        return False
    return True


def _segments_to_merge(segments: Sequence[Segment]) -> Sequence[Segment]:
    """Returns the smallest segments, so many that few are left, oldest first."""
    ordered = sorted(segments, key=lambda s: len(s.ids))
    taken, size = ordered[:MERGED_AT_ONCE], sum(len(s.ids) for s in ordered[:MERGED_AT_ONCE])
    for segment in ordered[MERGED_AT_ONCE:]:
        if len(segment.ids) > 2 * size:
            break
        taken.append(segment)
        size += len(segment.ids)
    return sorted(taken, key=lambda s: s.id)


def _merge(connection: sqlite3.Connection, segments: Sequence[Segment]) -> None:
    alive = [s.dead == 0 for s in segments]
    columns = {
        name: np.concatenate([getattr(s, name)[keep] for s, keep in zip(segments, alive, strict=True)]).tobytes()
        for name in ("ids", "files", "bodies", "heads", "tests")
    }
    columns["kinds"] = np.concatenate(
        [(s.parts << np.uint8(4) | s.kinds)[keep] for s, keep in zip(segments, alive, strict=True)]
    ).tobytes()
    new = _insert_segment(connection, **columns)
    moved = _moved_places(segments, alive)
    # The rows are sorted before the first one comes, so what is added meanwhile is not read again.
    connection.executemany(
        "INSERT INTO postings (segment, term, entries) VALUES (?, ?, ?)",
        ((new, term, entries) for term, entries in _merged_postings(connection, moved)),
    )
    connection.executemany("DELETE FROM segments WHERE id = ?", [(s.id,) for s in segments])
    bump_generation(connection)


def _moved_places(segments: Sequence[Segment], alive: Sequence[NDArray[np.bool_]]) -> dict[int, NDArray[np.int32]]:
    """Returns for each segment the array old position → position in the merged one, -1 for removed chunks."""
    moved: dict[int, NDArray[np.int32]] = {}
    start = 0
    for segment, keep in zip(segments, alive, strict=True):
        places = np.full(len(keep), -1, dtype=np.int32)
        places[keep] = np.arange(start, start + int(keep.sum()), dtype=np.int32)
        moved[segment.id] = places
        start += int(keep.sum())
    return moved


def _merged_postings(
    connection: sqlite3.Connection, moved: Mapping[int, NDArray[np.int32]]
) -> Iterator[tuple[str, bytes]]:
    marks = ",".join("?" * len(moved))
    rows = connection.execute(
        f"SELECT term, segment, entries FROM postings WHERE segment IN ({marks}) ORDER BY term, segment",  # noqa: S608 - marks only
        tuple(moved),
    )
    for term, group in groupby(rows, key=itemgetter(0)):
        parts = [_moved(entries, moved[segment]) for _, segment, entries in group]
        places, body, head = (np.concatenate([part[i] for part in parts]) for i in range(3))
        if len(places):
            yield term, _pack(places, body, head)


def _moved(entries: bytes, moved: NDArray[np.int32]) -> tuple[_Integers, _Integers, _Integers]:
    places, body, head = _split(entries)
    new = moved[places]
    keep = new >= 0
    return new[keep], body[keep], head[keep]
