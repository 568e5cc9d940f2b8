"""Changes of a run without a coordinator: all at once, and in nobody's way."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask
from aurora_spawner.attempts.process_identity import own_identity
from aurora_spawner.control.unattended import append_unattended
from aurora_spawner.errors import PostRefusedError
from aurora_spawner.journal.facts import Fact, RunPaused
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.views import load_run
from aurora_spawner.tasks.result import RunState

PAUSED: list[tuple[str | None, Fact]] = [(None, RunPaused(by="test"))]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    options = RunOptions(default_agent="echo", cwd=tmp_path, spool=tmp_path / "runs")
    echo = CommandBackend("echo", ("echo", "done"))
    return Run.create(tmp_path / "runs.db", [SpawnTask("say it", id="1")], {"echo": echo}, options)


@pytest.fixture
def store(run: Run) -> Iterator[Journal]:
    with Journal(run.journal) as opened:
        yield opened


def take(run: Run) -> bool:
    """Takes a run as a resume does."""
    with Journal(run.journal) as other, other.hold(run.run_id, holder=own_identity()):
        return load_run(other, run.run_id).paused


def test_a_resume_at_the_same_moment_is_not_refused(run: Run, store: Journal) -> None:
    resumed: list[Future[bool]] = []

    def facts_now() -> list[tuple[str | None, Fact]]:
        resumed.append(others.submit(take, run))
        wait(resumed, timeout=0.2)
        return PAUSED

    with ThreadPoolExecutor(1) as others:
        append_unattended(store, run.run_id, facts_now)
        assert resumed[0].result() is False, "it has taken the run, and what was paused goes on"


def test_the_run_keeps_its_state_unless_it_has_crashed(run: Run, store: Journal) -> None:
    append_unattended(store, run.run_id, lambda: PAUSED)
    assert load_run(store, run.run_id).state is RunState.INTERRUPTED
    assert run.execute_sync().ok
    append_unattended(store, run.run_id, lambda: PAUSED)
    assert load_run(store, run.run_id).state is RunState.SUCCEEDED
    assert verify(store).ok


def test_what_is_refused_leaves_no_trace(run: Run, store: Journal) -> None:
    def facts_now() -> list[tuple[str | None, Fact]]:
        raise PostRefusedError("too_many", "enough")

    before = store.last_event()
    with pytest.raises(PostRefusedError):
        append_unattended(store, run.run_id, facts_now)
    assert store.last_event() == before
