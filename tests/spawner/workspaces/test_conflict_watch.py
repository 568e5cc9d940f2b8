"""Conflicts are foreseen while agents run: told once, kept in the journal, and withdrawn when they are over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.spawner.workspaces.checked_agent import make_run

from aurora_spawner import SpawnTask
from aurora_spawner.journal.facts import ConflictForeseen
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import load_events
from aurora_spawner.tasks.run_events import RunEvent, TaskConflict, TaskEnded

if TYPE_CHECKING:
    from pathlib import Path

    from tests.spawner.workspaces.repository import Repository


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The folder of the journal, outputs and worktrees: outside the repository."""
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


def test_a_conflict_is_told_while_both_run_and_withdrawn(repository: Repository, place: Path) -> None:
    events: list[RunEvent] = []

    def follow(event: RunEvent) -> None:
        events.append(event)
        if isinstance(event, TaskConflict):
            (place / ("over" if event.over else "foreseen")).touch()

    waits = "until test -e {place}/{what}; do sleep 0.05; done; "
    scripts = {
        "a.1": "echo a > app.py; "
        + waits.format(place=place, what="foreseen")
        + "git checkout -q -- app.py; echo a > a.txt; "
        + waits.format(place=place, what="over"),
        "b.1": "echo b > app.py; git commit -qam b; " + waits.format(place=place, what="over"),
        "c.1": "echo c > c.txt; " + waits.format(place=place, what="over"),
    }
    run = make_run(
        repository.path, place, [SpawnTask("Work", id=name) for name in "abc"], scripts, forecast_every_s=0.1
    )
    assert run.execute_sync(follow).ok
    told = [event for event in events if isinstance(event, TaskConflict)]
    assert [(each.task_id, each.other, each.files, each.over) for each in told] == [
        ("b", "a", ("app.py",), False),
        ("b", "a", (), True),
    ]
    assert told[0].message == "will conflict with task a in app.py, as both stand now"
    first_end = next(at for at, event in enumerate(events) if isinstance(event, TaskEnded))
    assert events.index(told[1]) < first_end
    with Journal(place / "runs.db") as journal:
        facts = [each.fact for each in load_events(journal, run.run_id) if isinstance(each.fact, ConflictForeseen)]
    assert [(each.other, each.files, each.over) for each in facts] == [("a", ["app.py"], False), ("a", [], True)]


def test_a_conflict_with_work_that_has_ended_is_told(repository: Repository, place: Path) -> None:
    events: list[RunEvent] = []

    def follow(event: RunEvent) -> None:
        events.append(event)
        if isinstance(event, (TaskEnded, TaskConflict)):
            (place / type(event).__name__).touch()

    scripts = {
        "a.1": "echo a > app.py",
        "b.1": f"until test -e {place}/TaskEnded; do sleep 0.05; done; echo b > app.py; "
        f"until test -e {place}/TaskConflict; do sleep 0.05; done",
    }
    run = make_run(
        repository.path, place, [SpawnTask("Work", id=name) for name in "ab"], scripts, forecast_every_s=0.1
    )
    report = run.execute_sync(follow)
    assert report.merge is not None
    assert [each.task_id for each in report.merge.unmerged] == ["b"]
    assert [(each.task_id, each.other) for each in events if isinstance(each, TaskConflict)] == [("b", "a")]


def test_no_look_is_no_look(repository: Repository, place: Path) -> None:
    events: list[RunEvent] = []
    scripts = {"a.1": "echo a > app.py; sleep 0.5", "b.1": "echo b > app.py; sleep 0.5"}
    run = make_run(
        repository.path, place, [SpawnTask("Work", id=name) for name in "ab"], scripts, forecast_every_s=None
    )
    run.execute_sync(events.append)
    assert not [each for each in events if isinstance(each, TaskConflict)]
