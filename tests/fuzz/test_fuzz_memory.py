"""A memory.db with wrong values ends in typed errors that say what to do; answers go on where they can."""

from __future__ import annotations

import random
import shutil
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

import pytest
from tests.exhaustive import few
from tests.fuzz.bounded import bounded

from aurora_core import Memory, Reasoning, StoreCorruptError, StoreError

SEEDS = 120
VALUES = (
    None, "", "x", -1, 0, 2**63 - 1, -(2**63), 1.5, float("inf"), b"", b"\0", b"\xff" * 7, b"\xff" * 64, "\ud7ff",
    "[1", '["a", null]', "9" * 400, zlib.compress(b"\xff\xfe"), zlib.compress(b"x")[:-3],
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose memory has rows in every table."""
    root = tmp_path_factory.mktemp("made")
    for number in range(6):
        (root / f"m{number}.py").write_text(
            f"import m{(number + 1) % 6}\n\n\ndef wombat{number}():\n    return wombat{(number + 1) % 6}()\n"
        )
    (root / "wide.txt").write_bytes(b"\0" * 20)
    with Memory.open(root) as memory:
        memory.index()
        memory.remember(
            Reasoning(query="What is a wombat?", answer="m0", score=0.9, sources=("m0.py:4",), run_id="r")
        )
        memory.record_access([hit.chunk_id for hit in memory.search("wombat0")])
    with closing(sqlite3.connect(root / ".aurora" / "memory.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute(
            "INSERT INTO history_files VALUES (1, x'01000000', ?, x'0100000000000000')", (zlib.compress(b"m0.py"),)
        )
        connection.execute("INSERT INTO history_postings VALUES ('wombat', x'0000000001')")
        connection.execute("INSERT INTO history_changes VALUES ('m0.py', 1700000000, 1)")
        connection.execute("INSERT OR REPLACE INTO left_out VALUES ('is odd', 1, 'a', '{\"a\": 1}')")
        connection.commit()
    return root


def mutated(database: Path, seed: int) -> str:
    """Puts one odd value in one column of one row, or of all; returns what was done."""
    rng = random.Random(seed)
    with closing(sqlite3.connect(database)) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        table = rng.choice([name for name in tables if not name.startswith("sqlite_")])
        column = rng.choice([row[1] for row in connection.execute(f"PRAGMA table_info({table})")])
        value = rng.choice(VALUES)
        place = rng.choice(["1", f"rowid IN (SELECT rowid FROM {table} ORDER BY random() LIMIT 1)"])
        try:
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE {place}", (value,))
        except (sqlite3.Error, OverflowError):
            connection.rollback()
        connection.commit()
    return f"{table}.{column} = {value!r}"


def use(root: Path) -> list[str]:
    """Asks a memory everything; returns the messages of its own errors. Anything else is a fault."""
    told: list[str] = []

    def tried(act: object) -> None:
        try:
            act()  # type: ignore[operator]
        except StoreError as error:
            told.append(str(error))

    def opened() -> None:
        with Memory.open(root) as memory:
            for act in (
                lambda: memory.search("wombat0 import", kinds=["code", "kb", "doc", "reas"]),
                lambda: memory.search_files("wombat m0.py"),
                lambda: memory.definitions("wombat0"),
                lambda: memory.callers("wombat1"),
                lambda: memory.text("m0.py"),
                lambda: memory.rarity(["wombat"]),
                memory.stats,
                lambda: memory.record_access(["1", "2"]),
                memory.index,
                lambda: memory.search("wombat2"),
                lambda: memory.remember(Reasoning(query="Again?", answer="m0", score=0.5, sources=(), run_id="r2")),
                lambda: memory.forget("3"),
            ):
                tried(act)

    tried(opened)
    return told


@pytest.mark.parametrize("seed", few(range(SEEDS), 5))
def test_a_wrong_value_anywhere_is_a_typed_error_and_rebuild_mends_it(made: Path, tmp_path: Path, seed: int) -> None:
    root = tmp_path / "copy"
    shutil.copytree(made, root)
    done = mutated(root / ".aurora" / "memory.db", seed)
    told = use(root)
    assert all("memory.db" in message for message in told), done
    Memory.rebuild(root)
    assert use(root) == [], done


def test_a_small_value_that_unpacks_to_gigabytes_is_damage(made: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(made, root)
    packer = zlib.compressobj(9)
    block = bytes(1 << 20)
    bomb = b"".join(packer.compress(block) for _ in range(1024)) + packer.flush()
    with closing(sqlite3.connect(root / ".aurora" / "memory.db")) as connection:
        connection.execute("UPDATE files SET text = ?", (bomb,))
        connection.execute("UPDATE history_files SET files = ?", (bomb,))
        connection.commit()
    told = bounded(use, root)
    assert told
    assert all("aur mem rebuild" in message for message in told)
    bounded(Memory.rebuild, root)
    assert use(root) == []


def test_the_errors_name_the_file_and_offer_to_rebuild(made: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(made, root)
    with closing(sqlite3.connect(root / ".aurora" / "memory.db")) as connection:
        connection.execute("UPDATE segments SET ids = x'01'")
        connection.commit()
    with Memory.open(root) as memory, pytest.raises(StoreCorruptError, match=r"memory\.db.*aur mem rebuild"):
        memory.search("wombat")
