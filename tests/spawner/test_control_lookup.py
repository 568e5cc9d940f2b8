"""Functions of control take a journal's path: they find runs by name, and make no journal that is not there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest
from tests.exhaustive import few

from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask
from aurora_spawner.control.checkpoints import export_checkpoint
from aurora_spawner.control.follow import afollow_events, afollow_log, afollow_run, arun_status
from aurora_spawner.control.logs import read_logs
from aurora_spawner.control.lookup import attempts_of, check_unchanged, find_run, is_held, recovery_of, titles_of
from aurora_spawner.control.status import run_status, unfinished_statuses
from aurora_spawner.control.steering import cancel_run, pause_run, unpause_run
from aurora_spawner.errors import JournalError, UnknownRunError, UnknownTaskError


@pytest.fixture(autouse=True)
def _own_state(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture
def done(tmp_path: Path) -> Run:
    """A run of two tasks that has ended."""
    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("hello", id="1", title="Greet"), SpawnTask("world", id="2")],
        {"cat": CommandBackend("cat", ("cat",))},
        RunOptions(default_agent="cat", cwd=tmp_path, spool=tmp_path / "runs", state_dir=tmp_path / "state"),
    )
    run.execute_sync()
    return run


async def _all(followed: AsyncIterator[object]) -> list[object]:
    return [each async for each in followed]


ASKED: list[Callable[[Path, str], object]] = [
    find_run,
    titles_of,
    is_held,
    attempts_of,
    recovery_of,
    partial(check_unchanged, accept=False),
    run_status,
    pause_run,
    unpause_run,
    cancel_run,
    lambda journal, run_id: list(read_logs(journal, run_id)),
    lambda journal, run_id: export_checkpoint(journal, run_id, journal.parent),
    lambda journal, run_id: asyncio.run(arun_status(journal, run_id)),
    lambda journal, run_id: asyncio.run(_all(afollow_run(journal, run_id))),
    lambda journal, run_id: asyncio.run(_all(afollow_events(journal, run_id))),
    lambda journal, run_id: asyncio.run(_all(afollow_log(journal, run_id, "1"))),
]


@pytest.mark.parametrize("ask", ASKED)
def test_a_run_without_a_journal_is_unknown_and_none_is_made(
    tmp_path: Path, ask: Callable[[Path, str], object]
) -> None:
    with pytest.raises(UnknownRunError):
        ask(tmp_path / "runs.db", "spawn-1")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ask", few(ASKED, 5))
def test_a_run_that_the_journal_has_not_is_unknown(done: Run, ask: Callable[[Path, str], object]) -> None:
    with pytest.raises(UnknownRunError):
        ask(done.journal, "spawn-1")


def test_a_run_is_found_with_its_tasks_and_attempts(done: Run) -> None:
    run, tasks = find_run(done.journal, done.run_id)
    assert (run.run_id, [row.task_id for row in tasks]) == (done.run_id, ["1", "2"])
    assert titles_of(done.journal, done.run_id) == {"1": "Greet", "2": "world"}
    assert sorted(each.task_id for each in attempts_of(done.journal, done.run_id)) == ["1", "2"]
    assert not is_held(done.journal, done.run_id)
    assert unfinished_statuses(done.journal) == []
    assert unfinished_statuses(done.journal.with_name("none.db")) == []


def test_logs_of_a_run_stand_below_the_names_of_its_tasks(done: Run) -> None:
    pieces = list(read_logs(done.journal, done.run_id))
    assert pieces[0] == b"== 1 Greet\n"
    assert b"hello" in pieces[1]
    assert b"world" in b"".join(read_logs(done.journal, done.run_id, "2"))


def test_an_unknown_task_is_named_with_the_nearest(done: Run) -> None:
    with pytest.raises(UnknownTaskError, match="has no task '22'") as raised:
        list(read_logs(done.journal, done.run_id, "22"))
    assert raised.value.nearest == "2"


@pytest.mark.parametrize("ask", few(ASKED, 5))
def test_a_journal_that_is_gone_is_no_unknown_run(
    done: Run, monkeypatch: pytest.MonkeyPatch, ask: Callable[[Path, str], object]
) -> None:
    monkeypatch.setattr("aurora_spawner.control.audit.default_state_dir", lambda: done.options.state_dir)
    done.journal.unlink()
    with pytest.raises(JournalError, match="is gone"):
        ask(done.journal, done.run_id)
    assert not done.journal.exists()
