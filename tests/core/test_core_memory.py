"""The memory follows the files: what is there is found, what is gone is not, whoever writes meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.exhaustive import examples, few
from tests.warm_python import WarmPopen

from aurora_core import (
    ChunkKind,
    Hit,
    IndexReport,
    Memory,
    ProjectError,
    Reasoning,
    StoreCorruptError,
    StoreError,
)
from aurora_core.project import Project

Answer = TypeVar("Answer")

FILES = {
    "shop/prices.py": (
        '"""Prices."""\n\n\ndef discount(price, years):\n    """Compute the discount of a customer."""\n'
        "    return price * years / 100\n\n\ndef total(price, years):\n    return price - discount(price, years)\n"
    ),
    "shop/stock.py": "class Stock:\n    def reserve(self, item):\n        return self.items.pop(item)\n",
    "web/app.js": "export function render(cart) {\n  return total(cart);\n}\n",
    "README.md": "# Shop\n\nA discount is one percent a year.\n\n## Stock\n\nItems are reserved.\n",
    "tests/test_prices.py": "def test_discount():\n    assert discount(100, 2) == 2\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for file, text in FILES.items():
        write(root / file, text)
    return root


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def names(memory: Memory, query: str) -> list[str]:
    return [hit.name for hit in memory.search(query)]


def contents(root: Path) -> list[tuple[object, ...]]:
    """What a memory knows, apart from ids and times."""
    with closing(sqlite3.connect(root / ".aurora" / "memory.db")) as connection, connection:
        rows = connection.execute(
            """SELECT path, kind, symbol_type, name, line_start, line_end, signature, text
               FROM chunks JOIN files ON files.id = file_id ORDER BY path, line_start, name"""
        ).fetchall()
        alive = connection.execute("SELECT count(*) FROM chunks").fetchone()[0]
        ids = [row for (blob,) in connection.execute("SELECT ids FROM segments") for row in [blob]]
    indexed = sum(len(blob) // 8 for blob in ids)
    assert indexed >= alive
    return rows


def test_what_is_written_is_found_with_its_place(project: Path) -> None:
    with Memory.open(project) as memory:
        report = memory.index()
        best = memory.search("compute the discount")[0]
    assert report.files_indexed == len(FILES)
    assert (best.file, best.name, best.line_start, best.line_end) == ("shop/prices.py", "discount", 4, 6)
    assert best.content.startswith("def discount")
    assert best.signature == "def discount(price, years)"
    assert best.bm25_score == 1.0
    assert 0 < best.name_score < 1, "its name has one of the query's two words"
    assert best.hybrid_score == pytest.approx(1.2 + 2 * best.name_score), "it is in the best file, and was never used"


def test_an_unchanged_project_is_not_read_again(project: Path) -> None:
    with Memory.open(project) as memory:
        memory.index()
        report = memory.index()
    assert (report.files_indexed, report.files_unchanged) == (0, len(FILES))


def test_edits_deletes_and_renames_leave_nothing_behind(project: Path) -> None:
    with Memory.open(project) as memory:
        memory.index()
        write(project / "shop/prices.py", "def rebate(price):\n    return price\n")
        (project / "shop/stock.py").rename(project / "shop/store.py")
        (project / "web/app.js").unlink()
        report = memory.index()
        assert report.files_removed == 2
        assert names(memory, "discount price years")[0] != "discount"
        assert memory.search("rebate")[0].name == "rebate"
        assert {hit.file for hit in memory.search("reserve item stock", kinds=["code"])} == {"shop/store.py"}
        assert not any(hit.file == "web/app.js" for hit in memory.search("render cart"))
    assert contents(project) == contents_of_fresh_copy(project)


def contents_of_fresh_copy(project: Path) -> list[tuple[object, ...]]:
    fresh = project.with_name("fresh")
    for path in project.rglob("*"):
        if path.is_file() and ".aurora" not in path.parts:
            write(fresh / path.relative_to(project), path.read_text())
    with Memory.open(fresh) as memory:
        memory.index()
    return contents(fresh)


def test_a_touched_file_with_the_same_content_keeps_its_chunks(project: Path) -> None:
    with Memory.open(project) as memory:
        memory.index()
        before = memory.search("discount")[0].chunk_id
        os.utime(project / "shop/prices.py", ns=(1, 1))
        report = memory.index()
        assert report.files_indexed == 0
        assert memory.search("discount")[0].chunk_id == before


def test_indexing_a_sub_folder_leaves_the_rest_as_it_was(project: Path) -> None:
    with Memory.open(project) as memory:
        memory.index()
        write(project / "shop/prices.py", "def rebate(price):\n    return price\n")
        write(project / "web/app.js", "export function draw(cart) {\n  return 1;\n}\n")
        (project / "README.md").unlink()
        memory.index(project / "shop")
        assert memory.search("rebate")[0].name == "rebate"
        known = {(row[0], row[3]) for row in contents(project)}
        assert ("web/app.js", "render") in known, "not looked at, so still as it was"
        assert any(file == "README.md" for file, _ in known)
        memory.index("web/app.js")
        assert memory.search("draw cart")[0].name == "draw"


def test_a_folder_that_is_gone_is_forgotten_when_it_is_named(project: Path) -> None:
    with Memory.open(project) as memory:
        memory.index()
        (project / "shop/prices.py").unlink()
        (project / "shop/stock.py").unlink()
        (project / "shop").rmdir()
        assert memory.index("shop").files_removed == 2


def test_a_path_outside_of_the_project_is_refused(project: Path) -> None:
    with Memory.open(project) as memory, pytest.raises(ProjectError, match="not in the project"):
        memory.index(project.parent)


def test_tests_come_after_what_they_test_unless_asked_for(project: Path) -> None:
    with Memory.open(project) as memory:
        memory.index()
        assert names(memory, "discount")[0] == "discount"
        assert names(memory, "test of the discount")[0] == "test_discount"


def test_kinds_and_limits_are_obeyed(project: Path) -> None:
    with Memory.open(project) as memory:
        memory.index()
        assert {hit.kind for hit in memory.search("discount stock", kinds=[ChunkKind.KB])} == {ChunkKind.KB}
        assert len(memory.search("discount stock item", limit=2)) == 2
        assert memory.search("discount", min_score=3.0) == []
        with pytest.raises(ValueError, match="poem"):
            memory.search("discount", kinds=["poem"])


def test_nothing_matches_nothing(project: Path) -> None:
    with Memory.open(project) as memory:
        assert memory.search("discount") == []
        memory.index()
        assert memory.search("zeppelin") == []
        assert memory.search("") == []
        assert memory.search_files("zeppelin") == []


def test_files_are_ranked_by_all_their_chunks(project: Path) -> None:
    with Memory.open(project) as memory:
        memory.index()
        files = memory.search_files("discount price total")
    assert files[0].file == "shop/prices.py"
    assert files[0].score == 1.0
    assert len({f.file for f in files}) == len(files)


def test_definitions_and_callers(project: Path) -> None:
    with Memory.open(project) as memory:
        memory.index()
        assert [(d.file, d.name) for d in memory.definitions("reserve")] == [("shop/stock.py", "Stock.reserve")]
        assert [d.name for d in memory.definitions("Stock.reserve")] == ["Stock.reserve"]
        assert memory.definitions("Other.reserve") == []
        callers = [(r.file, r.line, r.name) for r in memory.callers("discount")]
    assert callers == [("shop/prices.py", 10, "total"), ("tests/test_prices.py", 2, "test_discount")]


def test_use_raises_activation_and_orders_equals(project: Path) -> None:
    write(project / "a/one.py", "def charge(card):\n    return card\n")
    write(project / "b/two.py", "def charge(card):\n    return card\n")
    with Memory.open(project) as memory:
        memory.index()
        second = next(hit for hit in memory.search("charge card", record=False) if hit.file == "b/two.py")
        assert second.activation_score == 0.0
        memory.record_access([second.chunk_id])
        first = memory.search("charge card", record=False)[0]
        assert first.file == "b/two.py"
        assert first.activation_score > 0.0
        write(project / "b/two.py", "def charge(card):\n    # edited\n    return card\n")
        memory.index()
        edited = next(hit for hit in memory.search("charge card") if hit.file == "b/two.py")
        assert edited.activation_score > 0.0, "an edit keeps the history"


def test_answers_are_remembered_apart_from_code(project: Path) -> None:
    answer = Reasoning(
        query="How is the discount computed?", answer="By years.", score=0.9, sources=("a.py:1",), run_id="r"
    )
    with Memory.open(project) as memory:
        memory.index()
        memory.remember(answer)
        memory.remember(answer)
        memory.index()
        found = memory.search("discount computed", kinds=["reas"])
        assert [hit.name for hit in found] == ["How is the discount computed?"]
        assert not any(hit.kind is ChunkKind.REAS for hit in memory.search("discount computed"))
        assert memory.stats().by_kind["reas"] == 1


def test_stats_tell_what_is_there(project: Path) -> None:
    with Memory.open(project) as memory:
        assert memory.stats().last_indexed_at is None
        memory.index()
        stats = memory.stats()
    assert stats.files == len(FILES)
    assert stats.languages == {".py": 3, ".js": 1, ".md": 1}
    assert stats.chunks == sum(stats.by_kind.values())
    assert stats.database_bytes > 0
    assert stats.last_indexed_at == pytest.approx(time.time(), abs=60)


def test_many_small_updates_are_merged(project: Path) -> None:
    with Memory.open(project) as memory:
        memory.index()
        for number in range(30):
            write(project / "shop/prices.py", f"def discount_{number}(price):\n    return price * {number}\n")
            memory.index()
        assert memory.search("discount 29 price")[0].name == "discount_29"
    with closing(sqlite3.connect(project / ".aurora" / "memory.db")) as connection, connection:
        assert connection.execute("SELECT count(*) FROM segments").fetchone()[0] <= 8
    assert contents(project) == contents_of_fresh_copy(project)


INDEX = "import sys; from aurora_core import Memory; Memory.open(sys.argv[1]).index()"


def test_two_indexers_and_readers_at_once(project: Path) -> None:
    for number in range(150):
        write(project / f"many/m{number}.py", f"def function_{number}(value):\n    return value + {number}\n")
    indexers = [WarmPopen([sys.executable, "-c", INDEX, str(project)]) for _ in range(2)]
    with Memory.open(project) as memory:
        while any(indexer.poll() is None for indexer in indexers):
            assert len(memory.search("function value")) <= 10
            time.sleep(0.01)
    assert [indexer.wait() for indexer in indexers] == [0, 0]
    assert contents(project) == contents_of_fresh_copy(project)


@pytest.mark.parametrize("delay_s", few([0.25, 0.3, 0.35, 0.4, 0.5], 1))
def test_a_killed_indexer_leaves_whole_files_and_the_next_one_completes(project: Path, delay_s: float) -> None:
    for number in range(600):
        write(project / f"many/m{number}.py", f"def function_{number}(value):\n    return value + {number}\n")
    indexer = subprocess.Popen([sys.executable, "-c", INDEX, str(project)])
    time.sleep(delay_s)
    indexer.send_signal(signal.SIGKILL)
    indexer.wait()
    with Memory.open(project) as memory:
        memory.search("function value")
        memory.index()
    assert contents(project) == contents_of_fresh_copy(project)


@pytest.mark.parametrize("damage", [b"", b"not a database at all", os.urandom(5000)])
def test_a_damaged_database_is_named(project: Path, damage: bytes) -> None:
    (project / ".aurora").mkdir()
    database = project / ".aurora" / "memory.db"
    database.write_bytes(damage)
    if not damage:
        Memory.open(project).close()
        return
    with pytest.raises(StoreCorruptError, match=r"memory\.db: is damaged"):
        Memory.open(project)


def test_a_newer_schema_is_refused_and_left_alone(project: Path) -> None:
    Memory.open(project).close()
    database = project / ".aurora" / "memory.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("PRAGMA user_version = 999")
    with pytest.raises(StoreError, match="update Aurora"):
        Memory.open(project)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="is not a folder"):
        Memory.open(tmp_path / "missing")


async def test_the_asynchronous_twins_do_the_same(project: Path) -> None:
    with Memory.open(project) as memory:
        report = await memory.aindex()
        assert report.files_indexed == len(FILES)
        hits = await memory.asearch("discount", 3, kinds=["code"])
        assert hits[0].name == "discount"
        assert await memory.asearch_files("discount") == memory.search_files("discount")
        assert await memory.asearch("discount", min_score=99.0) == []


async def test_asynchronous_calls_side_by_side_answer_as_one_after_another(project: Path) -> None:
    with Memory.open(project) as memory:
        memory.index()
        wanted = [hit.chunk_id for hit in memory.search("discount", record=False)]
        calls = [memory.asearch("discount", record=False) for _ in range(20)]
        answers, *_ = await asyncio.gather(asyncio.gather(*calls), memory.aindex(), memory.asearch_files("discount"))
        assert [[hit.chunk_id for hit in answer] for answer in answers] == [wanted] * 20


class Held(Memory):
    """A memory whose calls wait in their thread until it is being closed; their results are kept."""

    def __init__(self, project: Path) -> None:
        super().__init__(Project.init(project), ())
        self.begun = threading.Event()
        self.results: list[object] = []

    def search(self, *given: Any, **more: Any) -> list[Hit]:
        return self.held(partial(super().search, *given, **more))

    def index(self, *given: Any, **more: Any) -> IndexReport:
        return self.held(partial(super().index, *given, **more))

    def held(self, call: Callable[[], Answer]) -> Answer:
        self.begun.set()
        self._closing.wait()
        try:
            answer = call()
        except Exception as error:
            self.results.append(error)
            raise
        self.results.append(answer)
        return answer


async def test_closing_waits_for_a_cancelled_search_and_cancels_those_that_wait(project: Path) -> None:
    with Memory.open(project) as memory:
        memory.index()
    with Held(project) as held:
        running = asyncio.create_task(held.asearch("discount"))
        await asyncio.to_thread(held.begun.wait)
        waiting = asyncio.create_task(held.asearch("stock"))
        await asyncio.sleep(0)  # it reaches its thread
        running.cancel()
    [hits] = held.results
    assert isinstance(hits, list), hits
    assert hits[0].name == "discount"
    for task in (running, waiting):
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("cancelled", [True, False])
async def test_closing_stops_an_index_and_leaves_a_whole_memory(project: Path, cancelled: bool) -> None:
    with Held(project) as held:
        running = asyncio.create_task(held.aindex())
        await asyncio.to_thread(held.begun.wait)
        if cancelled:
            running.cancel()
    assert [type(result) for result in held.results] == [CancelledError]
    with pytest.raises(asyncio.CancelledError):
        await running
    with Memory.open(project) as memory:
        assert memory.stats().files == 0
        assert memory.index().files_indexed == len(FILES)
        assert "discount" in names(memory, "discount")


async def test_a_closed_memory_starts_nothing(project: Path) -> None:
    memory = Memory.open(project)
    memory.close()
    before = threading.active_count()
    with pytest.raises(StoreError, match="the memory is closed"):
        await memory.asearch("discount")
    assert threading.active_count() == before


async def test_a_cancelled_index_makes_room_for_the_next_call(project: Path) -> None:
    class Slow(Memory):
        def index(self, *given: Any, **more: Any) -> IndexReport:
            begun.set()
            go_on.wait()
            return super().index(*given, **more)

    begun, go_on = threading.Event(), threading.Event()
    with Slow(Project.init(project), ()) as memory:
        running = asyncio.create_task(memory.aindex())
        await asyncio.to_thread(begun.wait)
        running.cancel()
        await asyncio.wait([running])
        go_on.set()
        assert await memory.asearch("discount") == []
        assert memory.index().files_indexed == len(FILES)


async def test_a_call_needs_no_thread_of_the_loops_pool(project: Path) -> None:
    loop, end = asyncio.get_running_loop(), threading.Event()
    loop.set_default_executor(ThreadPoolExecutor(max_workers=1))
    other = loop.run_in_executor(None, end.wait)
    with Memory.open(project) as memory:
        memory.index()
        try:
            assert await asyncio.wait_for(memory.asearch("discount"), timeout=60)
        finally:
            end.set()
            await other


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=120))
def test_any_query_is_answered(tmp_path_factory: pytest.TempPathFactory, query: str) -> None:
    root = tmp_path_factory.mktemp("query")
    write(root / "a.py", "def discount(price):\n    return price\n")
    with Memory.open(root) as memory:
        memory.index()
        for hit in memory.search(query):
            assert 0.0 < hit.bm25_score <= 1.0


def test_an_update_of_a_few_files_counts_no_others(project: Path) -> None:
    (project / "icon.bin").write_bytes(b"\0" * 9)
    with Memory.open(project) as memory:
        assert [group.examples for group in memory.index().left_out] == [("icon.bin",)]
        assert memory.update(["shop/prices.py"]).left_out == ()
        assert [group.examples for group in memory.stats().left_out] == [("icon.bin",)]


def test_only_named_files_are_brought_up_to_date(project: Path) -> None:
    with Memory.open(project) as memory:
        memory.index()
        write(project / "shop/prices.py", "def rebate():\n    return 1\n")
        write(project / "shop/stock.py", "def unseen():\n    return 1\n")
        (project / "web/app.js").unlink()
        write(project / "web/new/cart.js", "export function cart() {}\n")
        report = memory.update(["shop/prices.py", project / "web", "nowhere/at/all.py"])
        assert (report.files_indexed, report.files_removed) == (2, 1)
        assert [d.file for d in memory.definitions("rebate")] == ["shop/prices.py"]
        assert [d.file for d in memory.definitions("cart")] == ["web/new/cart.js"]
        assert memory.definitions("render") == []
        assert memory.definitions("unseen") == [], "nobody said that stock.py has changed"
        with pytest.raises(ProjectError):
            memory.update([project.parent / "elsewhere.py"])
        memory.index()
        assert len(memory.definitions("unseen")) == 1


def test_small_changes_do_not_pile_up_segments(project: Path) -> None:
    with Memory.open(project) as memory:
        memory.index()
        for number in range(40):
            write(project / "shop/prices.py", f"def discount_{number}():\n    return {number}\n")
            memory.update(["shop/prices.py"])
            assert [hit.name for hit in memory.search(f"discount_{number}", 1)] == [f"discount_{number}"]
    with closing(sqlite3.connect(project / ".aurora" / "memory.db")) as connection:
        assert connection.execute("SELECT count(*) FROM segments").fetchone()[0] <= 8


def test_a_search_counts_what_it_puts_first_as_used(project: Path) -> None:
    def uses() -> dict[str, int]:
        with closing(sqlite3.connect(project / ".aurora" / "memory.db")) as connection:
            return dict(connection.execute("SELECT symbol, total FROM accesses"))

    with Memory.open(project) as memory:
        memory.index()
        memory.search("discount", record=False)
        assert uses() == {}
        first = memory.search("discount")[0]
        assert uses() == {f"{first.file}::{first.name}": 1}
        memory.search("nothing_has_this_word")
        assert len(uses()) == 1


def test_a_search_waits_for_no_writer_and_its_use_is_written_later(project: Path) -> None:
    with Memory.open(project) as memory:
        memory.index()
        with closing(sqlite3.connect(project / ".aurora" / "memory.db", isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            assert memory.search("discount")
            writer.execute("ROLLBACK")
    with closing(sqlite3.connect(project / ".aurora" / "memory.db")) as connection:
        assert connection.execute("SELECT sum(total) FROM accesses").fetchone() == (1,)


def test_a_word_finds_its_short_form_and_an_own_name_comes_before_its_surroundings(tmp_path: Path) -> None:
    write(tmp_path / "a.py", "def make_dir(p):\n    return p\n")
    write(tmp_path / "b.py", "class Cart:\n    def add(self):\n        pass\n\n    def total(self):\n        pass\n")
    with Memory.open(tmp_path) as memory:
        memory.index()
        assert [hit.name for hit in memory.search("directory")] == ["make_dir"]
        assert memory.search("cart total")[0].name == "Cart.total"
