"""Conflicts are foreseen while agents run: told once, kept in the journal, and withdrawn when they are over."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any
from unittest.mock import create_autospec

import pytest
from tests.spawner.workspaces.checked_agent import make_run

from aurora_spawner import SpawnTask
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import load_events
from aurora_spawner.journal.work_facts import ConflictForeseen
from aurora_spawner.runs import conflict_watch
from aurora_spawner.tasks.run_events import RunEvent, TaskConflict, TaskEnded
from aurora_spawner.workspaces import forecast
from aurora_spawner.workspaces.errors import GitError
from aurora_spawner.workspaces.forecast import Forecast, Forecaster
from aurora_spawner.workspaces.git import Git, Output
from aurora_spawner.workspaces.worktrees import Workspaces

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.spawner.workspaces.repository import Repository

    from aurora_spawner.workspaces.worktrees import Worktree

BUSY = (sys.executable, "-S", "-c", "import time\nwhile time.process_time() < 0.06: pass")


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


@pytest.mark.parametrize(("every_s", "looks"), [(0.1, True), (None, False)])
def test_without_a_time_there_is_no_look(
    repository: Repository, place: Path, monkeypatch: pytest.MonkeyPatch, every_s: float | None, looks: bool
) -> None:
    looked: list[int] = []

    def look(_self: Forecaster, works: list[object]) -> list[Forecast]:
        looked.append(len(works))
        return []

    monkeypatch.setattr(Forecaster, "look", look)
    scripts = {"a.1": "echo a > app.py; sleep 3"}  # longer than the default time
    run = make_run(repository.path, place, [SpawnTask("Work", id="a")], scripts, forecast_every_s=every_s)
    assert run.execute_sync().ok
    assert bool(looked) == looks


def test_a_pair_that_cannot_be_compared_now_is_as_it_was(
    repository: Repository, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent changes files at the moment of a look; that withdraws nothing."""
    workspaces = Workspaces(repository.path, home=place, run_id="run-1")
    works = [workspaces.create(name, "HEAD") for name in "ab"]
    for each in works:
        (each.path / "app.py").write_text(each.task_id)
    forecaster = Forecaster(workspaces.git)
    foreseen = [Forecast(first="a", second="b", files=("app.py",))]
    assert forecaster.look(works) == foreseen

    def fails(_worktree: Worktree, _before: object) -> object:
        raise OSError(errno.ENOENT, "it was there a moment ago")

    with monkeypatch.context() as patch:
        patch.setattr(forecast, "_present", fails)
        assert forecaster.look(works) == foreseen
    assert forecaster.problems == tuple(f"{name}: [Errno 2] it was there a moment ago" for name in "ab")
    assert forecaster.look(works) == foreseen
    assert forecaster.problems == ()
    (works[0].path / "app.py").write_text(repository.shown("main", "app.py") + "\n")
    assert forecaster.look(works) == []


@pytest.mark.parametrize("question", ["status", "add", "write-tree", "merge-tree"])
def test_a_first_look_that_git_fails_is_made_again_and_then_told(
    repository: Repository, place: Path, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    """Nothing is known of the pair yet, and no conflict must not be taken for none."""
    workspaces = Workspaces(repository.path, home=place, run_id="run-1")
    works = [workspaces.create(name, "HEAD") for name in "ab"]
    for each in works:
        (each.path / "app.py").write_text(each.task_id)
    run, failures = Git.run, [1, 1]

    def unwilling(git: Git, *arguments: str, **more: Any) -> Output:
        if question in arguments and failures:
            failures.pop()
            raise GitError(git.folder, arguments, "no memory")
        return run(git, *arguments, **more)

    monkeypatch.setattr(Git, "run", unwilling)
    monkeypatch.setattr(forecast, "_AT_ONCE", 1)  # else either of the two may meet both failures
    forecaster = Forecaster(workspaces.git)
    assert forecaster.look(works) == []
    assert any("no memory" in problem for problem in forecaster.problems)
    failures[:] = [1]
    assert Forecaster(workspaces.git).look(works) == [Forecast(first="a", second="b", files=("app.py",))]


def test_a_copy_with_the_size_and_the_time_of_the_old_file_is_another_state(
    repository: Repository, place: Path
) -> None:
    workspaces = Workspaces(repository.path, home=place, run_id="run-1")
    works = [workspaces.create(name, "HEAD") for name in "ab"]
    for each in works:
        (each.path / "app.py").write_text("same")
    forecaster = Forecaster(workspaces.git)
    assert forecaster.look(works) == []
    old = works[0].path / "app.py"
    copy = old.with_name(".copy.log")  # ignored
    copy.write_text("else")
    shutil.copystat(old, copy)
    copy.replace(old)
    assert [each.files for each in forecaster.look(works)] == [("app.py",)]


@pytest.mark.parametrize(
    ("look", "least_s", "most_s"),
    [(lambda: time.sleep(0.3), 0.0, 0.1), (lambda: subprocess.run(BUSY, check=True), 0.05, 60.0)],
    ids=["waits", "works"],
)
def test_only_the_processor_time_of_a_look_makes_looks_rare(
    look: Callable[[], object], least_s: float, most_s: float
) -> None:
    """On a busy machine a look waits, and the next one must not come too late because of that."""
    forecaster = create_autospec(Forecaster, instance=True)
    forecaster.look.side_effect = lambda _works: look() and []
    assert least_s <= conflict_watch._timed_look(forecaster, [])[1] < most_s
