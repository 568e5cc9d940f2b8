"""What the world does to a memory: odd names, races, clocks, disks, old versions, and being killed."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.exhaustive import few
from tests.warm_python import WarmPopen

from aurora_core import Memory, Reasoning, StoreError
from aurora_core.indexing import indexer
from aurora_core.indexing.walk import Entry, walk_paths
from aurora_core.project import SAFE_DIRECTORY
from aurora_core.store import schema
from aurora_core.store.database import connect

# The full proof: AURORA_CORE_KILLS=50.
KILLS = int(os.environ.get("AURORA_CORE_KILLS", "6"))
SMALL_FILES = int(os.environ.get("AURORA_CORE_SMALL_FILES", "2000"))
BIG_FILE_MB = int(os.environ.get("AURORA_CORE_BIG_FILE_MB", "20"))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def files_found(memory: Memory, query: str) -> list[str]:
    return sorted(hit.file for hit in memory.search(query, limit=1000, record=False))


def everything(root: Path) -> list[tuple[object, ...]]:
    """What a memory holds and finds, apart from ids and times."""
    with closing(connect(root / ".aurora" / "memory.db")) as connection:
        rows = connection.execute(
            """SELECT path, digest, kind, symbol_type, name, line_start, line_end, signature
               FROM files LEFT JOIN chunks ON file_id = files.id ORDER BY path, line_start, line_end, name"""
        ).fetchall()
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    with Memory.open(root) as memory:
        found = [
            (hit.file, hit.name, round(hit.bm25_score, 5))
            for query in ("alpha beta", "step 7 of gamma", "delta")
            for hit in memory.search(query, limit=1000, record=False)
        ]
    return [*rows, *sorted(found)]


def corpus(root: Path, files: int = 60) -> None:
    words = ("alpha", "beta", "gamma", "delta")
    for number in range(files):
        steps = "\n".join(f"    {words[(number + s) % 4]}_{s} = step({s})" for s in range(number % 13 + 1))
        write(root / f"p{number % 7}" / f"m{number}.py", f"def {words[number % 4]}{number}():\n{steps}\n")


_KILLED = """
import sys
from aurora_core import Memory
from aurora_core.indexing import indexer
indexer.BATCH_FILES = 5
indexer.WORTH_WORKERS_BYTES = int(sys.argv[2])
print("started", flush=True)
with Memory.open(sys.argv[1]) as memory:
    for _ in range(40):
        memory.index()
"""


@pytest.mark.parametrize("worth_workers", few([0, 1 << 60], 1), ids=["workers", "alone"])
def test_after_kills_at_random_moments_the_index_is_that_of_a_fresh_one(tmp_path: Path, worth_workers: int) -> None:
    root, draw = tmp_path / "killed", random.Random(worth_workers)
    corpus(root)
    for kill in range(KILLS):
        command = [sys.executable, "-c", _KILLED, str(root), str(worth_workers)]
        process: WarmPopen[bytes] = WarmPopen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        time.sleep(draw.random() * 0.4)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        for number in draw.sample(range(60), 6):
            write(root / f"p{number % 7}" / f"m{number}.py", f"def delta{number}():\n    return alpha({kill})\n")
    with Memory.open(root) as memory:
        memory.index()
    fresh = tmp_path / "fresh"
    shutil.copytree(root, fresh, ignore=shutil.ignore_patterns(".aurora"))
    with Memory.open(fresh) as memory:
        memory.index()
    assert everything(root) == everything(fresh)


_INDEXER = """
import sys
from aurora_core import Memory
from aurora_core.indexing import indexer
indexer.BATCH_FILES = 3
with Memory.open(sys.argv[1]) as memory:
    for _ in range(4):
        memory.index()
"""
_SEARCHER = """
import sys, time
from aurora_core import Memory
end = time.monotonic() + float(sys.argv[2])
with Memory.open(sys.argv[1]) as memory:
    while time.monotonic() < end:
        memory.search("alpha beta")
        memory.search_files("gamma")
        memory.callers("step")
