"""The journal's file is removed or replaced while a run works: the run notices, writes it back, and says so."""

import asyncio
import os
import resource
import shutil
import sqlite3
import stat
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from tests.exhaustive import few
from tests.warm_python import WarmPopen

from aurora_spawner import CommandBackend, Run, RunOptions, RunReport, SpawnTask, TaskState
from aurora_spawner.attempts.process_identity import own_identity
from aurora_spawner.control.checkpoints import clean_checkpoints
from aurora_spawner.control.follow import afollow_events, afollow_run
from aurora_spawner.control.logs import follow_log
from aurora_spawner.control.lookup import open_journal
from aurora_spawner.control.status import RunStatus
from aurora_spawner.control.steering import wait_until_held
from aurora_spawner.errors import JournalCorruptError, JournalError
from aurora_spawner.journal import store as journal_store
from aurora_spawner.journal import write_back
from aurora_spawner.journal.entries import Entry, entry_of
from aurora_spawner.journal.facts import RunCreated, RunEnded, RunPaused
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.views import EventRow, RunRow, list_runs, load_events, load_tasks
from aurora_spawner.storage.private_files import make_private_file
from aurora_spawner.storage.write_ahead import use_write_ahead_log

ROOT = Path(__file__).parents[2]

BACKENDS = {"sh": CommandBackend("sh", ("sh",))}
FIRST = "echo one >> side; echo first"
OLDER = "rm .aurora/runs.db .aurora/runs.db-*; cp older.db .aurora/runs.db"
REMOVE = "while [ ! -e begun ]; do sleep 0.05; done; rm -rf .aurora; echo done"
LAST = "echo two >> side; echo last"


def run(folder: Path, harm: str) -> tuple[Run, RunReport]:
    """Three tasks in a row, the second of which harms the journal."""
    made = Run.create(
        folder / ".aurora" / "runs.db",
        [
            SpawnTask(FIRST, id="1"),
            SpawnTask(f"{harm}; echo done", id="2"),
            SpawnTask(LAST, id="3"),
        ],
        BACKENDS,
        RunOptions(
            default_agent="sh",
            max_concurrent=1,
            cwd=folder,
            spool=folder / ".aurora" / "runs",
        ),
    )
    return made, made.execute_sync()


def states(journal: Path, run_id: str) -> list[TaskState]:
    with Journal(journal) as store:
        assert verify(store).ok, verify(store)
        return [row.state for row in load_tasks(store, run_id)]


@pytest.mark.parametrize(
    "harm",
    [
        "rm .aurora/runs.db",
        "rm .aurora/runs.db .aurora/runs.db-wal .aurora/runs.db-shm",
        "rm .aurora/runs.db-wal",
        "mv .aurora/runs.db elsewhere.db",
    ],
)
def test_a_journal_that_vanished_is_written_back_whole_and_the_run_goes_on(tmp_path: Path, harm: str) -> None:
    made, report = run(tmp_path, harm)
    assert report.ok
    assert "written back to" in report.trouble[0]
    assert states(made.journal, made.run_id) == [TaskState.SUCCEEDED] * 3
    Run.resume(made.journal, made.run_id, BACKENDS).execute_sync()
    assert (tmp_path / "side").read_text() == "one\ntwo\n", "nothing finished is done again"


@pytest.mark.parametrize("harm", few(["rm -rf .aurora", "git init -q && git clean -qfdx -e side"], 1))
def test_an_agent_that_removes_the_whole_folder_loses_its_own_result_and_no_other(tmp_path: Path, harm: str) -> None:
    made, report = run(tmp_path, harm)
    assert [each.state for each in report.results.values()] == [
        TaskState.SUCCEEDED,
        TaskState.FAILED,
        TaskState.SUCCEEDED,
    ]
    assert f"the folder {tmp_path / '.aurora'}" in str(report.results["2"].error)
    assert "was removed while it ran" in str(report.results["2"].error)
    assert report.trouble
    assert states(made.journal, made.run_id) == [TaskState.SUCCEEDED, TaskState.FAILED, TaskState.SUCCEEDED]


def test_what_runs_beside_an_agent_that_removes_the_folder_is_told_so(tmp_path: Path) -> None:
    tasks = [SpawnTask("touch begun; sleep 1; echo fine", id="1"), SpawnTask(REMOVE, id="2")]
    made = Run.create(
        tmp_path / ".aurora" / "runs.db",
        tasks,
        BACKENDS,
        RunOptions(
            default_agent="sh",
            max_concurrent=2,
            cwd=tmp_path,
            spool=tmp_path / ".aurora" / "runs",
        ),
    )
    errors = [str(each.error) for each in made.execute_sync().results.values()]
    assert all("was removed while it ran" in error for error in errors), errors
    assert states(made.journal, made.run_id) == [TaskState.FAILED] * 2


