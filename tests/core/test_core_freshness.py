"""What is answered is there: an answer names no line and no path that the disk does not have."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from aurora_core import Memory, ProjectError, StoreError, freshness

WOMBAT = "def wombat():\n    return 1\n"
CALLER = "from a import wombat\n\n\ndef keep():\n    return wombat() + 2\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "p"
    (root / "src").mkdir(parents=True)
    (root / "src" / "a.py").write_text(WOMBAT)
    (root / "src" / "b.py").write_text(CALLER)
    with Memory.open(root) as memory:
        memory.index()
    return root


@pytest.fixture(params=[False, True], ids=["folder", "repository"])
def either(project: Path, request: pytest.FixtureRequest) -> Path:
    """The project without git, and with it."""
    if request.param:
        subprocess.run(["git", "init", "-q", str(project)], check=True)
        subprocess.run(["git", "-C", str(project), "add", "-A"], check=True)
    return project


def places(memory: Memory, query: str = "wombat") -> set[tuple[str, int, int, bool]]:
    return {(hit.file, hit.line_start, hit.line_end, hit.stale) for hit in memory.search(query) if hit.name == query}


def test_after_an_edit_the_lines_are_those_of_now(either: Path) -> None:
    (either / "src" / "a.py").write_text("# one\n# two\n\n\ndef wombat():\n    return 2\n")
    with Memory.open(either) as memory:
        assert places(memory) == {("src/a.py", 5, 6, False)}
        assert memory.search("wombat")[0].content.endswith("return 2")


def test_an_edit_that_keeps_size_and_time_is_seen(project: Path) -> None:
    file = project / "src" / "a.py"
    before = file.stat()
    file.write_text(WOMBAT.replace("1", "7"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    with Memory.open(project) as memory:
        assert "return 7" in memory.search("wombat")[0].content


def test_a_renamed_folder_is_followed(either: Path) -> None:
    (either / "src").rename(either / "lib")
    with Memory.open(either) as memory:
        assert places(memory) == {("lib/a.py", 1, 2, False)}
        assert {hit.file for hit in memory.search("keep")} <= {"lib/a.py", "lib/b.py"}
        assert [hit.file for hit in memory.definitions("wombat")] == ["lib/a.py"]
        assert [caller.file for caller in memory.callers("wombat")] == ["lib/b.py"]


def test_what_is_deleted_is_answered_by_nothing(either: Path) -> None:
    (either / "src" / "a.py").unlink()
    with Memory.open(either) as memory:
        assert places(memory) == set()
        assert memory.definitions("wombat") == []
        assert [hit.file for hit in memory.search_files("wombat")] == ["src/b.py"]
        assert memory.text("src/a.py") is None


def test_each_question_alone_follows_the_files(project: Path) -> None:
    (project / "src" / "b.py").write_text("# moved\n" + CALLER)
    with Memory.open(project) as memory:
        assert [(caller.file, caller.line) for caller in memory.callers("wombat")] == [("src/b.py", 6)]
    (project / "src" / "b.py").write_text("# moved\n# again\n" + CALLER)
    with Memory.open(project) as memory:
        assert (memory.text("src/b.py") or "").startswith("# moved\n# again")
    (project / "src" / "b.py").write_text("def other():\n    return 1\n")
    with Memory.open(project) as memory:
        assert [hit.file for hit in memory.search_files("wombat")] == ["src/a.py"]


def test_a_link_in_place_of_a_file_or_its_folder_is_no_answer(project: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    shutil.copytree(project / "src", outside)
    shutil.rmtree(project / "src")
    (project / "src").symlink_to(outside)
    with Memory.open(project) as memory:
        assert memory.search("wombat") == []
    (project / "src").unlink()
    (project / "src").mkdir()
    (project / "src" / "a.py").symlink_to(outside / "a.py")
    with Memory.open(project) as memory:
        assert memory.search("wombat") == []


@pytest.mark.parametrize("instead", ["pipe", "folder", "huge", "binary"])
def test_what_can_no_longer_be_indexed_is_no_answer(project: Path, instead: str) -> None:
    file = project / "src" / "a.py"
    file.unlink()
    match instead:
        case "pipe":
            os.mkfifo(file)
        case "folder":
            file.mkdir()
        case "huge":
            file.write_text(WOMBAT + "#" * 700_000)
        case "binary":
            file.write_bytes(WOMBAT.encode() + b"\0")
    with Memory.open(project) as memory:
        assert places(memory) == set()


def test_only_the_files_of_the_hits_are_indexed_again(project: Path) -> None:
    (project / "src" / "a.py").write_text("\n" + WOMBAT)
    (project / "c.py").write_text("def numbat():\n    return 3\n")
    with Memory.open(project) as memory:
        assert places(memory) == {("src/a.py", 2, 3, False)}
        assert memory.stats().files == 2, "a new file is found by the next indexing"


def test_a_file_that_changes_all_the_time_is_stale_at_the_end(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Memory.open(project) as memory:
        original = freshness.Freshness.reindex
        versions = iter(range(1000))

        def reindex(self: freshness.Freshness, outdated: object) -> bool:
            done = original(self, outdated)  # type: ignore[arg-type]
            (project / "src" / "a.py").write_text(f"# {next(versions)}\n{WOMBAT}")
            return done

        (project / "src" / "a.py").write_text("# first\n" + WOMBAT)
        monkeypatch.setattr(freshness.Freshness, "reindex", reindex)
        assert {stale for *_, stale in places(memory)} == {True}


def test_a_memory_opened_for_reading_says_what_is_stale_and_writes_nothing(project: Path) -> None:
    before = (project / ".aurora" / "memory.db").read_bytes()
    (project / "src" / "a.py").write_text("# one\n" + WOMBAT)
    with Memory.open(project, read_only=True) as memory:
        assert places(memory) == {("src/a.py", 1, 2, True)}
        assert [hit.stale for hit in memory.definitions("wombat")] == [True]
        assert {hit.file: hit.stale for hit in memory.search_files("wombat")} == {"src/a.py": True, "src/b.py": False}
        assert memory.callers("wombat")[0].stale is False
        (project / "src" / "a.py").write_text(WOMBAT)
        assert places(memory) == {("src/a.py", 1, 2, False)}, "written anew with the same content"
        (project / "src" / "a.py").unlink()
        assert places(memory) == set(), "a path that is gone is never shown"
        with pytest.raises(StoreError):
            memory.index()
    assert (project / ".aurora" / "memory.db").read_bytes() == before


def test_reading_alone_makes_no_project_and_no_memory(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="aur init"):
        Memory.open(tmp_path, read_only=True)
    (tmp_path / ".aurora").mkdir()
    with pytest.raises(StoreError, match="aur mem index"):
        Memory.open(tmp_path, read_only=True)
    assert list((tmp_path / ".aurora").iterdir()) == []


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """Somebody else holds the memory's lock."""
    with closing(sqlite3.connect(root / ".aurora" / "memory.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def test_a_search_does_not_wait_for_an_indexer(project: Path) -> None:
    (project / "src" / "a.py").write_text("# one\n" + WOMBAT)
    with Memory.open(project) as memory, writing(project):
        found = memory.search("wombat", record=False)
        assert {hit.file: hit.stale for hit in found} == {"src/a.py": True, "src/b.py": False}
    with Memory.open(project) as memory:
        assert places(memory) == {("src/a.py", 1, 3, False)}


def test_a_limit_is_filled_though_the_best_are_gone(project: Path) -> None:
    for number in range(12):
        (project / f"many{number}.py").write_text(f"def quokka{number}():\n    return 'quokka' * {number + 1}\n")
    with Memory.open(project) as memory:
        memory.index()
        best = [hit.file for hit in memory.search("quokka", 4)]
    for file in best:
        (project / file).unlink()
    with Memory.open(project, read_only=True) as memory:
        assert len({hit.file for hit in memory.search("quokka", 4)} - set(best)) == 4
    with Memory.open(project) as memory:
        assert len({hit.file for hit in memory.search("quokka", 4)} - set(best)) == 4
