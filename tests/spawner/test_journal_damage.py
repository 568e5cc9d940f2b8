"""Whatever the bytes of a journal are, a resume does no finished task again and ends in nothing but typed errors."""

import os
import random
import re
import shutil
import sqlite3
import struct
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, closing, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.exhaustive import few

from aurora_spawner import CommandBackend, Run, RunEvent, RunOptions, SpawnerError, SpawnTask, TaskState
from aurora_spawner.control.checkpoints import checkpoint_document, clean_checkpoints, list_checkpoints
from aurora_spawner.control.status import run_status
from aurora_spawner.errors import JournalChangedError, JournalError
from aurora_spawner.journal import verify as verify_module
from aurora_spawner.journal.anchor import read_anchor, write_anchor
from aurora_spawner.journal.chain import GENESIS, link, payload_digest
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import check_run, verify
from aurora_spawner.journal.views import load_attempts, load_run, load_tasks
from aurora_spawner.recovery.policy import RecoveryPolicy
from aurora_spawner.recovery.report import recovery_report
from aurora_spawner.recovery.restore import load_histories, restore_recovery
from aurora_spawner.recovery.settings import RecoverySettings
from aurora_spawner.tasks.run_events import TaskEnded

SCRIPTS = {
    "one": "echo 1 >> side; echo one",
    "two": "[ -e tried ] || { touch tried; exit 3; }; echo 2 >> side; echo two",
    "three": "sleep 0.3; echo 3 >> side; echo three",
    "model": "echo by model",
}
BACKENDS = {name: CommandBackend(name, ("sh", "-c", script)) for name, script in SCRIPTS.items()}
RECOVERY = RecoverySettings(policy=RecoveryPolicy(base_delay=0.01, jitter=False), state_dir=None)
COPIES = 24


class CutOffError(Exception):
    """Stands for a death of the coordinator."""