"""


@pytest.mark.parametrize(("searching", "seconds"), few([(2, 1), (2, 3), (10, 3)], 1))
def test_two_indexers_and_many_searchers_at_once(tmp_path: Path, searching: int, seconds: int) -> None:
    root = tmp_path / "busy"
    corpus(root)
    Memory.open(root).close()
    searchers = [WarmPopen([sys.executable, "-c", _SEARCHER, root, str(seconds)]) for _ in range(searching)]
    for turn in range(3):
        indexers = [WarmPopen([sys.executable, "-c", _INDEXER, root]) for _ in range(2)]
        corpus(root, 60 + turn)
        assert [process.wait(50) for process in indexers] == [0, 0]
    assert [process.wait(50) for process in searchers] == [0] * searching
    with Memory.open(root) as memory:
        memory.index()
    fresh = tmp_path / "fresh"
    shutil.copytree(root, fresh, ignore=shutil.ignore_patterns(".aurora"))
    with Memory.open(fresh) as memory:
        memory.index()
    assert everything(root) == everything(fresh)


def test_a_file_that_changes_while_it_is_read_is_whole_in_the_end(tmp_path: Path) -> None:
    script = """
import sys, time
from pathlib import Path
end = time.monotonic() + 2
number = 0
while time.monotonic() < end:
    number += 1
    Path(sys.argv[1]).write_text(f"def v{number}():\\n" + f"    x = {number}\\n" * 3000)