@pytest.mark.parametrize("other", few(["echo nonsense > .aurora/runs.db", "cp other.db .aurora/runs.db"], 1))
def test_a_journal_that_was_replaced_is_written_beside_what_took_its_place(tmp_path: Path, other: str) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    made, report = run(tmp_path, f"rm .aurora/runs.db; {other}")
    before = (tmp_path / ".aurora" / "runs.db").read_bytes()
    (rescued,) = [each for each in made.journal.parent.glob("runs.db.rescued-*") if each.name[-1].isdigit()]
    assert str(rescued) in report.trouble[0]
    assert states(rescued, made.run_id) == [TaskState.SUCCEEDED] * 3
    assert (tmp_path / ".aurora" / "runs.db").read_bytes() == before, "the file of somebody else is left alone"


def test_a_copy_that_is_written_over_before_it_is_opened_is_put_there_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by `cp older.db runs.db`, which writes into the file that it finds."""
    first, _report = run(tmp_path, "true")
    with closing(sqlite3.connect(first.journal)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    older = tmp_path / "older.db"
    shutil.copy(first.journal, older)
    last, _report = run(tmp_path, "true")
    opened = Journal._open
    written_over: list[Path] = []

    def late(self: Journal, path: Path) -> None:
        if len(written_over) < 2:
            written_over.append(path)
            path.write_bytes(older.read_bytes())
        opened(self, path)

    with Journal(first.journal) as store, store.hold(last.run_id, holder=own_identity()) as lease:
        remove(first.journal)
        monkeypatch.setattr(Journal, "_open", late)
        store.append([entry_of(RunEnded(state="succeeded", notices=[]), run_id=last.run_id)], lease=lease)
        assert len(written_over) == 2
        assert {row.run_id for row in list_runs(store)} == {first.run_id, last.run_id}
    with Journal(first.journal) as store:
        assert verify(store).ok


def made_runs(folder: Path, *names: str) -> Path:
    """A journal with a run of each name, and no task."""
    path = folder / ".aurora" / "runs.db"
    with Journal(path) as store:
        for name in names:
            created = RunCreated(
                run_kind="spawn", cwd="/", spool="/", max_concurrent=1, default_agent="sh", default_timeout_s=None
            )
            store.create_run([name], created, [])
    return path


def pause(run_id: str) -> list[Entry]:
    return [entry_of(RunPaused(by="test"), run_id=run_id)]


def remove(path: Path) -> None:
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()


def pauses(path: Path, run_id: str) -> int:
    with Journal(path) as store:
        assert verify(store).ok, verify(store)
        return sum(isinstance(event.fact, RunPaused) for event in load_events(store, run_id))


def test_a_journal_that_finds_no_room_is_written_back_later_and_leaves_no_draft(tmp_path: Path) -> None:
    path = made_runs(tmp_path, "spawn-1")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Journal(path) as store, store.hold("spawn-1", holder=own_identity()) as lease:
        remove(path)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))
        try:
            with pytest.raises(JournalError):
                store.append(pause("spawn-1"), lease=lease)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert list(path.parent.iterdir()) == []
        store.append(pause("spawn-1"), lease=lease)
    assert pauses(path, "spawn-1") == 1
    assert {each.name for each in path.parent.iterdir()} == {path.name}


def test_a_folder_that_is_removed_while_the_copy_is_made_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a long `rm -rf`."""
    path = made_runs(tmp_path, "spawn-1")
    removed: list[Path] = []

    def removed_again(draft: Path) -> None:
        make_private_file(draft)
        if len(removed) < 2:
            removed.append(draft)
            shutil.rmtree(path.parent)

    with Journal(path) as store, store.hold("spawn-1", holder=own_identity()) as lease:
        shutil.rmtree(path.parent)
        monkeypatch.setattr(write_back, "make_private_file", removed_again)
        store.append(pause("spawn-1"), lease=lease)
    assert len(removed) == 2
    assert pauses(path, "spawn-1") == 1


