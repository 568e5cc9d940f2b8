"""Worker processes give what one process gives, survive their own deaths, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from aurora_core import IndexProgress, Memory
from aurora_core.indexing import indexer
from aurora_core.indexing.prepare import PreparedBatch, Request, prepare
from aurora_core.indexing.walk import FoundFile, walk
from aurora_core.indexing.workers import workers


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for number in range(40):
        lines = "\n".join(f"    x{line} = {number}" for line in range(number))
        (tmp_path / f"m{number}.py").write_text(f"import m{number + 1}\n\ndef f{number}():\n{lines}\n    g()\n")
    (tmp_path / "big.txt").write_bytes(b"\0" * 100)
    for file in tmp_path.iterdir():
        os.utime(file, (1e9, 1e9))
    return tmp_path


def requests(root: Path, size: int) -> Iterator[Request]:
    found = [entry for entry in walk(root) if isinstance(entry, FoundFile)]
    for at in range(0, len(found), size):
        yield Request(root=str(root), files=tuple((file, None) for file in found[at : at + size]))


def children() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.Error):  # it may end meanwhile
            if "aurora_core.indexing.workers" in " ".join(child.cmdline()):
                found.append(child)
    return found


def test_batches_are_those_of_one_process_in_the_same_order(project: Path) -> None:
    expected = [prepare(request) for request in requests(project, 7)]
    with workers(3) as prepared:
        assert list(prepared(requests(project, 7))) == expected
    assert children() == []


def test_a_killed_worker_s_batch_is_prepared_by_another(project: Path) -> None:
    expected = [prepare(request) for request in requests(project, 1)]
    found: list[PreparedBatch] = []
    with workers(2) as prepared:
        for batch in prepared(requests(project, 1)):
            found.append(batch)
            if len(found) in (3, 9):
                os.kill(children()[0].pid, signal.SIGKILL)
    changed = [file.found.path for batch in found for file in batch.changed]
    skipped = [file for batch in found for file in batch.skipped]
    # A file whose worker was killed while it was alone with it is named; all others are there.
    lost = {file.path for file in skipped if "ended the process" in file.reason}
    assert len(lost) <= 2
    assert set(changed) | lost == {file.found.path for batch in expected for file in batch.changed}
    assert children() == []


class _Deadly(int):
    """A size that ends whatever process unpacks it."""

    def __reduce__(self) -> tuple[object, ...]:
        return os._exit, (9,)


def test_a_file_that_kills_its_worker_is_named_and_the_others_are_indexed(project: Path) -> None:
    found = {entry.path: entry for entry in walk(project) if isinstance(entry, FoundFile)}
    found["m7.py"] = FoundFile(path="m7.py", size=_Deadly(1), mtime_ns=1)
    request = Request(root=str(project), files=tuple((file, None) for _, file in sorted(found.items())))
    with workers(1) as prepared:
        batches = list(prepared([request]))
    skipped = {file.path: file.reason for batch in batches for file in batch.skipped}
    assert skipped["m7.py"] == "ended the process that read it"
    assert {file.found.path for batch in batches for file in batch.changed} == found.keys() - {"m7.py"}


def test_a_pipe_in_place_of_a_file_blocks_no_worker(project: Path) -> None:
    (project / "m7.py").unlink()
    os.mkfifo(project / "m7.py")
    request = Request(root=str(project), files=((FoundFile(path="m7.py", size=1, mtime_ns=1), None),))
    with workers(1) as prepared:
        (batch,) = prepared([request])
    assert [(file.path, file.reason) for file in batch.skipped] == [
        ("m7.py", "cannot be read: is not a regular file")
    ]


def test_workers_import_nothing_from_the_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sprung = project.parent / "sprung"
    sprung.mkdir()
    names = {name for name in sys.stdlib_module_names if not name.startswith("_")} - set(sys.builtin_module_names)
    for name in names | {"aurora_core", "numpy", "tree_sitter", "Stemmer"}:
        (project / f"{name}.py").write_text(f"open({str(sprung / name)!r}, 'w').close()\n")
    monkeypatch.chdir(project)
    monkeypatch.setenv("PYTHONPATH", str(project))
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    monkeypatch.setattr(indexer, "WORTH_WORKERS_BYTES", 0)
    with Memory.open(project) as memory:
        assert memory.index().files_indexed > len(names)
    assert sorted(path.name for path in sprung.iterdir()) == []
    monkeypatch.delenv("PYTHONPATH")
    subprocess.run([sys.executable, "-c", "import json"], check=False, capture_output=True, cwd=project)
    assert list(sprung.iterdir()), "an interpreter that is not isolated springs the trap"


def test_nothing_is_left_when_indexing_is_interrupted(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexer, "WORTH_WORKERS_BYTES", 0)
    monkeypatch.setattr(indexer, "BATCH_FILES", 4)

    def interrupt(progress: IndexProgress) -> None:
        if progress.phase == "index":
            raise KeyboardInterrupt

    with Memory.open(project) as memory:
        with pytest.raises(KeyboardInterrupt):
            memory.index(on_progress=interrupt)
        deadline = time.monotonic() + 10
        while children() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert children() == []
        memory.index()
        assert memory.stats().files == 40


def test_an_index_made_by_workers_is_that_of_one_process(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = tmp_path_factory.mktemp("alone")
    for file in project.glob("*.*"):
        (alone / file.name).write_bytes(file.read_bytes())
    with Memory.open(alone) as memory:
        memory.index()
        expected = [(hit.file, hit.name, hit.hybrid_score) for hit in memory.search("x7 m8 f9", 20)]
    monkeypatch.setattr(indexer, "WORTH_WORKERS_BYTES", 0)
    monkeypatch.setattr(indexer, "BATCH_FILES", 3)
    with Memory.open(project) as memory:
        report = memory.index()
        assert [(hit.file, hit.name, hit.hybrid_score) for hit in memory.search("x7 m8 f9", 20)] == expected
    assert (report.files_indexed, report.left_out[0].examples) == (40, ("big.txt",))