def cut_off_run(folder: Path, state_dir: Path | None = None, *, journal: Path | None = None) -> Run:
    """A run whose first two tasks are done, the second by recovery; the third has not begun."""
    folder.mkdir(exist_ok=True)
    run = Run.create(
        journal or folder / "runs.db",
        [
            SpawnTask("say one", id="1"),
            SpawnTask("say two", "two", id="2"),
            SpawnTask("say three", "three", id="3", depends_on=("1", "2")),
        ],
        BACKENDS,
        RunOptions(
            default_agent="one",
            max_concurrent=1,
            cwd=folder,
            spool=folder / "runs",
            recovery=RECOVERY,
            state_dir=state_dir,
        ),
    )

    ended = 0

    def die(event: RunEvent) -> None:
        nonlocal ended
        ended += isinstance(event, TaskEnded)
        if ended == 2:
            raise CutOffError

    with suppress(CutOffError):
        run.execute_sync(die)
    assert sorted((folder / "side").read_text().split()) == ["1", "2"]
    return run


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a cut off run; its journal is in one file."""
    folder = tmp_path_factory.mktemp("original")
    run = cut_off_run(folder)
    with closing(sqlite3.connect(run.journal)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder, run.run_id


@pytest.fixture
def copy(tmp_path: Path) -> tuple[Path, str]:
    """A journal of the test's own, in one file, and its run."""
    run = cut_off_run(tmp_path)
    with closing(sqlite3.connect(run.journal)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return run.journal, run.run_id


def done_before(folder: Path) -> list[str]:
    return (folder / "side").read_text().split()


def flip(path: Path, place: int, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(content)


def resume(path: Path, run_id: str, **more: bool) -> None:
    Run.resume(path, run_id, BACKENDS, recovery=RECOVERY, **more).execute_sync()  # type: ignore[arg-type]


@pytest.mark.parametrize("number", few(range(COPIES), 8))
def test_a_flipped_bit_ends_in_a_typed_error_or_changes_nothing(copy: tuple[Path, str], number: int) -> None:
    path, run_id = copy
    chance = random.Random(number)
    size = path.stat().st_size
    page = chance.randrange(size // 4096)
    place = {0: chance.randrange(100), 1: page * 4096 + chance.randrange(16)}.get(
        number % 3, page * 4096 + 4096 - 1 - chance.randrange(1500)
    )
    flip(path, min(place, size - 1), chance.randrange(8))
    before = done_before(path.parent)
    with suppress(JournalError):
        resume(path, run_id)
    after = done_before(path.parent)
    assert [each for each in after if each != "3"] == ["1", "2"], "nothing finished is done again"
    assert len(after) - len(before) <= 1


@pytest.mark.parametrize("text", [b"say three", b'"one\\n"'], ids=["of a task", "of a result"])
def test_a_flipped_bit_in_what_was_said_is_found_wherever_it_stands(copy: tuple[Path, str], text: bytes) -> None:
    path, run_id = copy
    _run_sql(path, "VACUUM")  # leaves no copies that nobody reads
    content = path.read_bytes()
    places = [found.start() + len(text) // 2 for found in re.finditer(re.escape(text), content)]
    assert len(places) == 2, "in an event, and in a row"
    for place in places:
        flip(path, place, 0)
        with pytest.raises(JournalChangedError):
            resume(path, run_id)
        path.write_bytes(content)
    assert done_before(path.parent) == ["1", "2"]
    resume(path, run_id)
    assert done_before(path.parent) == ["1", "2", "3"]


def in_place(path: Path) -> None:
    path.unlink()
    path.mkdir()


def swapped_log(path: Path) -> None:
    with closing(sqlite3.connect(path.with_name("other.db"), isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE theirs (x)")
        shutil.copy(path.with_name("other.db-wal"), path.with_name("runs.db-wal"))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "half": lambda path: os.truncate(path, path.stat().st_size // 2 // 4096 * 4096),
    "torn": lambda path: os.truncate(path, path.stat().st_size - 1000),
    "header only": lambda path: os.truncate(path, 100),
    "a zeroed page": lambda path: path.write_bytes(
        path.read_bytes()[:8192] + bytes(4096) + path.read_bytes()[12288:]
    ),
    "all zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "text": lambda path: path.write_text("not a database at all " * 500),
    "a folder": in_place,
    "another log": swapped_log,
    "a version of tomorrow": lambda path: _run_sql(path, "PRAGMA user_version = 99"),
    "a huge page count": lambda path: path.write_bytes(
        path.read_bytes()[:28] + struct.pack(">I", 2**31 - 1) + path.read_bytes()[32:]
    ),
}


def _run_sql(path: Path, statement: str, *given: object) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute(statement, given)


STILL_LISTED = {"empty", "torn", "a zeroed page"}
"""After these the list of runs, which reads little, may be had; no run is resumed after any."""


@pytest.mark.parametrize("damage", few(DAMAGE, 4))
def test_a_damaged_file_is_a_typed_error_that_names_it(copy: tuple[Path, str], damage: str) -> None:
    path, run_id = copy
    DAMAGE[damage](path)
    with pytest.raises(SpawnerError) as caught:
        resume(path, run_id)
    assert str(path) in str(caught.value) or run_id in str(caught.value)
    with suppress(SpawnerError) if damage in STILL_LISTED else pytest.raises(SpawnerError, match=str(path)):
        list_checkpoints(path)
    assert done_before(path.parent) == ["1", "2"]


CHANGES = {
    "a state": "UPDATE tasks SET state = 'pending' WHERE task_id = '1'",
    "a result": "UPDATE tasks SET result = json_set(result, '$.output', 'mine') WHERE task_id = '1'",
    "a prompt": "UPDATE tasks SET spec = json_set(spec, '$.prompt', 'say mine') WHERE task_id = '3'",
    "a row": "DELETE FROM tasks WHERE task_id = '1'",
    "an event": "UPDATE events SET payload = replace(payload, 'say three', 'say mine') WHERE kind = 'tasks_added'",
    "an event's place": "DELETE FROM events WHERE seq = 5",
}


@pytest.mark.parametrize("change", few(CHANGES, 2))
def test_a_changed_run_is_not_resumed_unless_the_user_wants_it(copy: tuple[Path, str], change: str) -> None:
    path, run_id = copy
    _run_sql(path, CHANGES[change])
    with pytest.raises(JournalChangedError, match=r"nothing was started.*--accept-changes") as caught:
        resume(path, run_id)
    assert caught.value.run_id == run_id
    resume(path, run_id, accept_changes=True)
    assert [each for each in done_before(path.parent) if each != "3"] == ["1", "2"], "what its events say holds"
    with Journal(path) as store:
        assert [row.state for row in load_tasks(store, run_id)] == [TaskState.SUCCEEDED] * 3
        kinds = [kind for (kind,) in store.connection.execute("SELECT kind FROM events")]
        assert "changes_accepted" in kinds
    resume(path, run_id)  # what was accepted once is not asked again


def test_what_is_changed_after_the_user_accepted_changes_is_found(copy: tuple[Path, str]) -> None:
    path, run_id = copy
    _run_sql(path, CHANGES["an event"])
    resume(path, run_id, accept_changes=True)
    _run_sql(path, "UPDATE events SET hash = zeroblob(32) WHERE seq = (SELECT max(seq) FROM events)")
    with pytest.raises(JournalChangedError, match="has been changed since it was written"):
        resume(path, run_id)


def test_a_write_during_the_check_of_a_run_is_no_change(
    copy: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its events and its rows are read one after the other, of one state of the file."""
    path, run_id = copy
    replayed = verify_module._replayed

    def written_meanwhile(rows: Iterable[tuple[Any, ...]]) -> AbstractContextManager[sqlite3.Connection]:
        _run_sql(path, CHANGES["a state"])
        return replayed(rows)

    with Journal(path) as store, monkeypatch.context() as patch:
        patch.setattr(verify_module, "_replayed", written_meanwhile)
        check_run(store, run_id)
    with Journal(path) as store, pytest.raises(JournalChangedError, match="the table tasks"):
        check_run(store, run_id)


def test_a_damaged_page_that_no_query_looks_at_is_found(copy: tuple[Path, str]) -> None:
    path, run_id = copy
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT rootpage FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'tasks'"
        (page,) = connection.execute(query).fetchone()
    flip(path, (page - 1) * 4096 + 7, 0)  # how many bytes of the page lie idle; only a look at the pages counts them
    with Journal(path) as store:
        assert [row.task_id for row in load_tasks(store, run_id)] == ["1", "2", "3"], "its rows can be read"
    with pytest.raises(JournalChangedError, match="the file is damaged"):
        resume(path, run_id)
    assert done_before(path.parent) == ["1", "2"]


NUMBERS = (-1, 2**62, float("nan"), float("inf"), 1e300)
ODD = (None, *NUMBERS, "", "x", b"\xff\x00", "{}", "[]", "[1]", '{"a": ', "null", "9" * 400)


def _columns(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        return [
            (table, name)
            for table in ("runs", "tasks", "attempts", "recoveries", "breakers", "events")
            for _n, name, *_rest in connection.execute(f"PRAGMA table_info({table})")
        ]


def _readers(path: Path, run_id: str) -> dict[str, Callable[[], object]]:
    def opened(look: Callable[[Journal], object]) -> Callable[[], object]:
        def call() -> object:
            with Journal(path) as store:
                return look(store)

        return call

    return {
        "runs": lambda: list_checkpoints(path),
        "status": lambda: run_status(path, run_id),
        "export": opened(lambda store: checkpoint_document(load_run(store, run_id), load_tasks(store, run_id))),
        "attempts": opened(lambda store: load_attempts(store, run_id)),
        "recovery": opened(lambda store: recovery_report(store, run_id)),
        "standing": opened(lambda store: restore_recovery(store, run_id, RECOVERY.policy)),
        "histories": opened(load_histories),
        "audit": opened(verify),
        "resume": lambda: Run.resume(path, run_id, BACKENDS),
    }


@pytest.mark.parametrize("number", few(range(5), 1))
def test_odd_values_in_any_column_end_in_typed_errors_only(
    original: tuple[Path, str], tmp_path: Path, number: int
) -> None:
    """Every reader meets odd values in every column; JSON columns also have each of their fields replaced."""
    folder, run_id = original
    path = tmp_path / "runs.db"
    tried, refused = 0, 0
    for place, (table, column) in enumerate(_columns(folder / "runs.db")):
        odd = random.Random(place).sample(ODD, 5)[number]
        shutil.copy(folder / "runs.db", path)
        for end in ("-wal", "-shm"):
            path.with_name(path.name + end).unlink(missing_ok=True)
        try:
            _run_sql(path, f"UPDATE {table} SET {column} = ?", odd)
        except sqlite3.Error:  # the table itself refuses it
            continue
        for name, reader in _readers(path, run_id).items():
            tried += 1
            try:
                reader()
            except SpawnerError:
                refused += 1
            except Exception as error:
                raise AssertionError(f"{name} of {table}.{column} = {odd!r}") from error
    assert tried > 400
    assert refused > 100


ODD_JSON = ("null", '"x"', "-1", "1e999", "1e300", "[]", "{}", "true", "9" * 300)
JSON_COLUMNS = (
    ("runs", "holder"),
    ("tasks", "spec"),
    ("tasks", "result"),
    ("attempts", "supervisor"),
    ("recoveries", "changes"),
    ("breakers", "breaker"),
)


@pytest.mark.parametrize(("table", "column"), few(JSON_COLUMNS, 2))
def test_odd_values_in_any_field_of_a_stored_object_end_in_typed_errors_only(
    original: tuple[Path, str], tmp_path: Path, table: str, column: str
) -> None:
    folder, run_id = original
    path = tmp_path / "runs.db"
    with closing(sqlite3.connect(folder / "runs.db")) as connection:
        query = f"SELECT DISTINCT fullkey FROM {table}, json_tree({table}.{column}) WHERE {column} IS NOT NULL"
        fields = [key for (key,) in connection.execute(query)]
    assert fields
    for place, field in enumerate(fields):
        for odd in random.Random(place).sample(ODD_JSON, 2):
            shutil.copy(folder / "runs.db", path)
            for end in ("-wal", "-shm"):
                path.with_name(path.name + end).unlink(missing_ok=True)
            with suppress(sqlite3.Error):
                _run_sql(path, f"UPDATE {table} SET {column} = json_set({column}, ?, json(?))", field, odd)
            for name, reader in _readers(path, run_id).items():
                try:
                    reader()
                except SpawnerError:
                    pass
                except Exception as error:
                    raise AssertionError(f"{name} of {table}.{column}{field} = {odd}") from error


def test_contents_that_are_gone_without_a_clean_up_are_found(copy: tuple[Path, str]) -> None:
    path, run_id = copy
    with Journal(path) as store:
        rows = store.connection.execute("SELECT seq, payload FROM events").fetchall()
        seq, payload = rows[-1]
        digest = payload_digest(payload)
        store.connection.execute("UPDATE events SET payload = NULL, payload_hash = ? WHERE seq = ?", (digest, seq))
        assert f"event {seq} of run {run_id} has lost its content" in str(verify(store).problem)


def test_a_clean_up_is_no_loss(tmp_path: Path) -> None:
    run = cut_off_run(tmp_path)
    clean_checkpoints(run.journal, older_than_days=0, now=4e9)
    with Journal(run.journal) as store:
        assert verify(store).ok


def test_a_cut_end_and_a_rewritten_chain_are_found_if_the_head_was_anchored(tmp_path: Path) -> None:
    state = tmp_path / "state"
    run = cut_off_run(tmp_path, state)
    with Journal(run.journal) as store:
        assert write_anchor(state, store) is None
        anchor = read_anchor(state, run.journal)
        assert anchor is not None
        assert verify(store, anchor).ok
        shutil.copy(run.journal, tmp_path / "kept.db")
        store.connection.execute("DELETE FROM events WHERE seq > ?", (anchor.seq - 2,))
        report = verify(store, anchor)
        assert f"events {anchor.seq - 1} to {anchor.seq} are gone from its end" in str(report.problem)
        assert "cannot be told" not in str(report.problem)
    with pytest.raises(JournalChangedError):
        Run.resume(run.journal, run.run_id, BACKENDS, state_dir=state)
    cut_off_run(tmp_path / "again", state, journal=run.journal)
    with Journal(run.journal) as store:
        assert f"events {anchor.seq - 1} to {anchor.seq} are lost, as event {anchor.seq + 1}" in str(
            verify(store).problem
        ), "a new run does not take their numbers"
    with Journal(tmp_path / "kept.db") as store:
        rows = store.connection.execute("SELECT seq, at, run_id, task_id, kind, payload FROM events ORDER BY seq")
        head = GENESIS
        for seq, at, run_id, task_id, kind, payload in rows.fetchall():
            text = payload.replace("three", "mine!") if kind == "tasks_added" else payload
            digest = payload_digest(text)
            head = link(head, seq=seq, at=at, run_id=run_id, task_id=task_id, kind=kind, payload_hash=digest)
            store.connection.execute("UPDATE events SET payload = ?, hash = ? WHERE seq = ?", (text, head, seq))
        store.connection.execute("UPDATE tasks SET spec = replace(spec, 'three', 'mine!')")
        assert verify(store).problem is None or "table" in str(verify(store).problem), "the chain fits in itself"
        assert "the chain was rewritten" in str(verify(store, anchor).problem)