def test_a_file_that_is_replaced_while_it_is_opened_is_not_taken_for_the_open_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made_runs(tmp_path, "spawn-1")
    copy = tmp_path / "copy.db"
    shutil.copy(path, copy)

    def replaced(connection: sqlite3.Connection, *, wait_s: float) -> None:
        use_write_ahead_log(connection, wait_s=wait_s)
        if copy.exists():
            remove(path)
            copy.replace(path)

    monkeypatch.setattr(journal_store, "use_write_ahead_log", replaced)
    with Journal(path) as store, store.hold("spawn-1", holder=own_identity()) as lease:
        store.append(pause("spawn-1"), lease=lease)
    assert pauses(path, "spawn-1") == 1


def test_runs_of_one_process_write_their_journal_back_one_after_the_other(tmp_path: Path) -> None:
    names = ("spawn-1", "spawn-2", "spawn-3")
    path = made_runs(tmp_path, *names)
    rounds = 8
    barrier = threading.Barrier(len(names), action=lambda: remove(path))

    def coordinate(name: str) -> None:
        with Journal(path) as store, store.hold(name, holder=own_identity()) as lease:
            for _ in range(rounds):
                barrier.wait(timeout=60)
                store.append(pause(name), lease=lease)

    with ThreadPoolExecutor(len(names)) as pool:
        assert list(pool.map(coordinate, names)) == [None] * len(names)
    assert [pauses(path, name) for name in names] == [rounds] * len(names)
    assert {each.name for each in path.parent.iterdir()} == {path.name}


