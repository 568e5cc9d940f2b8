"""Follow a run of another process from an event loop."""

import asyncio
import os
import shutil
import signal
import sqlite3
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, closing, suppress
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask
from aurora_spawner.attempts.process_identity import own_identity
from aurora_spawner.control import follow, status
from aurora_spawner.control.follow import afollow_events, afollow_log, afollow_run, arun_status
from aurora_spawner.control.steering import cancel_run, detach, run_status, wait_until_held
from aurora_spawner.errors import JournalCorruptError, JournalError, JournalLockedError, UnknownRunError
from aurora_spawner.journal import async_reader
from aurora_spawner.journal.async_reader import AsyncJournal
from aurora_spawner.journal.entries import entry_of
from aurora_spawner.journal.facts import RunEnded, RunTaken, TaskSettled
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import EventRow, RunRow, load_events

BACKENDS = {"sh": CommandBackend("sh", ("sh",))}
GATE = "echo begun; while [ ! -e open ]; do sleep 0.02; done; echo done"
COORDINATOR = """
    import sys
    from pathlib import Path
    from aurora_spawner import CommandBackend, Run
    Run.resume(Path(sys.argv[1]), sys.argv[2], {"sh": CommandBackend("sh", ("sh",))}).execute_sync()
"""


def created(folder: Path, *prompts: str) -> Run:
    tasks = [SpawnTask(prompt, id=str(number)) for number, prompt in enumerate(prompts, 1)]
    options = RunOptions(default_agent="sh", cwd=folder, spool=folder / "runs", max_concurrent=2)
    return Run.create(folder / "runs.db", tasks, BACKENDS, options)


def started(run: Run, folder: Path) -> int:
    """Execute a run in another process; returns that process's id."""
    command = [sys.executable, "-c", textwrap.dedent(COORDINATOR), str(run.journal), run.run_id]
    pid = detach(command, log=folder / "log")
    assert wait_until_held(run.journal, run.run_id, pid=pid, limit_s=30), (folder / "log").read_text()
    return pid


async def reaped(pid: int) -> None:
    """Wait until a coordinator that was detached here has ended."""
    await asyncio.to_thread(os.waitpid, pid, 0)


async def test_a_status_is_yielded_for_each_change_until_the_run_ends(tmp_path: Path) -> None:
    run = created(tmp_path, GATE, "echo second")
    pid = started(run, tmp_path)
    seen = []
    async with asyncio.timeout(40), aclosing(afollow_run(run.journal, run.run_id, period_s=0.02)) as statuses:
        async for each in statuses:
            seen.append(each)
            if each.tasks.get("succeeded") == 1:
                (tmp_path / "open").touch()
    await reaped(pid)
    assert [seen[0].pid, seen[-1].pid] == [pid, None]
    assert [seen[0].state, seen[-1].state] == ["running", "succeeded"]
    assert seen[-1].tasks == {"succeeded": 2}
    assert all(before != after for before, after in pairwise(seen))
    assert (
        seen[-1]
        == await asyncio.to_thread(run_status, run.journal, run.run_id)
        == await arun_status(run.journal, run.run_id)
    )


async def test_a_killed_coordinator_ends_a_follower_with_a_crashed_run(tmp_path: Path) -> None:
    run = created(tmp_path, GATE)
    pid = started(run, tmp_path)
    state = ""
    async with asyncio.timeout(40), aclosing(afollow_run(run.journal, run.run_id, period_s=0.02)) as statuses:
        async for each in statuses:
            state = each.state
            if each.pid is not None and each.running:
                os.kill(pid, signal.SIGKILL)
                await reaped(pid)
    assert state == "crashed"
    await asyncio.to_thread(cancel_run, run.journal, run.run_id, at_once=True)


