"""How runs of the past and of now are told."""

from dataclasses import replace
from pathlib import Path

import click
import pytest

from aurora_cli.render import runs
from aurora_spawner import SpawnResult, SpawnTask, TaskState
from aurora_spawner.attempts.process_identity import own_identity
from aurora_spawner.control.checkpoints import CleanReport, RunSummary
from aurora_spawner.control.status import RunningTask, RunStatus
from aurora_spawner.journal.views import RunRow, TaskRow
from aurora_spawner.tasks.result import RunState


def run_row(*, kind: str = "spawn", state: RunState = RunState.FAILED) -> RunRow:
    return RunRow(
        run_id=f"{kind}-1",
        kind=kind,
        state=state,
        paused=False,
        created_at=1_000_000_000.0,
        started_at=1_000_000_000.5,
        ended_at=None,
        cwd=Path("/shop"),
        spool=Path("/shop/.aurora/runs"),
        max_concurrent=4,
        default_agent="local",
        default_timeout_s=None,
        holder=None,
    )


def detail(run: RunRow, *tasks: TaskRow) -> runs.RunDetail:
    return runs.RunDetail(run=run, tasks=tasks, work=None, approvals=(), seen={}, sandboxes={})


def task_row(task: SpawnTask, result: SpawnResult | None) -> TaskRow:
    return TaskRow(
        task_id=str(task.id),
        position=0,
        state=result.state if result else TaskState.PENDING,
        task=task,
        added_by=None,
        attempts=1 if result else 0,
        started_at=None,
        ended_at=None,
        result=result,
        cancel_asked=False,
    )


def summary(run: RunRow, **counts: int) -> RunSummary:
    return RunSummary(run=run, counts={TaskState(state): number for state, number in counts.items()}, held=False)


def plain(lines: object) -> list[str]:
    return [click.unstyle(line) for line in lines]  # type: ignore[attr-defined]


def test_a_run_in_a_list_is_a_line_with_counts_in_a_fixed_order() -> None:
    (line,) = plain(runs.as_lines([summary(run_row(), pending=1, failed=2, succeeded=3)]))
    assert line == (
        "spawn-1  2001-09-09 01:46:40 UTC  failed  3 succeeded, 2 failed, 1 pending  "
        "run again what failed: aur resume spawn-1 --retry-failed"
    )


def test_a_run_that_failed_though_all_its_tasks_succeeded_names_the_command_that_says_why() -> None:
    (line,) = plain(runs.as_lines([summary(run_row(), succeeded=2)]))
    assert line == (
        "spawn-1  2001-09-09 01:46:40 UTC  failed  2 succeeded  "
        "resumable: aur resume spawn-1  why: aur runs show spawn-1"
    )


def test_a_run_that_nobody_drives_has_crashed_wherever_it_is_told() -> None:
    crashed = run_row(state=RunState.RUNNING)
    (line,) = plain(runs.as_lines([summary(crashed, running=1)]))
    assert line == "spawn-1  2001-09-09 01:46:40 UTC  crashed  1 running  resumable: aur resume spawn-1"
    (driven,) = plain(runs.as_lines([replace(summary(crashed, running=1), held=True)]))
    assert driven == "spawn-1  2001-09-09 01:46:40 UTC  running  1 running"
    rows = runs.as_document([summary(crashed)])["runs"]
    assert isinstance(rows, list)
    assert rows[0]["state"] == "crashed"
    assert plain(runs.as_detail(detail(crashed)))[0].endswith("crashed")
    assert plain(runs.as_detail(detail(replace(crashed, holder=own_identity()))))[0].endswith("running")
    assert runs.as_detail_document(detail(crashed))["state"] == "crashed"


@pytest.mark.parametrize(
    ("kind", "what"), [("subgoals", "(the parts of a question)"), ("model", "(one call of a model)")]
)
def test_the_runs_that_a_question_has_started_say_what_they_are(kind: str, what: str) -> None:
    (line,) = plain(runs.as_lines([summary(run_row(kind=kind, state=RunState.SUCCEEDED), succeeded=2)]))
    assert line.endswith(f"succeeded  2 succeeded  {what}")


