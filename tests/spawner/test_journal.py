"""The journal: durable in order, provable, and readable while it is written."""

import asyncio
import hashlib
import json
import resource
import sqlite3
import struct
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.exhaustive import few

from aurora_spawner import SpawnTask
from aurora_spawner.attempts.process_identity import ProcessIdentity, own_identity
from aurora_spawner.errors import JournalCorruptError, JournalError, RunHeldError
from aurora_spawner.journal.anchor import write_anchor
from aurora_spawner.journal.chain import GENESIS, link, payload_digest
from aurora_spawner.journal.entries import FACT_TYPES, Entry, entry_of
from aurora_spawner.journal.facts import Fact, RunCreated, RunPaused, RunUnpaused, TaskSettled
from aurora_spawner.journal.schema import MIGRATIONS, migrate
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import accept_changes, verify
from aurora_spawner.journal.views import list_runs, load_run, load_tasks
from aurora_spawner.journal.writer import GroupWriter
from aurora_spawner.runs.resume_state import tasks_added
from aurora_spawner.tasks.result import SpawnResult, TaskState


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "runs.db") as opened:
        yield opened


def create(journal: Journal, name: str = "spawn-1") -> str:
    created = RunCreated(
        run_kind="spawn", cwd="/", spool="/", max_concurrent=4, default_agent="a", default_timeout_s=None
    )
    return journal.create_run([name], created, tasks_added([SpawnTask("x", id="1")], first_position=0))


def pause(run_id: str = "spawn-1") -> Entry:
    return entry_of(RunPaused(by="test"), run_id=run_id)


def test_a_fact_and_what_follows_from_it_are_written_together(journal: Journal) -> None:
    create(journal)
    journal.append([pause()])
    assert load_run(journal, "spawn-1").paused
    journal.append([entry_of(RunUnpaused(by="test"), run_id="spawn-1")])
    assert not load_run(journal, "spawn-1").paused
    assert verify(journal).events == 4


def test_a_failed_append_writes_nothing(journal: Journal) -> None:
    create(journal)
    (twice,) = tasks_added([SpawnTask("x", id="1")], first_position=1)
    with pytest.raises(JournalError, match="cannot be used"):
        journal.append([pause(), entry_of(twice, run_id="spawn-1")])
    assert not load_run(journal, "spawn-1").paused
    assert verify(journal).problem is None


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE events SET payload = replace(payload, 'test', 'tost') WHERE seq = 3",
        "UPDATE events SET at = at + 1 WHERE seq = 2",
        "UPDATE events SET kind = 'run_unpaused' WHERE seq = 3",
        "UPDATE events SET run_id = 'other' WHERE seq = 3",
        "UPDATE events SET payload = 7 WHERE seq = 3",
        "UPDATE events SET task_id = x'00' WHERE seq = 3",
        "UPDATE events SET hash = 'x' WHERE seq = 3",
        "UPDATE events SET payload = NULL WHERE seq = 3",
        "UPDATE events SET payload = 'ä' WHERE seq = 3",
        "DELETE FROM events WHERE seq = 3",
        "UPDATE events SET seq = 9 WHERE seq = 4",
    ],
)
def test_a_change_to_an_event_is_found(journal: Journal, change: str) -> None:
    create(journal)
    journal.append([pause(), pause()])
    assert verify(journal).ok
    journal.connection.execute(change)
    report = verify(journal)
    assert not report.ok
    assert report.seq in (2, 3, 4, 9)


