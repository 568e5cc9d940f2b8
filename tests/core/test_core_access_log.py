"""A search never waits to record what was used, and nothing that was recorded is lost."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from aurora_core import Memory
from aurora_core.access_log import FOCUS_S, MAX_FOCUS, AccessLog
from aurora_core.activation import KEPT, PRESETS, ActivationPreset
from aurora_core.store.accesses import last_symbols, read_histories, record_accesses, restore_accesses, symbol_of
from aurora_core.store.database import connect, transaction
from aurora_core.store.files import described_chunks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SETTINGS = PRESETS[ActivationPreset.DEFAULT]
NOW = 1_000_000.0


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text("import stock\n\n\ndef sell_tea():\n    return stock.price_of_tea()\n")
    (tmp_path / "stock.py").write_text("def price_of_tea():\n    return 3\n\n\ndef unrelated_cups():\n    return 4\n")
    with Memory.open(tmp_path) as memory:
        memory.index()
    return tmp_path


@pytest.fixture
def connection(project: Path) -> Iterator[sqlite3.Connection]:
    with closing(connect(project / ".aurora" / "memory.db")) as opened:
        yield opened


def ids(connection: sqlite3.Connection) -> dict[str, int]:
    return dict(connection.execute("SELECT name, id FROM chunks").fetchall())


def totals(connection: sqlite3.Connection) -> dict[str, int]:
    return dict(connection.execute("SELECT symbol, total FROM accesses").fetchall())


def test_without_any_access_every_chunk_has_no_activation(connection: sqlite3.Connection) -> None:
    chunks = ids(connection)
    found = AccessLog(connection, SETTINGS).activations(
        described_chunks(connection, list(chunks.values())), "tea", NOW
    )
    assert found == dict.fromkeys(chunks.values(), 0.0)


def test_a_used_chunk_is_active_and_a_chunk_that_is_gone_is_left_out(connection: sqlite3.Connection) -> None:
    chunks, log = ids(connection), AccessLog(connection, SETTINGS)
    log.record([symbol_of("shop.py", "sell_tea")], NOW)
    described = described_chunks(connection, [chunks["sell_tea"], chunks["unrelated_cups"], 999_999])
    found = log.activations(described, "", NOW + 3 * FOCUS_S)
    assert found.keys() == {chunks["sell_tea"], chunks["unrelated_cups"]}
    assert found[chunks["sell_tea"]] > found[chunks["unrelated_cups"]] == 0.0


def test_activation_spreads_from_recent_use_only(connection: sqlite3.Connection) -> None:
    chunks, log = ids(connection), AccessLog(connection, SETTINGS)
    log.record([symbol_of("shop.py", "sell_tea")], NOW)
    number = chunks["price_of_tea"]
    neighbour = described_chunks(connection, [number])
    assert log.activations(neighbour, "", NOW + 1)[number] > 0
    assert log.activations(neighbour, "", NOW + FOCUS_S + 1)[number] == 0.0


def test_words_of_the_query_raise_the_chunk_that_has_them_in_its_name(connection: sqlite3.Connection) -> None:
    chunks, log = ids(connection), AccessLog(connection, SETTINGS)
    log.record([symbol_of("stock.py", name) for name in ("price_of_tea", "unrelated_cups")], NOW)
    found = log.activations(described_chunks(connection, list(chunks.values())), "price tea", NOW + 60)
    assert found[chunks["price_of_tea"]] > found[chunks["unrelated_cups"]]


@pytest.mark.timeout(30)
def test_what_is_recorded_while_another_process_writes_is_written_later(
    project: Path, connection: sqlite3.Connection
) -> None:
    log = AccessLog(connection, SETTINGS)
    with closing(sqlite3.connect(project / ".aurora" / "memory.db", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        log.record(["shop.py::sell_tea"], NOW)
        log.record(["shop.py::sell_tea", "stock.py::price_of_tea"], NOW + 1)
        assert time.monotonic() - started < 5, "it does not wait for the writer"
        assert totals(connection) == {}
        writer.execute("ROLLBACK")
    log.record(["stock.py::price_of_tea"], NOW + 2)
    assert totals(connection) == {"shop.py::sell_tea": 2, "stock.py::price_of_tea": 2}


@pytest.mark.timeout(30)
def test_closing_the_memory_writes_what_a_writer_had_held_up(project: Path) -> None:
    database = project / ".aurora" / "memory.db"
    memory = Memory.open(project)
    with closing(sqlite3.connect(database, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert memory.search("price of tea")
        writer.execute("ROLLBACK")
    memory.close()
    with closing(sqlite3.connect(database)) as reader:
        assert totals(reader) == {"stock.py::price_of_tea": 1}


def test_a_read_only_memory_records_nothing(project: Path) -> None:
    with Memory.open(project, read_only=True) as memory:
        (hit, *_) = memory.search("price of tea")
        memory.record_access([hit.chunk_id])
    with closing(sqlite3.connect(project / ".aurora" / "memory.db")) as reader:
        assert totals(reader) == {}


def test_a_history_keeps_the_last_uses_and_the_number_of_all(connection: sqlite3.Connection) -> None:
    with transaction(connection):
        for number in range(KEPT + 5):
            record_accesses(connection, ["a::b"], NOW + number)
    history = read_histories(connection, ["a::b", "never::used"])
    assert history.keys() == {"a::b"}
    assert (history["a::b"].total, history["a::b"].first_at) == (KEPT + 5, NOW)
    assert history["a::b"].recent == tuple(NOW + number for number in range(5, KEPT + 5))


def test_the_focus_is_the_symbols_used_last_newest_first(connection: sqlite3.Connection) -> None:
    with transaction(connection):
        for number in range(MAX_FOCUS + 4):
            record_accesses(connection, [f"f::{number:02}"], NOW + number)
    newest = [f"f::{number:02}" for number in reversed(range(4, MAX_FOCUS + 4))]
    assert last_symbols(connection, since=NOW, limit=MAX_FOCUS) == newest
    assert last_symbols(connection, since=NOW + MAX_FOCUS + 2, limit=MAX_FOCUS) == newest[:2]
    assert last_symbols(connection, since=NOW + 1e6, limit=MAX_FOCUS) == []


def test_restored_uses_are_in_focus_by_their_last_time(connection: sqlite3.Connection) -> None:
    rows = [("a::b", 3, NOW, f"[{NOW}, {NOW + 9}]"), ("c::d", 1, NOW + 5, "[]")]
    with transaction(connection):
        restore_accesses(connection, rows)
    assert last_symbols(connection, since=NOW + 6, limit=5) == ["a::b"]
    assert last_symbols(connection, since=NOW, limit=5) == ["a::b", "c::d"]
    assert read_histories(connection, ["a::b"])["a::b"].recent == (NOW, NOW + 9)
