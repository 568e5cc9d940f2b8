"""The inverted index inside SQLite: immutable segments of postings, and bits for what died in them.

Each batch of changes writes one segment. A posting list is `df` places (int32) followed by `df` weighted term
frequencies (uint8); a place is an index into the segment's arrays. Removed chunks are marked dead and leave when
segments are merged.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = [
    "IndexedChunk",
    "Segment",
    "mark_dead",
    "merge_if_needed",
    "read_postings",
    "read_segments",
    "write_segment",
]

MAX_SEGMENTS: Final = 8
MAX_DEAD_SHARE: Final = 0.2
MAX_FREQUENCY: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedChunk:
    """What the index needs of a chunk.

    Attributes:
        frequencies: weighted term frequency by term.
        length: weighted count of all its terms.
        kind: place of its kind in `ChunkKind`.
        test: whether its file is a test's.
    """

    id: int
    frequencies: Mapping[str, int]
    length: int
    kind: int
    test: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A segment's arrays, parallel and in the order of its chunks.

    Attributes:
        ids: (n,) int64, chunk ids, ascending.
        lengths: (n,) int32, weighted lengths.
        kinds: (n,) uint8.
        tests: (n,) uint8, 1 for a test file's chunk.
        dead: (n,) uint8, 1 for a removed chunk.
    """

    id: int
    ids: NDArray[np.int64]
    lengths: NDArray[np.int32]
    kinds: NDArray[np.uint8]
    tests: NDArray[np.uint8]
    dead: NDArray[np.uint8]


def read_segments(connection: sqlite3.Connection) -> list[Segment]:
    """All segments, oldest first."""
    rows = connection.execute("SELECT id, ids, lengths, kinds, tests, dead FROM segments ORDER BY id")
    return [
        Segment(
            id=number,
            ids=np.frombuffer(ids, dtype="<i8"),
            lengths=np.frombuffer(lengths, dtype="<i4"),
            kinds=np.frombuffer(kinds, dtype=np.uint8),
            tests=np.frombuffer(tests, dtype=np.uint8),
            dead=np.frombuffer(dead, dtype=np.uint8).copy(),
        )
        for number, ids, lengths, kinds, tests, dead in rows
    ]


def read_postings(
    connection: sqlite3.Connection, term: str
) -> Iterator[tuple[int, NDArray[np.int32], NDArray[np.uint8]]]:
    """For each segment that has a term: the segment's id, places and frequencies."""
    rows = connection.execute("SELECT segment, entries FROM postings WHERE term = ? ORDER BY segment", (term,))
    for segment, entries in rows:
        yield segment, *_unpack(entries)


def _unpack(entries: bytes) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    count = len(entries) // 5
    return np.frombuffer(entries, dtype="<i4", count=count), np.frombuffer(entries, dtype=np.uint8, offset=4 * count)


def _pack(places: Sequence[int] | NDArray[np.int32], frequencies: Sequence[int] | NDArray[np.uint8]) -> bytes:
    return np.asarray(places, dtype="<i4").tobytes() + np.asarray(frequencies, dtype=np.uint8).tobytes()


def write_segment(connection: sqlite3.Connection, chunks: Sequence[IndexedChunk]) -> None:
    """Add a segment of chunks in ascending order of their ids; nothing is written for none."""
    if not chunks:
        return
    segment = _insert_segment(
        connection,
        np.array([c.id for c in chunks], dtype="<i8"),
        np.array([c.length for c in chunks], dtype="<i4"),
        np.array([c.kind for c in chunks], dtype=np.uint8),
        np.array([c.test for c in chunks], dtype=np.uint8),
    )
    places: dict[str, list[int]] = defaultdict(list)
    frequencies: dict[str, list[int]] = defaultdict(list)
    for place, chunk in enumerate(chunks):
        for term, frequency in chunk.frequencies.items():
            places[term].append(place)
            frequencies[term].append(min(frequency, MAX_FREQUENCY))
    connection.executemany(
        "INSERT INTO postings (term, segment, entries) VALUES (?, ?, ?)",
        ((term, segment, _pack(places[term], frequencies[term])) for term in sorted(places)),
    )


def _insert_segment(
    connection: sqlite3.Connection,
    ids: NDArray[np.int64],
    lengths: NDArray[np.int32],
    kinds: NDArray[np.uint8],
    tests: NDArray[np.uint8],
) -> int:
    cursor = connection.execute(
        "INSERT INTO segments (ids, lengths, kinds, tests, dead) VALUES (?, ?, ?, ?, ?)",
        (ids.tobytes(), lengths.tobytes(), kinds.tobytes(), tests.tobytes(), bytes(len(ids))),
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
    new = _insert_segment(
        connection,
        np.concatenate([s.ids[keep] for s, keep in zip(segments, alive, strict=True)]),
        np.concatenate([s.lengths[keep] for s, keep in zip(segments, alive, strict=True)]),
        np.concatenate([s.kinds[keep] for s, keep in zip(segments, alive, strict=True)]),
        np.concatenate([s.tests[keep] for s, keep in zip(segments, alive, strict=True)]),
    )
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
    term = ""
    places: list[NDArray[np.int32]] = []
    frequencies: list[NDArray[np.uint8]] = []
    rows = connection.execute("SELECT term, segment, entries FROM postings ORDER BY term, segment")
    for next_term, segment, entries in rows:
        if next_term != term and places:
            yield term, _pack(np.concatenate(places), np.concatenate(frequencies))
            places, frequencies = [], []
        term = next_term
        old, found = _unpack(entries)
        new = moved[segment][old]
        if (new >= 0).any():
            places.append(new[new >= 0])
            frequencies.append(found[new >= 0])
    if places:
        yield term, _pack(np.concatenate(places), np.concatenate(frequencies))