async def test_every_event_is_yielded_once_and_a_follower_can_continue(tmp_path: Path) -> None:
    run = created(tmp_path, *(["echo x"] * 20), GATE)
    pid = started(run, tmp_path)
    events = []
    async with asyncio.timeout(60), aclosing(afollow_events(run.journal, run.run_id, period_s=0.02)) as followed:
        async for event in followed:
            events.append(event)
            if sum(isinstance(each.fact, TaskSettled) for each in events) == 20:
                (tmp_path / "open").touch()
    await reaped(pid)
    with Journal(run.journal) as journal:
        assert events == load_events(journal, run.run_id)
    assert any(isinstance(event.fact, RunTaken) for event in events)
    assert isinstance(events[-1].fact, RunEnded)
    middle = events[len(events) // 2].seq
    rest = [event async for event in afollow_events(run.journal, run.run_id, after=middle)]
    assert rest == [event for event in events if event.seq > middle]


async def test_an_output_is_yielded_as_it_grows(tmp_path: Path) -> None:
    run = created(tmp_path, GATE)
    pid = started(run, tmp_path)
    output = b""
    async with asyncio.timeout(40), aclosing(afollow_log(run.journal, run.run_id, "1", period_s=0.02)) as pieces:
        async for piece in pieces:
            output += piece
            if output == b"begun\n":
                (tmp_path / "open").touch()
    await reaped(pid)
    assert output == b"begun\ndone\n"


async def test_a_cancelled_follower_lets_go_of_the_journal(tmp_path: Path) -> None:
    run = created(tmp_path, GATE)
    pid = started(run, tmp_path)

    async def follow_all() -> None:
        async with aclosing(afollow_run(run.journal, run.run_id)) as statuses:
            async for _ in statuses:
                pass

    follower = asyncio.create_task(follow_all())
    await asyncio.sleep(0.3)
    begin = time.monotonic()
    follower.cancel()
    with pytest.raises(asyncio.CancelledError):
        await follower
    assert time.monotonic() - begin < 5
    await asyncio.to_thread(cancel_run, run.journal, run.run_id, at_once=True)
    await reaped(pid)


async def test_a_journal_under_the_same_name_is_read_anew(tmp_path: Path) -> None:
    run = created(tmp_path, "echo x")
    async with AsyncJournal(run.journal) as journal:
        before = await journal.events(run.run_id)
        with Journal(run.journal) as store:
            store.connection.execute("VACUUM INTO ?", (str(tmp_path / "copy"),))
        shutil.move(tmp_path / "copy", run.journal)
        assert (await run.execute()).ok
        after = await journal.events(run.run_id)
    assert after[: len(before)] == before
    assert isinstance(after[-1].fact, RunEnded)


async def to_the_end(events: AsyncIterator[EventRow]) -> list[EventRow]:
    return [each async for each in events]


async def read_all(run: Run) -> None:
    async with AsyncJournal(run.journal) as journal:
        await journal.run(run.run_id)
        await journal.events(run.run_id)


async def ended(thread: threading.Thread) -> bool:
    await asyncio.to_thread(thread.join, 20)
    return not thread.is_alive()


async def test_a_read_of_a_locked_journal_waits_for_the_lock_and_can_be_cancelled(tmp_path: Path) -> None:
    run = created(tmp_path, "echo x")
    with closing(sqlite3.connect(run.journal, isolation_level=None)) as locker:
        locker.execute("PRAGMA locking_mode = EXCLUSIVE")
        locker.execute("BEGIN EXCLUSIVE")
        locker.execute("PRAGMA user_version = 0")
        waiting, given_up = (asyncio.create_task(read_all(run)) for _ in range(2))
        await asyncio.sleep(0.5)
        begin = time.monotonic()
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        assert time.monotonic() - begin < 5
        assert not waiting.done()
        locker.execute("ROLLBACK")
    await asyncio.wait_for(waiting, 20)


async def test_a_journal_that_stays_locked_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(async_reader, "BUSY_WAIT_S", 0.5)
    run = created(tmp_path, "echo x")
    with closing(sqlite3.connect(run.journal, isolation_level=None)) as locker:
        locker.execute("PRAGMA locking_mode = EXCLUSIVE")
        locker.execute("BEGIN EXCLUSIVE")
        with pytest.raises(JournalLockedError):
            await read_all(run)


async def test_a_reader_that_is_cancelled_anywhere_or_finds_no_journal_leaves_no_thread(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    run = created(tmp_path, "echo x")
    for turns in range(30):
        reading = asyncio.create_task(read_all(run))
        for _ in range(turns):
            await asyncio.sleep(0.0002)
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
    for content in (b"", b"no database" * 500, run.journal.read_bytes()[:6000]):
        (tmp_path / "odd.db").write_bytes(content)
        with pytest.raises(JournalError):
            async with AsyncJournal(tmp_path / "odd.db") as journal:
                await journal.run(run.run_id)
    for thread in set(threading.enumerate()) - before:
        if not thread.name.startswith("asyncio"):
            assert await ended(thread)


@pytest.mark.parametrize("content", [b"", b"no database" * 500, None], ids=["empty", "text", "folder"])
async def test_a_follower_ends_with_an_error_of_ours_if_something_else_takes_the_place(
    tmp_path: Path, content: bytes | None
) -> None:
    run = created(tmp_path, "echo x")
    with Journal(run.journal) as store, store.hold(run.run_id, holder=own_identity()):
        events = afollow_events(run.journal, run.run_id, period_s=0.02)
        await anext(events)
        run.journal.rename(tmp_path / "kept.db")
        if content is None:
            run.journal.mkdir()
        else:
            run.journal.write_bytes(content)
        rest = asyncio.ensure_future(to_the_end(events))
        with pytest.raises(JournalError, match=str(run.journal)):
            await asyncio.wait_for(rest, 20)


async def test_errors_are_those_of_the_synchronous_reads(tmp_path: Path) -> None:
    run = created(tmp_path, "echo x")
    with pytest.raises(UnknownRunError):
        await arun_status(run.journal, "no such run")
    with pytest.raises(UnknownRunError):
        await anext(afollow_events(run.journal, "no such run"))
    with pytest.raises(JournalError, match="is not open"):
        await AsyncJournal(run.journal).run(run.run_id)
    (tmp_path / "text.db").write_text("this is no database" * 100)
    with pytest.raises(JournalCorruptError):
        await arun_status(tmp_path / "text.db", run.run_id)
    with Journal(run.journal) as store:
        store.connection.execute("UPDATE runs SET state = 'odd'")
    with pytest.raises(JournalCorruptError, match=f"run {run.run_id}"):
        await arun_status(run.journal, run.run_id)
    with Journal(run.journal) as store:
        store.connection.execute("UPDATE events SET payload = '[1'")
    async with AsyncJournal(run.journal) as journal:
        with pytest.raises(JournalCorruptError, match="event 1"):
            await journal.events(run.run_id)


async def test_events_of_newer_versions_and_cleaned_runs_have_no_fact(tmp_path: Path) -> None:
    run = created(tmp_path, "echo x")
    with Journal(run.journal) as store:
        store.connection.execute("UPDATE events SET kind = 'of_a_newer_version' WHERE seq = 1")
        store.connection.execute("UPDATE events SET payload = NULL WHERE seq = 2")
    async with AsyncJournal(run.journal) as journal:
        first, second = await journal.events(run.run_id, limit=2)
    assert (first.kind, first.fact, second.fact) == ("of_a_newer_version", None, None)


@pytest.mark.parametrize("module", [status, follow])
async def test_a_run_that_ends_while_it_is_read_has_not_crashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType
) -> None:
    run = created(tmp_path, "echo x")
    with Journal(run.journal) as store, store.hold(run.run_id, holder=own_identity()) as lease:

        def ends_before_the_look(_row: RunRow) -> None:
            ended = RunEnded(state="succeeded", notices=[])
            store.append([entry_of(ended, run_id=run.run_id)], lease=lease)
            monkeypatch.undo()

        monkeypatch.setattr(module, "coordinator_pid", ends_before_the_look)
        if module is follow:
            found = await arun_status(run.journal, run.run_id)
        else:
            found = await asyncio.to_thread(run_status, run.journal, run.run_id)
    assert (found.state, found.pid) == ("succeeded", None)
