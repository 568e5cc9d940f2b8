"""Worker processes give what one process gives, survive their own deaths, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from aurora_core import IndexProgress, Memory, indexer
from aurora_core.prepare import PreparedBatch, Request, prepare
from aurora_core.walk import FoundFile, walk
from aurora_core.workers import workers


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
            if "aurora_core.workers" in " ".join(child.cmdline()):
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


def test_a_file_that_kills_its_worker_is_named_and_the_others_are_indexed(project: Path) -> None:
    def poisoned(request: Request) -> Iterable[Request]:
        # A path that is a FIFO blocks its worker; the watchdog below kills whoever hangs on it.
        yield request

    (project / "m7.py").unlink()
    os.mkfifo(project / "m7.py")
    found = [entry for entry in walk(project) if isinstance(entry, FoundFile)]
    found.append(FoundFile(path="m7.py", size=1, mtime_ns=1))
    request = Request(root=str(project), files=tuple((file, None) for file in sorted(found, key=lambda f: f.path)))
    reaper = _Reaper()
    reaper.start()
    try:
        with workers(1) as prepared:
            batches = list(prepared(poisoned(request)))
    finally:
        reaper.stop()
    skipped = {file.path: file.reason for batch in batches for file in batch.skipped}
    assert skipped["m7.py"] == "ended the process that read it"
    assert {file.found.path for batch in batches for file in batch.changed} == {
        file.path for file in found if file.path != "m7.py"
    }


class _Reaper:
    """Kills workers that do nothing for a while, as somebody at the keyboard would."""

    def __init__(self) -> None:
        import threading

        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        seen: dict[int, tuple[float, int]] = {}
        while not self._stopped.wait(0.1):
            for child in children():
                try:
                    used = sum(child.cpu_times()[:2])
                except psutil.Error:
                    continue
                before, idle = seen.get(child.pid, (-1.0, 0))
                seen[child.pid] = (used, idle + 1 if used == before else 0)
                if seen[child.pid][1] >= 5:
                    child.kill()


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
        assert memory.stats().files == 41


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
    assert (report.files_indexed, [file.path for file in report.files_skipped]) == (41, ["big.txt"])
