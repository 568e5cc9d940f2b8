"""The terms chosen from a long query are those that counting all postings would choose."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from aurora_core.index.bm25 import choose_terms, idf
from aurora_core.index.frequencies import Frequencies
from aurora_core.index.segments import (
    IndexedChunk,
    Part,
    built_segment,
    mark_dead,
    read_postings,
    read_segments,
    write_segment,
)
from aurora_core.store.schema import migrate

VOCABULARY = [f"w{number}" for number in range(400)]


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "memory.db", isolation_level=None)) as connection:
        migrate(connection, tmp_path / "memory.db")
        connection.execute("PRAGMA synchronous = OFF")
        yield connection


def fill(connection: sqlite3.Connection, draw: random.Random, chunks: int, dead: int) -> None:
    """Two segments of chunks whose words are as uneven as those of code, some of them removed."""
    connection.execute("BEGIN")
    for half in range(2):
        words = [
            draw.choices(VOCABULARY, [1 / (at + 1) for at in range(len(VOCABULARY))], k=30) for _ in range(chunks)
        ]
        built = built_segment(
            [
                IndexedChunk(body=Counter(each), path=Counter(), name=Counter(), kind=0, part=Part.WHOLE, test=False)
                for each in words
            ]
        )
        ids = range(half * chunks + 1, half * chunks + chunks + 1)
        write_segment(connection, built, ids=ids, files=[1] * chunks)
    mark_dead(connection, draw.sample(range(1, 2 * chunks + 1), dead))
    connection.execute("COMMIT")


def opened(connection: sqlite3.Connection) -> Frequencies:
    segments = read_segments(connection)
    ends = np.cumsum([0, *(len(segment.ids) for segment in segments)]).tolist()
    return Frequencies(
        connection,
        starts={segment.id: start for segment, start in zip(segments, ends, strict=False)},
        alive=np.concatenate([segment.dead for segment in segments]) == 0,
        removed={segment.id: int(segment.dead.sum()) for segment in segments},
    )


def counted(connection: sqlite3.Connection, term: str) -> int:
    dead = {segment.id: segment.dead for segment in read_segments(connection)}
    return sum(int((dead[segment][found.places] == 0).sum()) for segment, found in read_postings(connection, term))


@pytest.mark.parametrize("dead", [0, 3, 60])
def test_the_choice_is_that_of_counting_everything(connection: sqlite3.Connection, dead: int) -> None:
    draw = random.Random(dead)
    fill(connection, draw, 100, dead)
    documents = 200 - dead
    for asked in (5, 60, 300):
        terms = draw.sample([*VOCABULARY, *(f"unknown{at}" for at in range(6))], asked)
        weights = {term: draw.choice([0.3, 1.0, 2.0, 6.0]) for term in terms}
        idfs = {term: idf(documents, counted(connection, term)) for term in weights}
        frequencies = opened(connection)
        expected = [term for term in choose_terms(weights, idfs) if read_postings(connection, term)]
        assert list(frequencies.chosen(weights)) == expected
        assert frequencies.idfs(expected) == {term: idfs[term] for term in expected}


def test_unknown_words_take_all_places_only_from_each_other(connection: sqlite3.Connection) -> None:
    fill(connection, random.Random(1), 100, 3)
    weights = {**{f"unknown{at}": 6.0 for at in range(50)}, "w0": 1.0, "w399": 1.0}
    assert set(opened(connection).chosen(weights)) == {t for t in ("w0", "w399") if read_postings(connection, t)}


def test_a_long_query_leaves_most_posting_lists_unread(connection: sqlite3.Connection) -> None:
    fill(connection, random.Random(2), 100, 3)
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    weights = {**dict.fromkeys(VOCABULARY[:60], 6.0), **dict.fromkeys(VOCABULARY[60:], 0.3)}
    frequencies = opened(connection)
    chosen = frequencies.chosen(weights)
    connection.set_trace_callback(None)
    assert len(chosen) == 20
    read = sum("entries FROM" in statement for statement in statements)
    assert read < 60, "a list is read only where removed chunks make its length doubtful"