def flips(value: object, *, every: bool) -> list[object]:
    """Return a stored value with one byte changed: the first, one in the middle and the last, or each."""
    if value is None:
        return ["null"]
    if isinstance(value, int | float):
        content = struct.pack(">d", value)
    else:
        content = value.encode() if isinstance(value, str) else bytes(value)  # type: ignore[call-overload]
    places = (
        range(len(content)) if every else sorted({0, len(content) // 2, len(content) - 1} & {*range(len(content))})
    )
    found: list[object] = []
    for place in places:
        changed = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        if isinstance(value, int | float):
            (number,) = struct.unpack(">d", changed)
            found += [int(number) if isinstance(value, int) and number.is_integer() else number]
        else:
            found.append(changed.decode("utf-8", "surrogateescape") if isinstance(value, str) else changed)
    return [each for each in found if each != value]


@pytest.mark.parametrize("every", few([False, True], 1))
def test_one_changed_byte_of_any_field_of_any_event_is_found(journal: Journal, every: bool) -> None:
    create(journal)
    journal.append([pause(), entry_of(RunUnpaused(by="ä"), run_id="spawn-1"), pause()])
    columns = ("at", "run_id", "task_id", "kind", "payload", "payload_hash", "hash")
    rows = journal.connection.execute(f"SELECT seq, {', '.join(columns)} FROM events").fetchall()
    tried = 0
    for seq, *values in rows:
        for column, value in zip(columns, values, strict=True):
            for changed in flips(value, every=every):
                journal.connection.execute(f"UPDATE events SET {column} = ? WHERE seq = ?", (changed, seq))
                assert not verify(journal).ok, (seq, column, value, changed)
                journal.connection.execute(f"UPDATE events SET {column} = ? WHERE seq = ?", (value, seq))
                tried += 1
    assert verify(journal).ok
    assert tried > 50


@pytest.mark.parametrize(
    "change", ["UPDATE tasks SET state = 'succeeded'", "UPDATE runs SET paused = 1", "DELETE FROM tasks"]
)
def test_a_change_to_a_table_is_found(journal: Journal, change: str) -> None:
    create(journal)
    journal.connection.execute(change)
    assert "does not follow from the events" in str(verify(journal).problem)


def test_events_taken_off_the_end_are_found_by_who_kept_the_head(journal: Journal) -> None:
    create(journal)
    head = verify(journal).head
    journal.append([pause()])
    assert verify(journal).head != head
    journal.connection.execute("DELETE FROM events WHERE seq = 3")
    assert verify(journal).head == head


def test_a_cleaned_run_loses_its_content_and_the_chain_holds(journal: Journal) -> None:
    create(journal, "spawn-1")
    create(journal, "spawn-2")
    journal.append([pause("spawn-2")])
    journal.redact("spawn-1")
    assert verify(journal).problem is None
    assert [run.run_id for run in list_runs(journal)] == ["spawn-2"]
    contents = journal.connection.execute("SELECT payload FROM events WHERE run_id = 'spawn-1'").fetchall()
    assert contents[:-1] == [(None,), (None,)]


def test_a_run_has_one_holder(journal: Journal) -> None:
    create(journal)
    me = own_identity()
    with (
        journal.hold("spawn-1", holder=me),
        pytest.raises(RunHeldError, match=f"held by process {me.pid}"),
        journal.hold("spawn-1", holder=me),
    ):
        pass


def test_a_run_has_one_holder_from_the_moment_it_is_taken(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread of this process asks as soon as the lease can be read."""
    create(journal)
    transaction = Journal.transaction
    refused: list[str] = []

    @contextmanager
    def asked_after(self: Journal) -> Iterator[sqlite3.Connection]:
        with transaction(self) as connection:
            yield connection
        if self is journal:
            with Journal(journal.path) as other, pytest.raises(RunHeldError) as held:
                other.hold("spawn-1", holder=own_identity()).__enter__()
            refused.append(held.value.run_id)

    monkeypatch.setattr(Journal, "transaction", asked_after)
    with journal.hold("spawn-1", holder=own_identity()):
        assert refused == ["spawn-1"]


def test_the_dead_hold_nothing(journal: Journal) -> None:
    """A coordinator that was killed did not say so; another process with its pid is somebody else."""
    create(journal)
    me = own_identity()
    dead = ProcessIdentity(
        host=me.host, boot_id=me.boot_id, namespace=me.namespace, pid=me.pid, start_time=me.start_time - 1
    )
    with journal.hold("spawn-1", holder=dead) as old_lease, journal.hold("spawn-1", holder=me) as lease:
        journal.append([pause()], lease=lease)
        with pytest.raises(RunHeldError):
            journal.append([pause()], lease=old_lease)


def test_another_machine_cannot_be_proven_dead(journal: Journal) -> None:
    create(journal)
    me = own_identity()
    other = ProcessIdentity(host="elsewhere", boot_id="b", namespace="", pid=1, start_time=1)
    with (
        journal.hold("spawn-1", holder=other),
        pytest.raises(RunHeldError, match="process 1 on elsewhere"),
        journal.hold("spawn-1", holder=me),
    ):
        pass


async def test_facts_that_come_together_share_a_transaction(tmp_path: Path) -> None:
    with Journal(tmp_path / "runs.db") as journal:
        create(journal)
        sizes: list[int] = []
        append = journal.append

        def append_counted(entries: Sequence[Entry], *, lease: str | None = None) -> None:
            sizes.append(len(entries))
            append(entries, lease=lease)

        journal.append = append_counted  # type: ignore[method-assign]
        with journal.hold("spawn-1", holder=own_identity()) as lease:
            writer = GroupWriter(journal, lease=lease)
            await asyncio.gather(*(writer.write(pause()) for _ in range(500)))
            await writer.close()
        assert sum(sizes) == 500
        assert len(sizes) < 50
        assert verify(journal).ok


async def test_after_a_failed_write_nothing_more_is_written(tmp_path: Path) -> None:
    """A gap in the record would be worse than its end."""
    with Journal(tmp_path / "runs.db") as journal:
        create(journal)
        writer = GroupWriter(journal, lease="nobody's")
        for _ in range(2):
            with pytest.raises(RunHeldError):
                await writer.write(pause())
        await writer.close()
        assert verify(journal).events == 2


async def test_an_error_of_any_kind_ends_the_writer_and_is_raised_by_each_write(tmp_path: Path) -> None:
    with Journal(tmp_path / "runs.db") as journal:

        def fail(entries: Sequence[Entry], *, lease: str | None = None) -> None:
            raise ZeroDivisionError(entries, lease)

        journal.append = fail  # type: ignore[method-assign]
        writer = GroupWriter(journal, lease="mine")
        async with asyncio.timeout(20):
            for _ in range(2):
                with pytest.raises(ZeroDivisionError):
                    await writer.write(pause())
            await writer.close()


@pytest.mark.parametrize("change", ["hash = 'x'", f"seq = {2**63 - 1}"])
def test_nothing_is_written_behind_a_last_event_that_is_damaged(tmp_path: Path, change: str) -> None:
    with Journal(tmp_path / "runs.db") as journal:
        create(journal)
        journal.connection.execute(f"UPDATE events SET {change} WHERE seq = 2")
        with pytest.raises(JournalCorruptError, match="is damaged"):
            journal.append([pause()])
        with pytest.raises(JournalCorruptError, match="is damaged"):
            accept_changes(journal, "spawn-1", "a test", None)
        assert "could not be anchored" in str(write_anchor(tmp_path / "state", journal))


def test_damage_below_the_events_is_told_in_our_words(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with Journal(path) as journal:
        create(journal)
        (page,) = journal.connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'events'").fetchone()
    content = bytearray(path.read_bytes())
    content[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    path.write_bytes(content)
    with Journal(path) as journal:
        with pytest.raises(JournalCorruptError, match="is damaged"):
            accept_changes(journal, "spawn-1", "a test", None)
        assert "is damaged" in str(write_anchor(tmp_path / "state", journal))


def test_an_anchor_that_finds_no_room_leaves_no_draft(tmp_path: Path, journal: Journal) -> None:
    create(journal)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        notice = write_anchor(tmp_path / "state", journal)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "could not be anchored" in str(notice)
    assert list((tmp_path / "state" / "anchors").iterdir()) == []


def test_changes_of_a_run_without_an_attempt_can_be_accepted(journal: Journal) -> None:
    """Most of its tables have no row of it."""
    create(journal)
    journal.connection.execute("UPDATE tasks SET state = 'succeeded'")
    accept_changes(journal, "spawn-1", "a test", None)
    assert [row.state for row in load_tasks(journal, "spawn-1")] == [TaskState.PENDING]
    assert verify(journal).ok


def test_the_journal_is_durable_and_does_not_block_readers(journal: Journal) -> None:
    assert journal.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert journal.connection.execute("PRAGMA synchronous").fetchone() == (2,)


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + b"\xff" * 2000, b"x" * 5000])
def test_a_file_that_is_no_journal_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "runs.db"
    path.write_bytes(content)
    with pytest.raises(JournalCorruptError, match="is damaged"):
        Journal(path)
    assert path.read_bytes() == content


def test_the_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA application_id = 77")
    with pytest.raises(JournalCorruptError, match="another program"):
        Journal(path)


def test_a_newer_journal_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with Journal(path) as journal:
        journal.connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(JournalError, match="newer version"):
        Journal(path)


def test_a_folder_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="cannot be used"):
        Journal(tmp_path / "file" / "runs.db")


def test_migrating_twice_changes_nothing(journal: Journal) -> None:
    def tables() -> list[tuple[str]]:
        return journal.connection.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()

    before = tables()
    migrate(journal.connection)
    assert tables() == before


@given(st.text(st.characters(), max_size=100), st.text(min_size=1, max_size=20))
def test_any_text_survives_the_journal(output: str, task_id: str) -> None:
    result = SpawnResult(task_id=task_id, agent="a", state=TaskState.SUCCEEDED, output=output)
    payload = entry_of(TaskSettled(result=result.to_json()), run_id="r")[3]
    assert payload == json.dumps({"result": result.to_json()}, sort_keys=True, separators=(",", ":"))
    assert payload.isascii()
    connection = sqlite3.connect(":memory:", isolation_level=None)
    with closing(connection):
        connection.execute("CREATE TABLE t (payload TEXT)")
        connection.execute("INSERT INTO t VALUES (?)", (payload,))
        assert connection.execute("SELECT payload FROM t").fetchone() == (payload,)


def test_every_kind_of_fact_has_its_own_name() -> None:
    assert {each.kind for each in Fact.__subclasses__()} == FACT_TYPES.keys()
    assert "task_settled" in FACT_TYPES


def test_tasks_come_back_as_they_were(journal: Journal) -> None:
    task = SpawnTask(
        '{"a": 1}',
        "agent",
        id="x/1 ü",
        depends_on=("1",),
        title="t",
        priority=-3,
        timeout_s=2.5,
        critical=False,
        files=("a", "b/*"),
        model="m",
        prompt_format="json",
    )
    create(journal)
    journal.append([entry_of(fact, run_id="spawn-1") for fact in tasks_added([task], first_position=1)])
    row = load_tasks(journal, "spawn-1")[1]
    assert row.task == task
    stored = journal.connection.execute("SELECT content_hash FROM tasks WHERE task_id = ?", (task.id,)).fetchone()
    assert stored == (task.content_hash,)


@given(
    at=st.floats(min_value=0, max_value=1e12),
    run_id=st.text(min_size=1),
    task_id=st.none() | st.text(min_size=1),
    payload=st.text(alphabet=st.characters(max_codepoint=126)),
)
def test_a_link_is_the_hash_of_what_stands_before_it_and_of_the_event_as_json(
    at: float, run_id: str, task_id: str | None, payload: str
) -> None:
    """Whoever wants to check a journal needs only this; a journal of an earlier version stays valid."""
    made = link(
        GENESIS, seq=7, at=at, run_id=run_id, task_id=task_id, kind="run_paused", payload_hash=payload_digest(payload)
    )
    event = json.dumps([7, at, run_id, task_id, "run_paused"], separators=(",", ":"))
    assert made == hashlib.sha256(GENESIS + hashlib.sha256(payload.encode()).digest() + event.encode()).digest()