def test_a_copy_is_not_put_over_what_another_coordinator_writes_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each saw the place empty; the slower one must not remove the log of the faster."""
    names = ("spawn-1", "spawn-2")
    path = made_runs(tmp_path, *names)
    put = write_back._put
    second = threading.Event()

    def put_late(draft: Path, place: Path, run_id: str, uri: str, *, over: bool) -> Path:
        if run_id == "spawn-1":
            second.wait(timeout=0.5)
        return put(draft, place, run_id, uri, over=over)

    def finish(name: str) -> None:
        with Journal(path) as store, store.hold(name, holder=own_identity()) as lease:
            both.wait(timeout=60)
            store.append(pause(name), lease=lease)
            second.set()

    both = threading.Barrier(2, action=lambda: remove(path))
    monkeypatch.setattr(write_back, "_put", put_late)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(finish, names))
    assert [pauses(path, name) for name in names] == [1, 1]


def test_journals_that_are_written_beside_a_file_in_one_second_keep_apart(tmp_path: Path) -> None:
    names = ("spawn-1", "spawn-2")
    path = made_runs(tmp_path, *names)
    with ExitStack() as open_:
        stores = [open_.enter_context(Journal(path)) for _ in names]
        leases = [
            open_.enter_context(store.hold(name, holder=own_identity()))
            for store, name in zip(stores, names, strict=True)
        ]
        remove(path)
        path.write_text("of somebody else")
        for store, name, lease in zip(stores, names, leases, strict=True):
            store.append(pause(name), lease=lease)
        assert len({store.path for store in stores}) == 2
    for store, name in zip(stores, names, strict=True):
        assert pauses(store.path, name) == 1


def test_a_spoilt_rescued_copy_is_replaced_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made_runs(tmp_path, "spawn-1")
    opened = Journal._open
    spoilt: list[Path] = []

    def spoil(self: Journal, place: Path) -> None:
        if not spoilt:
            spoilt.append(place)
            place.write_bytes(b"no database" * 500)
        opened(self, place)

    with Journal(path) as store, store.hold("spawn-1", holder=own_identity()) as lease:
        remove(path)
        path.write_text("of somebody else")
        monkeypatch.setattr(Journal, "_open", spoil)
        store.append(pause("spawn-1"), lease=lease)
    assert spoilt
    assert pauses(store.path, "spawn-1") == 1
    assert {each.name for each in path.parent.iterdir()} == {path.name, store.path.name}
    assert path.read_text() == "of somebody else"


def test_no_journal_is_made_through_a_link_to_nowhere(tmp_path: Path) -> None:
    (tmp_path / "runs.db").symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(JournalError, match=r"runs\.db"):
        Journal(tmp_path / "runs.db")
    assert not (tmp_path / "elsewhere.db").exists()


def test_an_older_copy_in_its_place_costs_no_run_its_events(tmp_path: Path) -> None:
    first, _report = run(tmp_path, "true")
    with closing(sqlite3.connect(first.journal)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(first.journal, tmp_path / "older.db")
    between, _report = run(tmp_path, "true")
    last, report = run(tmp_path, OLDER)
    assert report.trouble
    for each in (first, between, last):
        assert states(last.journal, each.run_id) == [TaskState.SUCCEEDED] * 3


@pytest.mark.parametrize("harm", few(["rm .aurora/runs.db*", "rm -rf .aurora"], 1))
async def test_followers_of_a_vanished_journal_go_on_and_leave_its_place_to_the_coordinator(
    tmp_path: Path, harm: str
) -> None:
    script = f"until [ -e begun ]; do sleep 0.02; done; {harm}; sleep 0.5; [ ! -e .aurora/runs.db ] && echo done"
    tasks = [SpawnTask(FIRST, id="1"), SpawnTask(script, id="2")]
    options = RunOptions(default_agent="sh", max_concurrent=1, cwd=tmp_path, spool=tmp_path / "runs")
    made = Run.create(tmp_path / ".aurora" / "runs.db", tasks, BACKENDS, options)
    execution = asyncio.create_task(made.execute())
    await asyncio.to_thread(wait_until_held, made.journal, made.run_id, pid=os.getpid(), limit_s=30)

    async def events() -> list[EventRow]:
        return [each async for each in afollow_events(made.journal, made.run_id, period_s=0.02)]

    async def statuses() -> list[RunStatus]:
        found = []
        async for each in afollow_run(made.journal, made.run_id, period_s=0.02):
            found.append(each)
            if any(running.task == "2" and running.since for running in each.running):
                (tmp_path / "begun").touch()  # the coordinator writes nothing until the task ends
        return found

    async with asyncio.timeout(60):
        report, followed, seen = await asyncio.gather(execution, events(), statuses())
    assert report.ok, "the second task finds no journal that a follower made"
    assert f"was written back to {made.journal}" in report.trouble[0]
    assert list(made.journal.parent.glob("*rescued*")) == []
    assert seen[-1].state == "succeeded"
    with Journal(made.journal) as store:
        assert followed == load_events(store, made.run_id)


def test_a_log_is_followed_into_the_journal_that_was_written_back(tmp_path: Path) -> None:
    tasks = [SpawnTask("rm .aurora/runs.db*; echo gone", id="1"), SpawnTask("echo last", id="2")]
    options = RunOptions(default_agent="sh", max_concurrent=1, cwd=tmp_path, spool=tmp_path / ".aurora" / "runs")
    made = Run.create(tmp_path / ".aurora" / "runs.db", tasks, BACKENDS, options)

    def execute(_pause_s: float) -> None:
        asyncio.run(made.execute())

    with Journal(made.journal, make=False) as store:
        with store.hold(made.run_id, holder=own_identity()):
            pass  # this process lives, so the follower waits for the run
        pieces = follow_log(store, made.run_id, "2", sleep=execute)
        assert b"".join(pieces) == b"last\n"


@pytest.mark.parametrize("lost", ["before", "after"])
def test_a_reader_makes_no_journal_in_the_place_of_one_that_vanishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """It was seen there, and is removed before or after it is opened."""
    path = made_runs(tmp_path, "spawn-1")
    connect = journal_store._connect

    def late(place: Path) -> sqlite3.Connection:
        if lost == "before":
            remove(path)
            return connect(place)
        connection = connect(place)
        remove(path)
        return connection

    monkeypatch.setattr(journal_store, "_connect", late)
    with pytest.raises(JournalError):
        open_journal(path, "spawn-1")
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("make", [True, False])
def test_a_folder_in_the_place_of_a_journal_is_left_as_it_is(tmp_path: Path, make: bool) -> None:
    path = tmp_path / "runs.db"
    path.mkdir(mode=0o755)
    with pytest.raises(JournalError, match=r"runs\.db"):
        Journal(path, make=make)
    assert stat.S_IMODE(path.stat().st_mode) == 0o755


def test_a_journal_that_others_can_read_is_made_private_by_who_reads_it(tmp_path: Path) -> None:
    path = made_runs(tmp_path, "spawn-1")
    path.chmod(0o644)
    with Journal(path, make=False) as store:
        store.append(pause("spawn-1"))
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert modes == {"runs.db": 0o600, "runs.db-wal": 0o600, "runs.db-shm": 0o600}


def test_a_journal_without_events_in_the_place_of_a_vanished_one_is_replaced(tmp_path: Path) -> None:
    with Journal(tmp_path / "empty.db") as store:
        store.connection.execute("PRAGMA journal_mode = DELETE")
    made, report = run(tmp_path, "rm .aurora/runs.db*; cp empty.db .aurora/runs.db")
    assert report.trouble
    assert list(made.journal.parent.glob("*rescued*")) == []
    assert states(made.journal, made.run_id) == [TaskState.SUCCEEDED] * 3


def list_runs_of(journal: Path) -> list[RunRow]:
    with Journal(journal) as store:
        return list_runs(store)


TWO = """
import sys
from pathlib import Path
from tests.faults.test_journal_gone import BACKENDS
from aurora_spawner import Run, RunOptions, SpawnTask
folder, name = Path(sys.argv[1]), sys.argv[2]
script = f"echo {name} >> side-{name}; until [ -e go ]; do sleep 0.05; done; echo done"
tasks = [SpawnTask(script, id=str(n)) for n in range(4)]
options = RunOptions(default_agent="sh", max_concurrent=1, cwd=folder, spool=folder / ".aurora/runs", kind=name)
run = Run.create(folder / ".aurora/runs.db", tasks, BACKENDS, options)
sys.exit(0 if run.execute_sync().trouble else 3)
"""


def test_two_coordinators_of_one_vanished_journal_end_in_one_file_that_has_both(tmp_path: Path) -> None:
    processes = [WarmPopen([sys.executable, "-c", TWO, str(tmp_path), name], cwd=ROOT) for name in ("one", "two")]
    while not ((tmp_path / "side-one").exists() and (tmp_path / "side-two").exists()):
        assert all(each.poll() is None for each in processes)
        time.sleep(0.02)
    (tmp_path / ".aurora" / "runs.db").unlink()
    (tmp_path / "go").touch()
    assert [each.wait(timeout=60) for each in processes] == [0, 0]
    names = [run.run_id for run in list_runs_of(tmp_path / ".aurora" / "runs.db")]
    assert len(names) == 2
    for name in names:
        assert states(tmp_path / ".aurora" / "runs.db", name) == [TaskState.SUCCEEDED] * 4


def test_events_that_were_lost_are_declared_and_their_numbers_stay_free(tmp_path: Path) -> None:
    made, _report = run(tmp_path, "true")
    with (
        Journal(made.journal) as store,
        store.hold(made.run_id, holder=own_identity()) as lease,
    ):
        head = verify(store).events
        store.connection.execute("DELETE FROM events WHERE seq = ?", (head,))
        store.append([entry_of(RunEnded(state="succeeded", notices=[]), run_id=made.run_id)], lease=lease)
        seqs = [seq for (seq,) in store.connection.execute("SELECT seq FROM events ORDER BY seq DESC LIMIT 3")]
        assert seqs == [head + 2, head + 1, head - 1]
        assert f"events {head} to {head}" in str(verify(store).problem)
        assert "declared" in str(verify(store).problem)
        assert store.trouble


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_what_a_run_keeps_is_for_its_owner_alone_and_agents_have_the_users_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        _made, report = run(tmp_path, "umask > mask; echo x > made")
    finally:
        os.umask(before)
    assert report.ok
    for path in (tmp_path / ".aurora", *(tmp_path / ".aurora").rglob("*")):
        mode = stat.S_IMODE(path.lstat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), f"{path} is {mode:o}"
    assert int((tmp_path / "mask").read_text(), 8) == umask
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("way", ["spool", "link", "name"])
def test_a_clean_up_deletes_nothing_outside_its_own_spool_folder(tmp_path: Path, way: str) -> None:
    project, victim = tmp_path / "project", tmp_path / "victim"
    project.mkdir()
    made, _report = run(project, "true")
    precious = victim / made.run_id / "precious"
    precious.parent.mkdir(parents=True)
    precious.write_text("mine")
    spool = project / ".aurora" / "runs"
    with closing(sqlite3.connect(made.journal, isolation_level=None)) as connection:
        if way == "spool":
            connection.execute("UPDATE runs SET spool = ?", (str(victim),))
        if way == "name":
            connection.execute("PRAGMA foreign_keys = OFF")
            connection.execute("UPDATE runs SET run_id = ?", (f"../../../victim/{made.run_id}",))
    if way == "link":
        shutil.rmtree(spool)
        spool.symlink_to(victim)
    report = clean_checkpoints(made.journal, older_than_days=0, now=4e9)
    assert precious.read_text() == "mine"
    assert len(report.left_alone) == 1


def test_the_database_of_another_program_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(JournalCorruptError, match="another program"):
        Journal(path)
    assert path.read_bytes() == before
