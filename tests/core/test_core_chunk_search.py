"""What is left of files and types ranks behind definitions, and a symbol is found once."""

from __future__ import annotations

import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from aurora_core import ChunkKind, Memory, SymbolType
from aurora_core.chunking import Chunk
from aurora_core.index.segments import Part
from aurora_core.indexing.prepare import indexed_chunks
from aurora_core.store.database import connect


def chunk(name: str, symbol_type: SymbolType) -> Chunk:
    return Chunk(kind=ChunkKind.CODE, symbol_type=symbol_type, name=name, line_start=1, line_end=1, content="x")


def parts(*chunks: tuple[str, SymbolType]) -> list[Part]:
    return [indexed.part for indexed in indexed_chunks("a.py", [chunk(*each) for each in chunks])]


def test_only_what_definitions_leave_over_is_a_rest() -> None:
    assert parts(("a", SymbolType.MODULE)) == [Part.WHOLE]
    assert parts(("a", SymbolType.MODULE), ("f", SymbolType.FUNCTION)) == [Part.MODULE_REST, Part.WHOLE]
    assert parts(("K", SymbolType.CLASS), ("K.m", SymbolType.METHOD)) == [Part.CLASS_REST, Part.WHOLE]
    assert parts(("K", SymbolType.CLASS), ("Kite.m", SymbolType.METHOD)) == [Part.WHOLE, Part.WHOLE]


def test_a_definition_comes_before_the_imports_that_share_its_words(tmp_path: Path) -> None:
    imports = "from zeppelin import hull\n" * 3
    (tmp_path / "a.py").write_text(
        f"{imports}\n\ndef fly():\n    steer(zeppelin, hull, rudder, engine, crew, mast)\n"
    )
    with Memory.open(tmp_path) as memory:
        memory.index()
        assert [hit.name for hit in memory.search("zeppelin hull")] == ["fly", "a"]


def test_the_parts_of_chunks_survive_a_merge_of_segments(tmp_path: Path) -> None:
    for number in range(12):
        imports = "from zeppelin import hull\n" * 3
        (tmp_path / f"m{number}.py").write_text(
            f"{imports}\n\ndef fly{number}():\n    steer(zeppelin, hull, a, b, c)\n"
        )
        with Memory.open(tmp_path) as memory:
            memory.index()
    with Memory.open(tmp_path) as memory:
        names = [hit.name for hit in memory.search("zeppelin hull", 24)]
        assert {name[:3] for name in names[:12]} == {"fly"}
        assert memory.search("zeppelin", 3, kinds=["kb"]) == []


@pytest.mark.parametrize(("limit", "names"), [(1, ["long"]), (2, ["long", "short"]), (5, ["long", "short"])])
def test_a_function_of_several_chunks_is_one_hit(tmp_path: Path, limit: int, names: list[str]) -> None:
    (tmp_path / "a.py").write_text("def long():\n" + "    zeppelin()\n" * 700)
    (tmp_path / "b.py").write_text("def short():\n    zeppelin()\n")
    with Memory.open(tmp_path) as memory:
        memory.index()
        assert memory.stats().chunks == 6
        assert [hit.name for hit in memory.search("zeppelin", limit)] == names


OVERLOADS = {
    "A.java": "class A {\n  int zeppelin(int a) {\n    go(a);\n  }\n  int zeppelin(long a) {\n    go(a);\n  }\n}\n",
    "a.cpp": "void zeppelin(int a) {\n  go(a);\n}\nvoid zeppelin(char *a) {\n  go(a);\n}\n",
}


@pytest.mark.parametrize("file", OVERLOADS)
def test_overloads_are_hits_and_definitions_of_their_own(tmp_path: Path, file: str) -> None:
    (tmp_path / file).write_text(OVERLOADS[file])
    with Memory.open(tmp_path) as memory:
        memory.index()
        found = {hit.signature for hit in memory.search("zeppelin") if hit.name.endswith("zeppelin")}
        defined = {hit.signature for hit in memory.definitions("zeppelin")}
    assert found == defined
    assert len(found) == 2


def test_each_piece_of_a_program_without_a_grammar_can_be_a_hit(tmp_path: Path) -> None:
    piece = "proc zeppelin {a} {\n" + "    step $a\n" * 30 + "}\n\n"
    (tmp_path / "ship.tcl").write_text(piece * 4)
    with Memory.open(tmp_path) as memory:
        memory.index()
        hits = memory.search("zeppelin")
    assert [hit.kind for hit in hits] == [ChunkKind.CODE] * 4
    assert len({hit.line_start for hit in hits}) == 4


def test_a_search_reads_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.py").write_text("def fly_zeppelin(hull):\n    return hull\n")
    statements: list[str] = []

    def traced(path: Path, **more: bool) -> sqlite3.Connection:
        connection = connect(path, **more)
        connection.set_trace_callback(statements.append)
        return connection

    monkeypatch.setattr("aurora_core.memory.connect", traced)
    with Memory.open(tmp_path) as memory:
        memory.index()
        statements.clear()
        assert memory.search("zeppelin hull", record=False)
    read = Counter(each for each in statements if each.startswith("SELECT") and "'generation'" not in each)
    assert read
    assert [statement for statement, times in read.items() if times > 1] == []