"""
    file = tmp_path / "busy.py"
    file.write_text("def v0():\n    x = 0\n")
    writer = subprocess.Popen([sys.executable, "-c", script, file])
    with Memory.open(tmp_path) as memory:
        while writer.poll() is None:
            memory.index()
        memory.index()
        assert memory.text("busy.py") == file.read_text()


def test_a_second_write_within_one_tick_of_the_clock_is_not_missed(tmp_path: Path) -> None:
    file = tmp_path / "quick.py"
    with Memory.open(tmp_path) as memory:
        for number in range(20):
            file.write_text(f"def v{number:02}():\n    return 1\n")
            memory.index()
            stamp = file.stat()
            file.write_text(f"def w{number:02}():\n    return 1\n")
            os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
            memory.index()
            assert memory.text("quick.py") == file.read_text()


def test_a_clock_that_went_back(tmp_path: Path) -> None:
    write(tmp_path / "a.py", "def early():\n    return 1\n")
    os.utime(tmp_path / "a.py", (4e9, 4e9))
    with Memory.open(tmp_path) as memory:
        memory.index()
        memory.record_access([memory.search("early")[0].chunk_id], now=4e9)
        write(tmp_path / "a.py", "def later():\n    return 1\n")
        os.utime(tmp_path / "a.py", (1e9, 1e9))
        memory.index()
        assert files_found(memory, "later") == ["a.py"]
        assert files_found(memory, "early") == []


NAMES = ["with space.py", "new\nline.py", "naïve-ü-日本.py", "q'uote\".py", "%2e*[x].py", "-n.py", "a" * 252 + ".py"]


def test_odd_names_links_and_nested_repositories(tmp_path: Path) -> None:
    for number, name in enumerate(NAMES):
        (tmp_path / name).write_text(f"def oddity{number}():\n    return 1\n")
    (tmp_path / os.fsdecode(b"bad\xff.py")).write_text("def unnamed():\n    return 1\n")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere.py")
    write(tmp_path / "inner" / ".gitignore", "skipped.py\n")
    write(tmp_path / "inner" / "kept.py", "def nested():\n    return 1\n")
    write(tmp_path / "inner" / "skipped.py", "def nested_skipped():\n    return 1\n")
    for folder in (tmp_path, tmp_path / "inner"):
        subprocess.run(["git", "-C", folder, "init", "-q"], check=True)
    with Memory.open(tmp_path) as memory:
        report = memory.index()
        for number, name in enumerate(NAMES):
            assert memory.definitions(f"oddity{number}")[0].file == name
            assert memory.update([name]).files_unchanged + memory.update([name]).files_indexed == 1
        assert files_found(memory, "nested") == ["inner/kept.py"]
    assert [file.reason for file in report.files_skipped] == ["its name is not UTF-8"]


def test_a_shallow_clone_and_no_git_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    origin = tmp_path / "origin"
    write(origin / "a.py", "def first():\n    return 1\n")
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "one"]):
        subprocess.run(["git", "-C", origin, *command], check=True)
    write(origin / "a.py", "def second():\n    return 1\n")
    subprocess.run(["git", "-C", origin, *identity, "commit", "-qam", "A marvellous second"], check=True)
    subprocess.run(["git", "clone", "-q", "--depth=1", origin.as_uri(), tmp_path / "shallow"], check=True)
    with Memory.open(tmp_path / "shallow") as memory:
        memory.index()
        assert [hit.file for hit in memory.search_files("marvellous")] == ["a.py"]
    monkeypatch.setenv("PATH", "")
    with Memory.open(origin) as memory:
        memory.index()
        assert files_found(memory, "second") == ["a.py"]
        assert memory.search_files("marvellous") == []


def test_a_huge_file_is_named_each_time_and_its_start_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "huge.py").open("wb") as file:
        file.write(b"x = 1\n" * 2_000)
        file.truncate(BIG_FILE_MB * 1_000_000)
    write(tmp_path / "a.py", "def small():\n    return 1\n")
    with Memory.open(tmp_path) as memory:
        report = memory.index()
        assert [(f.path, f.reason) for f in report.files_skipped] == [("huge.py", "larger than 600 kB")]
        assert memory.stats().files == 1
        for name in ("huge.py", "a.py"):
            os.utime(tmp_path / name, (1_700_000_000, 1_700_000_000))
        assert memory.index().files_skipped == report.files_skipped
        monkeypatch.setattr(indexer, "prepare", None)
        assert memory.index().files_skipped == memory.index("huge.py").files_skipped == report.files_skipped
        assert memory.update(["a.py"]).files_skipped == ()


def test_a_file_that_grew_after_it_was_listed_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "grows.py", "x = 1\n")

    def grow(root: Path, paths: Sequence[str], exclude: Sequence[str]) -> list[Entry]:
        found = list(walk_paths(root, paths, exclude))
        write(tmp_path / "grows.py", "x = 1\n" * 200_000)
        return found

    monkeypatch.setattr(indexer, "walk_paths", grow)
    with Memory.open(tmp_path) as memory:
        report = memory.index()
    assert [(f.path, f.reason) for f in report.files_skipped] == [("grows.py", "larger than 600 kB")]


def test_a_folder_of_many_small_files(tmp_path: Path) -> None:
    for number in range(SMALL_FILES):
        (tmp_path / f"f{number}.py").write_text(f"n{number} = 'needle{number}'\n")
    with Memory.open(tmp_path) as memory:
        assert memory.index().files_indexed == SMALL_FILES
        assert memory.search(f"needle{SMALL_FILES - 1}")[0].file == f"f{SMALL_FILES - 1}.py"
        assert memory.index().files_indexed == 0


@contextmanager
def unwritable(folder: Path) -> Iterator[None]:
    """A folder that this process cannot write to; root becomes nobody meanwhile, and trusts what root has."""
    folder.chmod(0o555)
    for file in folder.glob("memory.db*"):
        file.chmod(0o644)
    root = os.geteuid() == 0
    if root:
        os.environ[SAFE_DIRECTORY] = "*"
        os.seteuid(65534)
    try:
        yield
    finally:
        os.environ.pop(SAFE_DIRECTORY, None)
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter; pytest's are for their owner alone."""
    folder = Path(tempfile.mkdtemp(prefix="aurora-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_a_memory_that_cannot_be_written_can_be_searched(open_folder: Path) -> None:
    write(open_folder / "a.py", "def findable():\n    return 1\n")
    with Memory.open(open_folder) as memory:
        memory.index()
    before = hashlib.sha256((open_folder / ".aurora" / "memory.db").read_bytes()).digest()
    with unwritable(open_folder / ".aurora"), Memory.open(open_folder) as memory:
        assert [hit.file for hit in memory.search("findable")] == ["a.py"]
        with pytest.raises(StoreError, match="readonly"):
            memory.index()
    assert hashlib.sha256((open_folder / ".aurora" / "memory.db").read_bytes()).digest() == before


def test_changes_that_only_the_log_has_are_not_overlooked(open_folder: Path) -> None:
    write(open_folder / "a.py", "def findable():\n    return 1\n")
    memory = Memory.open(open_folder)
    memory.index()
    with unwritable(open_folder / ".aurora"), pytest.raises(StoreError, match="changes in its log"):
        Memory.open(open_folder)
    memory.close()


def test_a_disk_that_fills_up_loses_nothing(tmp_path: Path) -> None:
    """The writer may not make its files longer than a limit, which is what a full disk does to it."""
    corpus(tmp_path)
    with Memory.open(tmp_path) as memory:
        memory.index()
        kept = files_found(memory, "alpha beta")
    script = textwrap.dedent("""
        import resource, signal, sys
        from pathlib import Path
        from aurora_core import Memory, StoreError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        root = Path(sys.argv[1])
        memory = Memory.open(root)
        for number in range(400):
            (root / f"more{number}.py").write_text(f"def more{number}():\\n" + f"    y{number} = {number}\\n" * 50)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        try:
            memory.index()
        except StoreError as error:
            print(error)
            sys.exit(7)
    """)
    done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 7, done.stderr
    assert "memory.db: cannot be used" in done.stdout
    with Memory.open(tmp_path) as memory:
        assert files_found(memory, "alpha beta") == kept
        memory.index()
        assert memory.definitions("more399")[0].file == "more399.py"


def old_database(path: Path, version: int) -> None:
    """A memory.db as the schema of that version held it: one file, one answer, one access."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for step in range(version):
            for statement in schema._STEPS[step]:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {version}")
        text = "x\x9c\x03\x00\x00\x00\x00\x01".encode("latin-1")
        for path_, kind in (("a.py", "code"), (".aurora/reasoning/0123456789abcdef", "reas")):
            (file_id,) = connection.execute(
                "INSERT INTO files (path, digest, size, mtime_ns, text) VALUES (?, x'00', 1, 1, ?) RETURNING id",
                (path_, text),
            ).fetchone()
            connection.execute(
                "INSERT INTO chunks (file_id, kind, symbol_type, name, short_name, line_start, line_end, signature) "
                "VALUES (?, ?, 'function', 'old', 'old', 1, 1, '')",
                (file_id, kind),
            )
        connection.execute(
            "INSERT INTO reasoning (file_id, query, score, sources, run_id, created_at) "
            "VALUES (?, 'How?', 0.9, '[\"a.py:1\"]', 'soar-1', 5)",
            (file_id,),
        )
        connection.execute(
            "INSERT INTO accesses (symbol, total, first_at, recent) VALUES ('a.py::old', 2, 3, '[3, 4]')"
        )


@pytest.mark.parametrize("version", few(range(1, schema.SCHEMA_VERSION + 1), 3))
def test_a_database_of_every_earlier_version_is_brought_up_and_keeps_what_no_file_holds(
    tmp_path: Path, version: int
) -> None:
    write(tmp_path / "a.py", "def old():\n    return 1\n")
    (tmp_path / ".aurora").mkdir()
    old_database(tmp_path / ".aurora" / "memory.db", version)
    with Memory.open(tmp_path) as memory:
        assert memory.stats().schema_version == schema.SCHEMA_VERSION
        memory.index()
        assert files_found(memory, "old") == ["a.py"]
        assert memory.stats().by_kind == {"code": 1, "reas": 1}
    with Memory.open(tmp_path) as memory:
        assert memory.stats().schema_version == schema.SCHEMA_VERSION
    with closing(connect(tmp_path / ".aurora" / "memory.db")) as connection:
        rows = connection.execute("SELECT symbol, total, first_at, recent FROM accesses").fetchall()
        assert rows == [("a.py::old", 2, 3.0, "[3, 4]")]
    Memory.rebuild(tmp_path)
    with closing(connect(tmp_path / ".aurora" / "memory.db")) as connection:
        assert connection.execute("SELECT query, created_at FROM reasoning").fetchall() == [("How?", 5.0)]
        assert connection.execute("SELECT last_at FROM accesses").fetchall() == [(4.0,)]


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    Memory.open(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / ".aurora" / "memory.db")) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="has schema 99"):
        Memory.open(tmp_path)


def test_answers_say_where_they_come_from(tmp_path: Path) -> None:
    with Memory.open(tmp_path) as memory:
        memory.remember(
            Reasoning(
                query="How are refunds paid?", answer="By card.", score=0.9, sources=("a.py:3",), run_id="soar-7"
            )
        )
        memory.remember(
            Reasoning(
                query="How are refunds paid?",
                answer="In cash.",
                score=0.8,
                sources=(),
                run_id="soar-8",
                project="/other",
            )
        )
        found = memory.search("refunds paid", kinds=["reas"])
    told = {(hit.reasoning.project, hit.reasoning.run_id, hit.reasoning.sources) for hit in found if hit.reasoning}
    assert told == {("", "soar-7", ("a.py:3",)), ("/other", "soar-8", ())}
    assert all(hit.reasoning and hit.reasoning.created_at for hit in found)
