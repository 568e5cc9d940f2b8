"""Whose a journal is: whoever has begun it in this place, whenever their process is killed."""

from pathlib import Path

import pytest

from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask
from aurora_spawner.errors import ForeignJournalError
from aurora_spawner.journal.anchor import read_anchor
from aurora_spawner.journal.store import Journal
from aurora_spawner.runs import run_record

ECHO = {"echo": CommandBackend("echo", ("echo", "done"))}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The user's own folder."""
    return tmp_path / "state"


def create(folder: Path, state_dir: Path | None) -> Run:
    options = RunOptions(default_agent="echo", cwd=folder, spool=folder / "runs", state_dir=state_dir)
    return Run.create(folder / "runs.db", [SpawnTask("say it", id="1")], ECHO, options)


def resume(run: Run, state_dir: Path) -> Run:
    return Run.resume(run.journal, run.run_id, ECHO, state_dir=state_dir)


def interrupt(*_: object, **_named: object) -> None:
    raise KeyboardInterrupt


def test_a_journal_whose_writer_was_interrupted_at_once_is_the_users_own(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(run_record, "write_anchor", interrupt)
        with pytest.raises(KeyboardInterrupt):
            create(tmp_path, state)
    journal = tmp_path / "runs.db"
    with Journal(journal) as store:
        (run_id,) = store.connection.execute("SELECT run_id FROM runs").fetchone()
    assert Run.resume(journal, run_id, ECHO, state_dir=state).execute_sync().ok
    anchor = read_anchor(state, journal)
    assert anchor is not None
    assert anchor.before is None
    assert [each.suffix for each in (state / "anchors").iterdir()] == [".json"]


def test_a_journal_of_somebody_else_is_not(tmp_path: Path, state: Path) -> None:
    run = create(tmp_path, None)
    with pytest.raises(ForeignJournalError):
        resume(run, state)


def test_two_that_begin_a_journal_at_once_have_lost_none(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_run = Journal.create_run

    def after_another(self: Journal, *given: object, **named: object) -> str:
        monkeypatch.setattr(Journal, "create_run", create_run)
        create(tmp_path, state)
        return create_run(self, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Journal, "create_run", after_another)
    run = create(tmp_path, state)
    anchor = read_anchor(state, run.journal)
    assert anchor is not None
    assert anchor.before is None
    assert resume(run, state).run_id == run.run_id
