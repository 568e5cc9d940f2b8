"""The store keeps what it was given: compressed texts, vectors of one model, answers, and the files left out."""

from __future__ import annotations

import sqlite3
import threading
import zlib
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_core import Memory, Reasoning, StoreCorruptError, StoreError
from aurora_core.chunking import Chunk, ChunkKind, SymbolType
from aurora_core.store.database import connect, generation, reading, transaction, translating_errors
from aurora_core.store.files import (
    MAX_TEXT_BYTES,
    ChunkRow,
    chunks_in,
    file_note,
    file_text,
    known_files,
    packed_text,
    put_file,
    remove_chunks,
    remove_file,
    unpacked,
)
from aurora_core.store.left_out import EXAMPLES, groups_of, put_left_out, read_left_out
from aurora_core.store.reasoning import put_reasoning, read_reasonings, reasonings_by_id, remove_reasoning
from aurora_core.store.vectors import put_vectors, read_vectors, use_model, without_vector
from aurora_core.store.write_ahead import use_write_ahead_log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "memory.db"


@pytest.fixture
def connection(database: Path) -> Iterator[sqlite3.Connection]:
    with closing(connect(database)) as opened:
        yield opened


def put(connection: sqlite3.Connection, path: str, text: str, *spans: tuple[int, int], note: str = "") -> list[int]:
    rows = [
        ChunkRow.of(
            Chunk(
                kind=ChunkKind.CODE,
                symbol_type=SymbolType.FUNCTION,
                name=f"A.f{start}",
                line_start=start,
                line_end=end,
                content="",
            )
        )
        for start, end in spans
    ]
    with transaction(connection):
        _, numbers = put_file(
            connection, path, digest=b"d", size=1, mtime_ns=2, text=packed_text(text), note=note, chunks=rows
        )
    return list(numbers)


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back_as_it_was(text: str) -> None:
    assert unpacked(packed_text(text)).decode() == text


@pytest.mark.parametrize("content", [b"", b"garbage", zlib.compress(b"x" * 99)[:-3], zlib.compress(b"x")[:4]])
def test_a_damaged_text_is_noticed(content: bytes) -> None:
    with pytest.raises(zlib.error):
        unpacked(content)


def test_a_bomb_is_not_unpacked_beyond_the_limit() -> None:
    bomb = zlib.compress(b"\0" * (MAX_TEXT_BYTES + 1))
    assert len(bomb) < 10_000
    with pytest.raises(zlib.error, match="longer than"):
        unpacked(bomb)
    assert len(unpacked(zlib.compress(b"\0" * MAX_TEXT_BYTES))) == MAX_TEXT_BYTES


def test_chunks_are_the_lines_of_their_file_in_order(connection: sqlite3.Connection) -> None:
    put(connection, "a.py", "one\ntwo\nthree\nfour", (3, 4), (1, 2))
    assert [(c.name, c.content) for c in chunks_in(connection, "a.py")] == [
        ("A.f1", "one\ntwo"),
        ("A.f3", "three\nfour"),
    ]
    assert chunks_in(connection, "b.py") == []


def test_ids_of_chunks_are_never_given_again(connection: sqlite3.Connection) -> None:
    first = put(connection, "a.py", "x\ny", (1, 1), (2, 2))
    (file_id,) = (known.id for known in known_files(connection).values())
    with transaction(connection):
        assert remove_chunks(connection, file_id) == first
    second = put(connection, "a.py", "z", (1, 1))
    assert min(second) > max(first)
    assert known_files(connection)["a.py"].id == file_id, "the file keeps its id"


def test_a_removed_file_leaves_nothing(connection: sqlite3.Connection) -> None:
    numbers = put(connection, "a.py", "x", (1, 1), note="is generated")
    assert (file_text(connection, "a.py"), file_note(connection, "a.py")) == ("x", "is generated")
    with transaction(connection):
        assert remove_file(connection, known_files(connection)["a.py"].id) == numbers
    assert (file_text(connection, "a.py"), file_note(connection, "a.py")) == (None, None)
    assert connection.execute("SELECT count(*) FROM chunks").fetchone() == (0,)


def test_files_below_a_folder_are_not_those_that_only_begin_alike(connection: sqlite3.Connection) -> None:
    for path in ("src/a.py", "src/b/c.py", "src.py", "src0/d.py", "src-x/e.py", "other/src/f.py"):
        put(connection, path, "x")
    assert known_files(connection, "src").keys() == {"src/a.py", "src/b/c.py"}
    assert known_files(connection, "src/a.py").keys() == {"src/a.py"}
    assert known_files(connection, "src/_").keys() == set(), "no wildcard of SQL has a meaning"


def test_vectors_are_of_one_model_and_of_chunks_that_are_there(connection: sqlite3.Connection) -> None:
    first, second = put(connection, "a.py", "x\ny", (1, 1), (2, 2))
    unit = np.eye(3, 4, dtype=np.float32)
    with transaction(connection):
        use_model(connection, "small")
        put_vectors(connection, [first, second, 999], unit)
    ids, vectors = read_vectors(connection)
    assert (ids.tolist(), vectors.shape) == ([first, second], (2, 4))
    assert np.array_equal(vectors, unit[:2].astype(np.float16))
    with transaction(connection):
        use_model(connection, "small")
    assert without_vector(connection) == []
    with transaction(connection):
        use_model(connection, "large")
    assert without_vector(connection) == [first, second]
    assert read_vectors(connection)[1].shape == (0, 0)


