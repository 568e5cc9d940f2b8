"""An edit can be found a moment later, without anybody asking for it."""

from __future__ import annotations

import queue
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aurora_core import Memory
from aurora_core.watch import Watched, watch_files


@contextmanager
def watching(root: Path) -> Iterator[queue.Queue[Watched]]:
    """What a watcher in a thread of its own reports; it has ended when the block ends."""
    seen: queue.Queue[Watched] = queue.Queue()
    stop = threading.Event()

    def follow() -> None:
        with Memory.open(root) as memory:
            for change in watch_files(memory, stop=stop):
                seen.put(change)

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        assert seen.get(timeout=20).paths == ()
        yield seen
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def until(seen: queue.Queue[Watched], path: str) -> None:
    while path not in seen.get(timeout=20).paths:
        pass


def files_found(root: Path, query: str) -> list[str]:
    with Memory.open(root) as memory:
        return [hit.file for hit in memory.search(query, record=False)]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pay.py").write_text("def charge(card):\n    return card\n")
    return tmp_path


def test_edits_renames_and_deletions_are_followed(project: Path) -> None:
    with watching(project) as seen:
        (project / "pay.py").write_text("def refund(card):\n    return card\n")
        until(seen, "pay.py")
        assert files_found(project, "refund") == ["pay.py"]
        assert files_found(project, "charge") == []
        (project / "pay.py").rename(project / "money.py")
        until(seen, "money.py")
        assert files_found(project, "refund") == ["money.py"]
        (project / "sub").mkdir()
        (project / "sub" / "tax.py").write_text("def tax():\n    return 19\n")
        until(seen, "sub")  # the file itself is told only if the folder was watched by then
        (project / "money.py").unlink()
        until(seen, "money.py")
        assert files_found(project, "refund") == []
        assert files_found(project, "tax") == ["sub/tax.py"]


def test_what_nobody_told_of_a_new_folder_is_found(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that comes after the folder was read, and before it is watched."""

    def told(*_roots: Path, **_options: object) -> Iterator[set[tuple[int, str]]]:
        yield set()
        (project / "sub").mkdir()
        yield {(1, str(project / "sub"))}
        (project / "sub" / "tax.py").write_text("def tax():\n    return 19\n")
        yield set()
        yield set()

    monkeypatch.setattr("aurora_core.watch.watch", told)
    with Memory.open(project) as memory:
        assert [change.paths for change in watch_files(memory)] == [(), ("sub",), ("sub",)]
    assert files_found(project, "tax") == ["sub/tax.py"]


def test_new_ignore_rules_are_obeyed(project: Path) -> None:
    with watching(project) as seen:
        (project / ".gitignore").write_text("pay.py\n")
        until(seen, ".gitignore")
        assert files_found(project, "charge") == []


def test_a_commit_is_noticed_and_the_memory_s_own_files_are_not(project: Path) -> None:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(project), "-c", "user.name=t", "-c", "user.email=t@example.invalid", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    with watching(project) as seen:
        git("add", "pay.py")
        git("commit", "-q", "-m", "Teach the till a marvellous word")
        until(seen, f".git/refs/heads/{git('branch', '--show-current')}")
        with Memory.open(project) as memory:
            assert [hit.file for hit in memory.search_files("marvellous")] == ["pay.py"]
    assert all(not path.startswith(".aurora/") for change in list(seen.queue) for path in change.paths)
