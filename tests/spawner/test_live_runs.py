"""Look at the runs of a journal again and again: what changes is seen, and what does not is not read anew."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from tests.cli.waiting import wait_for
from tests.spawner.test_follow import GATE, created, started

from aurora_spawner import SpawnTask
from aurora_spawner.attempts.process_identity import own_identity
from aurora_spawner.control import live_runs
from aurora_spawner.control.live_runs import LiveRuns
from aurora_spawner.control.log_tail import LogTail
from aurora_spawner.errors import AttemptRecordError, JournalCorruptError, JournalError, UnknownRunError
from aurora_spawner.journal.change_views import ForeseenConflict
from aurora_spawner.journal.entries import entry_of
from aurora_spawner.journal.facts import TasksAdded
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import load_attempts
from aurora_spawner.journal.work_facts import ConflictForeseen
from aurora_spawner.runs.resume_state import stored_task
from aurora_spawner.testing import processes_of_run

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner import Run
    from aurora_spawner.journal.facts import Fact
    from aurora_spawner.journal.views import AttemptRow


def write(run: Run, task_id: str | None, *facts: Fact) -> None:
    with Journal(run.journal) as store, store.hold(run.run_id, holder=own_identity()) as lease:
        store.append([entry_of(fact, run_id=run.run_id, task_id=task_id) for fact in facts], lease=lease)


def test_a_run_of_another_process_is_seen_to_work_to_change_and_to_crash(tmp_path: Path) -> None:
    run = created(tmp_path, GATE, "echo later")
    with LiveRuns(run.journal) as runs:
        (before,) = runs.look()
        assert (before.status.state, before.status.pid) == ("created", None)
        assert not runs.has_changed()
        pid = started(run, tmp_path)
        assert runs.has_changed()
        tail = LogTail()
        wait_for(lambda: (piece := runs.tail(run.run_id, "1", tail)) is not None and b"begun" in piece.content)
        (at_work,) = runs.look()
        assert (at_work.status.state, at_work.status.pid) == ("running", pid)
        assert runs.last_lines(run.run_id, ["1", "2"])["1"] == "begun"
        os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)
        (crashed,) = runs.look()
        assert (crashed.status.state, crashed.status.pid) == ("crashed", None)
        (tmp_path / "open").touch()
        assert processes_of_run(run.run_id, within_s=20.0) == []  # the agent looks for a file that goes with the test


def test_only_tasks_that_have_changed_are_read_anew(tmp_path: Path) -> None:
    run = created(tmp_path, "echo one", "exit 3")
    with LiveRuns(run.journal) as runs:
        first = runs.detail(run.run_id)
        assert first is not None
        again = runs.detail(run.run_id)
        assert again is not None
        assert all(one is two for one, two in zip(first.tasks, again.tasks, strict=True))
        write(run, "1", ConflictForeseen(other="2", files=["a.py"]))
        foreseen = runs.detail(run.run_id)
        assert foreseen is not None
        assert foreseen.tasks[1] is first.tasks[1]
        assert foreseen.conflicts == (ForeseenConflict(first="1", second="2", files=("a.py",)),)
        write(run, "1", ConflictForeseen(other="2", files=[], over=True))
        over = runs.detail(run.run_id)
        assert over is not None
        assert over.conflicts == ()
        added = TasksAdded(first_position=2, tasks=[stored_task(SpawnTask("echo three", id="3"))])
        write(run, None, added)
        longer = runs.detail(run.run_id)
        assert longer is not None
        assert [row.task_id for row in longer.tasks] == ["1", "2", "3"]
        assert runs.detail("no such run") is None


def test_of_old_runs_those_that_have_not_ended_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_runs, "RECENT", 1)
    old, ended, new = (created(tmp_path, "echo done") for _ in range(3))
    ended.execute_sync()
    with LiveRuns(old.journal) as runs:
        assert [each.run.run_id for each in runs.look()] == [new.run_id, old.run_id]
        with Journal(old.journal) as store:
            store.connection.execute("DELETE FROM runs WHERE run_id = ?", (old.run_id,))
        assert [each.run.run_id for each in runs.look()] == [new.run_id]
    with LiveRuns(old.journal, also=ended.run_id) as runs:
        assert ended.run_id in [each.run.run_id for each in runs.look()]
        assert runs.look()[-1].status.tasks == {"succeeded": 1}
    with LiveRuns(old.journal, also="spawn-0") as runs, pytest.raises(UnknownRunError, match="spawn-0"):
        runs.look()


def test_a_journal_may_come_go_and_be_replaced(tmp_path: Path) -> None:
    place = tmp_path / "runs.db"
    with LiveRuns(place) as runs:
        assert runs.look() == ()
        assert not runs.has_changed()
        assert not place.exists()
        run = created(tmp_path, "echo one")
        assert runs.has_changed()
        assert [each.run.run_id for each in runs.look()] == [run.run_id]
        assert runs.detail(run.run_id) is not None
        (tmp_path / "other").mkdir()
        other = created(tmp_path / "other", "echo other")
        for each in tmp_path.glob("runs.db*"):
            each.unlink()
        assert runs.is_missing
        assert [each.run.run_id for each in runs.look()] == [run.run_id]
        for each in (tmp_path / "other").glob("runs.db*"):
            shutil.move(each, tmp_path / each.name)
        assert runs.has_changed()
        assert [each.run.run_id for each in runs.look()] == [other.run_id]
        assert runs.detail(run.run_id) is None
    with LiveRuns(place) as runs:
        runs.look()
        assert not runs.is_missing


def test_a_journal_that_is_none_is_a_typed_error_and_can_be_mended_meanwhile(tmp_path: Path) -> None:
    place = tmp_path / "runs.db"
    place.write_bytes(b"this is no database, " * 100)
    with LiveRuns(place) as runs:
        for look in (runs.look, runs.has_changed, lambda: runs.detail("spawn-1")):
            with pytest.raises(JournalError, match=r"runs\.db"):
                look()
        place.unlink()
        run = created(tmp_path, "echo one")
        assert [each.run.run_id for each in runs.look()] == [run.run_id]
    with Journal(place) as store:
        store.connection.execute("UPDATE tasks SET state = 'asleep'")
    with LiveRuns(place) as runs, pytest.raises(JournalCorruptError, match="asleep"):
        runs.look()


def attempt_of(tmp_path: Path, prompt: str) -> AttemptRow:
    run = created(tmp_path, prompt)
    run.execute_sync()
    with Journal(run.journal) as store:
        return load_attempts(store, run.run_id)[0]


def test_a_flood_is_read_from_near_its_end_and_from_the_start_of_a_line(tmp_path: Path) -> None:
    attempt = attempt_of(tmp_path, "seq 100000")
    tail = LogTail(limit_bytes=100)
    piece = tail.read(attempt)
    assert (piece.anew, piece.cut) == (True, True)
    assert piece.content.splitlines()[-1] == b"100000"
    assert all(line.isdigit() and len(line) >= 5 for line in piece.content.splitlines())
    assert tail.read(attempt).content == b""
    with (attempt.folder / "stdout").open("ab") as file:
        file.write(b"more\n")
    grown = tail.read(attempt)
    assert (grown.content, grown.anew, grown.cut) == (b"more\n", False, False)
    with (attempt.folder / "stdout").open("ab") as file:
        file.write(b"x" * 500 + b"\nend\n")
    jumped = tail.read(attempt)
    assert (jumped.content, jumped.anew, jumped.cut) == (b"end\n", True, True)


def test_output_that_is_gone_is_empty_and_what_is_no_file_is_an_error(tmp_path: Path) -> None:
    attempt = attempt_of(tmp_path, "echo one")
    (attempt.folder / "stdout").unlink()
    assert LogTail().read(attempt).content == b""
    (attempt.folder / "stdout").mkdir()
    with pytest.raises(AttemptRecordError, match="stdout"):
        LogTail().read(attempt)
