"""Of a damaged memory all that no file holds is kept, and nothing that Aurora would not write."""

from __future__ import annotations

import json
import math
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.exhaustive import examples

from aurora_core import Memory, Reasoning
from aurora_core.indexing.rebuild import replace_database, salvage

if TYPE_CHECKING:
    from pathlib import Path

GOOD = ("a.py::f", 2, 10.0, "[10.0, 20.0]")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    (tmp_path / "a.py").write_text("def wombat():\n    return 1\n")
    with Memory.open(tmp_path) as memory:
        memory.index()
        answer = Reasoning(query="q", answer="a", score=0.9, sources=("a.py:1",), run_id="r", created_at=5.0)
        memory.remember(answer)
    path = tmp_path / ".aurora" / "memory.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO accesses (symbol, total, first_at, recent) VALUES (?, ?, ?, ?)", GOOD)
    return path


def change(database: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(statement, values)


def test_uses_and_answers_are_read(database: Path) -> None:
    kept = salvage(database)
    assert kept.accesses == (GOOD,)
    assert [each.query for each in kept.reasonings] == ["q"]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(("total", 0), ("total", -3), ("total", "many"), ("first_at", "then"), ("first_at", math.inf)),
        *(("recent", "[1"), ("recent", '{"a": 1}'), ("recent", '["x"]'), ("recent", "[1e999]"), ("recent", b"\xff")),
        *(("symbol", b"\xff\xfe"), ("recent", "[" * 5000)),
    ],
)
def test_a_use_that_aurora_would_not_write_is_left_and_the_others_kept(
    database: Path, column: str, value: object
) -> None:
    change(database, "INSERT INTO accesses (symbol, total, first_at, recent) VALUES ('b::g', 1, 1.0, '[1.0]')")
    change(database, f"UPDATE accesses SET {column} = ? WHERE symbol = 'b::g'", value)
    assert salvage(database).accesses == (GOOD,)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("query", b"x"),
        ("run_id", b"x"),
        ("sources", "[1]"),
        ("score", "high"),
        ("score", math.inf),
        ("created_at", "now"),
    ],
)
def test_an_answer_that_aurora_would_not_write_is_left(database: Path, column: str, value: object) -> None:
    change(database, f"UPDATE reasoning SET {column} = ?", value)
    kept = salvage(database)
    assert (kept.reasonings, kept.accesses) == ((), (GOOD,))


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0", b"\0" * 5000, b"not a database" * 100])
def test_nothing_is_read_of_what_is_no_database_and_it_stays_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "memory.db"
    path.write_bytes(content)
    kept = salvage(path)
    assert (kept.accesses, kept.reasonings) == ((), ())
    assert path.read_bytes() == content
    assert [each.name for each in tmp_path.iterdir()] == ["memory.db"]


def test_nothing_is_made_where_nothing_is(tmp_path: Path) -> None:
    kept = salvage(tmp_path / "memory.db")
    assert (kept.accesses, kept.reasonings) == ((), ())
    assert list(tmp_path.iterdir()) == []


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(40))
@given(at=st.integers(0, 100_000), garbage=st.binary(min_size=1, max_size=300))
def test_no_damage_raises_and_what_is_kept_is_valid(database: Path, at: int, garbage: bytes) -> None:
    content = bytearray(database.read_bytes())
    copy = database.with_name("copy.db")
    content[at % len(content) : at % len(content) + len(garbage)] = garbage
    copy.write_bytes(content)
    for symbol, total, first_at, recent in salvage(copy).accesses:
        assert isinstance(symbol, str)
        assert total > 0
        assert math.isfinite(first_at)
        assert all(math.isfinite(each) for each in json.loads(recent))


def test_the_log_of_the_old_database_is_never_taken_for_the_new_ones(tmp_path: Path) -> None:
    old, fresh = tmp_path / "memory.db", tmp_path / "memory.db.new"
    for path, value in ((old, "old"), (fresh, "new")):
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("CREATE TABLE t (x)")
            connection.execute("INSERT INTO t VALUES (?)", (value,))
    for suffix in ("-wal", "-shm"):
        (tmp_path / f"memory.db{suffix}").write_bytes(b"left by a process that was killed")
    replace_database(fresh, old)
    assert [each.name for each in tmp_path.iterdir()] == ["memory.db"]
    with closing(sqlite3.connect(old)) as connection:
        assert connection.execute("SELECT x FROM t").fetchall() == [("new",)]
