"""The inverted index inside SQLite: immutable segments of postings, and bits for what died in them.

Each batch of changes writes one segment. A posting list is `df` places (int32), `df` frequencies in the body (uint8)
and `df` frequencies in the head (uint8: path times 16 plus name, each at most 15); a place is an index into the
segment's arrays. Fields are kept apart so that they can be weighed differently for different questions. Removed
chunks are marked dead and leave when segments are merged.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    _Integers = Sequence[int] | NDArray[np.int32] | NDArray[np.uint8]

__all__ = [
    "IndexedChunk",
    "Postings",
    "Segment",
    "mark_dead",
    "merge_if_needed",
    "read_postings",
    "read_segments",
    "write_segment",
]

MAX_SEGMENTS: Final = 8
MAX_DEAD_SHARE: Final = 0.2
MAX_BODY: Final = 255
MAX_HEAD: Final = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedChunk:
    """What the index needs of a chunk.

    Attributes:
        body: frequency in the content, by term.
        path: frequency in the file's path, by term.
        name: frequency in the name, by term.
        file: the file's id.
        kind: place of its kind in `ChunkKind`.
        test: whether its file is a test's.
    """

    id: int
    file: int
    body: Mapping[str, int]
    path: Mapping[str, int]
    name: Mapping[str, int]
    kind: int
    test: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A segment's arrays, parallel and in the order of its chunks.

    Attributes:
        ids: (n,) int64, chunk ids, ascending.
        files: (n,) int64, file ids.
        bodies: (n,) int32, terms in the content.
        heads: (n,) int32, terms in path and name.
        kinds: (n,) uint8.
        tests: (n,) uint8, 1 for a test file's chunk.
        dead: (n,) uint8, 1 for a removed chunk.
    """

    id: int
    ids: NDArray[np.int64]
    files: NDArray[np.int64]
    bodies: NDArray[np.int32]
    heads: NDArray[np.int32]
    kinds: NDArray[np.uint8]
    tests: NDArray[np.uint8]
    dead: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Postings:
    """One term in one segment; parallel arrays.

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
    """All segments, oldest first."""
    rows = connection.execute("SELECT id, ids, files, bodies, heads, kinds, tests, dead FROM segments ORDER BY id")
    return [
        Segment(
            id=number,
            ids=np.frombuffer(ids, dtype="<i8"),
            files=np.frombuffer(files, dtype="<i8"),
            bodies=np.frombuffer(bodies, dtype="<i4"),
            heads=np.frombuffer(heads, dtype="<i4"),
            kinds=np.frombuffer(kinds, dtype=np.uint8),
            tests=np.frombuffer(tests, dtype=np.uint8),
            dead=np.frombuffer(dead, dtype=np.uint8).copy(),
        )
        for number, ids, files, bodies, heads, kinds, tests, dead in rows
    ]


def read_postings(connection: sqlite3.Connection, term: str) -> list[tuple[int, Postings]]:
    """For each segment that has a term: the segment's id and the postings."""
    rows = connection.execute("SELECT segment, entries FROM postings WHERE term = ? ORDER BY segment", (term,))
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


def write_segment(connection: sqlite3.Connection, chunks: Sequence[IndexedChunk]) -> None:
    """Add a segment of chunks in ascending order of their ids; nothing is written for none."""
    if not chunks:
        return
    segment = _insert_segment(
        connection,
        ids=np.array([c.id for c in chunks], dtype="<i8"),
        files=np.array([c.file for c in chunks], dtype="<i8"),
        bodies=np.array([sum(c.body.values()) for c in chunks], dtype="<i4"),
        heads=np.array([sum(c.path.values()) + sum(c.name.values()) for c in chunks], dtype="<i4"),
        kinds=np.array([c.kind for c in chunks], dtype=np.uint8),
        tests=np.array([c.test for c in chunks], dtype=np.uint8),
    )
    gathered: dict[str, tuple[list[int], list[int], list[int]]] = defaultdict(lambda: ([], [], []))
    for place, chunk in enumerate(chunks):
        for term in chunk.body.keys() | chunk.path.keys() | chunk.name.keys():
            places, body, head = gathered[term]
            places.append(place)
            body.append(min(chunk.body.get(term, 0), MAX_BODY))
            head.append(min(chunk.path.get(term, 0), MAX_HEAD) << 4 | min(chunk.name.get(term, 0), MAX_HEAD))
    connection.executemany(
        "INSERT INTO postings (term, segment, entries) VALUES (?, ?, ?)",
        ((term, segment, _pack(*gathered[term])) for term in sorted(gathered)),
    )


def _insert_segment(connection: sqlite3.Connection, **arrays: NDArray[np.generic]) -> int:
    """Add a segment with nothing dead; returns its id."""
    count = len(next(iter(arrays.values())))
    columns = {**{name: array.tobytes() for name, array in arrays.items()}, "dead": bytes(count)}
    cursor = connection.execute(
        f"INSERT INTO segments ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",  # noqa: S608 - own names
        tuple(columns.values()),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def mark_dead(connection: sqlite3.Connection, chunk_ids: Iterable[int]) -> None:
    """Take chunks out of every later search."""
    gone = np.array(sorted(chunk_ids), dtype=np.int64)
    if not len(gone):
        return
    for segment in read_segments(connection):
        hit = np.isin(segment.ids, gone)
        if hit.any():
            segment.dead[hit] = 1
            connection.execute("UPDATE segments SET dead = ? WHERE id = ?", (segment.dead.tobytes(), segment.id))


def merge_if_needed(connection: sqlite3.Connection) -> bool:
    """Make one segment of all when there are many, or many dead chunks; say whether that was done."""
    segments = read_segments(connection)
    total = sum(len(s.ids) for s in segments)
    dead = sum(int(s.dead.sum()) for s in segments)
    if len(segments) <= MAX_SEGMENTS and dead <= MAX_DEAD_SHARE * max(total, 1):
        return False
    _merge(connection, segments)
    return True


def _merge(connection: sqlite3.Connection, segments: Sequence[Segment]) -> None:
    alive = [s.dead == 0 for s in segments]
    arrays = {
        name: np.concatenate([getattr(s, name)[keep] for s, keep in zip(segments, alive, strict=True)])
        for name in ("ids", "files", "bodies", "heads", "kinds", "tests")
    }
    new = _insert_segment(connection, **arrays)
    moved = _moved_places(segments, alive)
    connection.executemany(
        "INSERT INTO postings (term, segment, entries) VALUES (?, ?, ?)",
        ((term, new, entries) for term, entries in list(_merged_postings(connection, moved))),
    )
    old = [(s.id,) for s in segments]
    connection.executemany("DELETE FROM postings WHERE segment = ?", old)
    connection.executemany("DELETE FROM segments WHERE id = ?", old)


def _moved_places(segments: Sequence[Segment], alive: Sequence[NDArray[np.bool_]]) -> dict[int, NDArray[np.int32]]:
    """For each segment: old place → place in the merged one, -1 for the dead."""
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
    rows = connection.execute("SELECT term, segment, entries FROM postings ORDER BY term, segment")
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