def test_only_runs_of_task_files_can_be_resumed() -> None:
    (line,) = plain(runs.as_lines([summary(run_row(kind="soar"), failed=1)]))
    assert "resumed" not in line


def test_a_run_without_tasks_says_so() -> None:
    (line,) = plain(runs.as_lines([summary(run_row(state=RunState.SUCCEEDED))]))
    assert line.endswith("succeeded  no tasks")


def test_a_shown_run_has_a_line_a_task_and_its_reason_below() -> None:
    failed = SpawnResult(
        task_id="1", agent="wc", state=TaskState.FAILED, error="no\nluck", execution_time=2.5, started_at=1.0
    )
    rows = [task_row(SpawnTask("Count it", "wc", id="1"), failed), task_row(SpawnTask("Say it", id="2"), None)]
    assert plain(runs.as_detail(detail(run_row(), *rows))) == [
        "spawn-1  2001-09-09 01:46:40 UTC  failed",
        "in /shop, 4 concurrent",
        "  1  Count it  @wc  failed  2.5 s",
        "      no luck",
        "  2  Say it  @local  pending",
    ]


def test_a_task_without_a_result_is_null_for_programs() -> None:
    document = runs.as_detail_document(detail(run_row(), task_row(SpawnTask("Say it", id="2"), None)))
    tasks = document["tasks"]
    assert isinstance(tasks, list)
    assert (tasks[0]["state"], tasks[0]["output"], tasks[0]["execution_time_s"]) == ("pending", None, None)


STATUS = RunStatus(
    run_id="spawn-1",
    state="running",
    paused=False,
    pid=7,
    tasks={"running": 1},
    running=(RunningTask(task="2", agent="wc", attempt=1, since=1.0),),
)


def told(status: RunStatus = STATUS) -> list[str]:
    return plain(runs.status_lines(status, {"2": "Count it"}, now=61.0))


def test_a_status_tells_the_process_and_what_its_agents_do() -> None:
    assert told() == ["spawn-1  running  1 running  (process 7)", "  2  Count it  @wc  60 s"]


def test_a_later_attempt_is_told_and_one_that_has_not_begun_has_no_time() -> None:
    task = RunningTask(task="2", agent="wc", attempt=3, since=None)
    assert told(replace(STATUS, running=(task,)))[1] == "  2  Count it  @wc  attempt 3"


def test_an_attempt_whose_supervisor_is_gone_has_no_running_time() -> None:
    task = RunningTask(task="2", agent="wc", attempt=1, since=1.0, ended=True)
    assert told(replace(STATUS, running=(task,)))[1] == "  2  Count it  @wc  ended, not yet collected"


def test_a_provider_is_told_with_any_time_that_its_coordinator_gives() -> None:
    gate = {"provider": "p", "state": "paused", "until": 121.0, "reason": "429"}
    assert told(replace(STATUS, providers=(gate,)))[2] == "  provider p is paused until 00:02:01 UTC: 429"
    ages = {**gate, "until": 1e12}
    assert told(replace(STATUS, providers=(ages,)))[2].endswith("until a time outside the calendar: 429")


def test_a_paused_run_is_called_so_only_while_it_runs() -> None:
    assert "paused" in told(replace(STATUS, paused=True))[0]
    assert "crashed" in told(replace(STATUS, paused=True, state="crashed", pid=None))[0]


def test_a_clean_up_tells_what_it_kept_and_how_many_it_removed() -> None:
    report = CleanReport(
        removed=("spawn-1",),
        kept_running=("spawn-2",),
        left_alone=("spawn-3 is elsewhere",),
        kept_work={"spawn-4": "a: unmerged"},
    )
    assert runs.cleaned_document(report) == {
        "removed": ["spawn-1"],
        "kept_running": ["spawn-2"],
        "left_alone": ["spawn-3 is elsewhere"],
        "kept_work": {"spawn-4": "a: unmerged"},
    }
