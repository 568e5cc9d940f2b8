"""A watcher of a run gets a closed set of small documented classes; the end of the run is one of them."""

import dataclasses
from pathlib import Path
from typing import get_args

import pytest

from aurora_spawner import CommandBackend, Run, RunEvent, RunOptions, SpawnTask
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import load_run
from aurora_spawner.tasks import run_events as module
from aurora_spawner.tasks.result import RunState
from aurora_spawner.tasks.run_events import BaseEvent, RunEnded, RunStarted, TaskEnded

EVENTS = get_args(RunEvent)
BACKENDS = {"sh": CommandBackend("sh", ("sh",))}


def make(folder: Path, *commands: str) -> Run:
    return Run.create(
        folder / "runs.db",
        [SpawnTask(each) for each in commands],
        BACKENDS,
        RunOptions(
            default_agent="sh",
            cwd=folder,
            spool=folder / "runs",
        ),
    )


def test_every_event_is_in_the_union() -> None:
    written = {each for each in vars(module).values() if isinstance(each, type) and issubclass(each, BaseEvent)} - {
        module.BaseEvent,
        module.TaskEvent,
    }
    assert set(EVENTS) == written


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_is_frozen_slotted_and_documented(event: type) -> None:
    assert event.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert "__dict__" not in dir(event)
    assert event.__doc__ is not None
    assert not event.__doc__.startswith(f"{event.__name__}(")  # what dataclasses write where there is none
    assert "message" in dir(event) or "message" in {field.name for field in dataclasses.fields(event)}


@pytest.mark.parametrize(("command", "state"), [("echo fine", RunState.SUCCEEDED), ("exit 3", RunState.FAILED)])
def test_the_last_event_is_the_end_of_the_run_and_the_journal_has_it_by_then(
    tmp_path: Path, command: str, state: RunState
) -> None:
    told: list[RunEvent] = []
    run = make(tmp_path, command)

    def watch(event: RunEvent) -> None:
        told.append(event)
        if isinstance(event, RunEnded):
            with Journal(run.journal) as journal:
                assert load_run(journal, run.run_id).state is event.state

    run.execute_sync(watch)
    assert [isinstance(event, RunEnded) for event in told] == [False] * (len(told) - 1) + [True]
    last = told[-1]
    assert isinstance(last, RunEnded)
    assert (last.state, last.run_id, last.done, last.total) == (state, run.run_id, 1, 1)


def test_a_resume_of_a_finished_run_tells_its_beginning_and_its_end(tmp_path: Path) -> None:
    run = make(tmp_path, "echo fine")
    run.execute_sync()
    told: list[RunEvent] = []
    Run.resume(run.journal, run.run_id, BACKENDS).execute_sync(told.append)
    assert [type(event) for event in told] == [RunStarted, RunEnded]


def test_an_event_about_a_task_names_the_task_and_its_agent(tmp_path: Path) -> None:
    told: list[RunEvent] = []
    make(tmp_path, "echo fine # the title").execute_sync(told.append)
    (ended,) = [event for event in told if isinstance(event, TaskEnded)]
    assert (ended.task_id, ended.title, ended.agent) == ("1", "echo fine # the title", "sh")
    assert ended.result.output == "fine\n"
    assert ended.at > 0