def reasoning(query: str, answer: str = "yes", **more: object) -> Reasoning:
    return Reasoning(query=query, answer=answer, score=0.9, sources=("a.py:1",), run_id="r1", **more)  # type: ignore[arg-type]


def test_an_answer_comes_back_whole_by_its_chunk(connection: sqlite3.Connection) -> None:
    given_answer = reasoning("why\nso?", "line one\n\nline two\n", project="/p", created_at=12.5)
    with transaction(connection):
        kept = put_reasoning(connection, given_answer)
    assert reasonings_by_id(connection, [kept.number, 999]) == {kept.number: given_answer}
    assert kept.chunk.name == "why"
    assert known_files(connection) == {}, "an answer is no file of the project"


def test_the_same_question_replaces_its_answer_in_its_own_project_only(connection: sqlite3.Connection) -> None:
    with transaction(connection):
        old = put_reasoning(connection, reasoning("q", "old", created_at=1.0))
        other = put_reasoning(connection, reasoning("q", "other", project="/p", created_at=2.0))
        new = put_reasoning(connection, reasoning("q", "new", created_at=3.0))
    assert (old.replaced, other.replaced, new.replaced) == ((), (), (old.number,))
    assert [each.answer for each in read_reasonings(connection)] == ["other", "new"]


def test_only_answers_can_be_removed(connection: sqlite3.Connection) -> None:
    (code,) = put(connection, "a.py", "x", (1, 1))
    with transaction(connection):
        kept = put_reasoning(connection, reasoning("q"))
        assert remove_reasoning(connection, code) == []
        assert remove_reasoning(connection, kept.number) == [kept.number]
        assert remove_reasoning(connection, kept.number) == []
    assert chunks_in(connection, "a.py")


def test_what_is_left_out_is_grouped_by_reason_with_a_few_examples(connection: sqlite3.Connection) -> None:
    found = [(f"{number}.bin", "is binary") for number in range(9)] + [("a.py", "is generated")]
    with transaction(connection):
        put_left_out(connection, groups_of([("old", "is old")]))
        put_left_out(connection, groups_of(found))
    put(connection, "b.py", "", note="is binary")
    put(connection, ".aurora/reasoning/x", "", note="is binary")
    first, second = read_left_out(connection)
    assert (first.reason, first.count, first.examples) == ("is binary", 10, ("0.bin", "1.bin", "2.bin"))
    assert (second.reason, second.count, len(first.examples)) == ("is generated", 1, EXAMPLES)


def test_inside_a_reading_nothing_changes(database: Path, connection: sqlite3.Connection) -> None:
    with closing(connect(database)) as other:
        with reading(connection, database):
            assert known_files(connection) == {}
            put(other, "a.py", "x")
            assert known_files(connection) == {}
        assert known_files(connection).keys() == {"a.py"}


def test_a_transaction_that_raises_leaves_everything_as_it_was(connection: sqlite3.Connection) -> None:
    before = generation(connection)

    def fail() -> None:
        with transaction(connection):
            put_reasoning(connection, reasoning("q"))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert (read_reasonings(connection), generation(connection)) == ([], before)


@pytest.mark.parametrize(
    "error", [ValueError("x"), KeyError("x"), zlib.error("x"), UnicodeDecodeError("a", b"", 0, 1, "x")]
)
def test_an_impossible_stored_value_means_damage(database: Path, error: Exception) -> None:
    with pytest.raises(StoreCorruptError, match=r"memory\.db: .*aur mem rebuild"), translating_errors(database):
        raise error


@pytest.mark.parametrize("column", ["text", "kind", "symbol_type"])
def test_a_value_that_aurora_did_not_write_is_named_as_damage(tmp_path: Path, column: str) -> None:
    (tmp_path / "a.py").write_text("def wombat():\n    return 'wombat'\n")
    with Memory.open(tmp_path) as memory:
        memory.index()
    table = "files" if column == "text" else "chunks"
    with closing(sqlite3.connect(tmp_path / ".aurora" / "memory.db")) as damaged, damaged:
        damaged.execute(f"UPDATE {table} SET {column} = 'nonsense'")
    with Memory.open(tmp_path) as memory, pytest.raises(StoreError, match="aur mem rebuild"):
        memory.search("wombat", record=False)


@pytest.mark.timeout(60)
def test_many_connections_switch_a_database_to_its_log_at_once(database: Path) -> None:
    sqlite3.connect(database).close()
    start, modes = threading.Barrier(8), []

    def switch() -> None:
        with closing(sqlite3.connect(database, timeout=0.0, isolation_level=None)) as opened:
            start.wait()
            use_write_ahead_log(opened, wait_s=30.0)
            modes.append(opened.execute("PRAGMA journal_mode").fetchone()[0])

    threads = [threading.Thread(target=switch) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert modes == ["wal"] * 8


@pytest.mark.timeout(30)
def test_a_locked_database_is_not_waited_for_longer_than_asked(database: Path) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as holder:
        holder.execute("CREATE TABLE t (x)")
        holder.execute("BEGIN EXCLUSIVE")
        with closing(sqlite3.connect(database, timeout=60.0, isolation_level=None)) as opened:
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                use_write_ahead_log(opened, wait_s=0.05)
            assert opened.execute("PRAGMA busy_timeout").fetchone() == (60_000,)
