"""A run is shown as lines off a terminal and as a live table on one; both follow the same events."""

from __future__ import annotations

import asyncio
import io
from typing import ClassVar

import pytest
from rich.console import Console
from rich.live import Live

from aurora_cli.render import live_run as live
from aurora_cli.render.board import Board, line_of
from aurora_cli.render.live_run import MAX_ROWS, LiveRun
from aurora_cli.render.run import PlainRun, WaitsForPerson, as_document, summary
from aurora_cli.user_prompts import turn_at_terminal
from aurora_spawner import RunEvent, RunReport, SpawnResult, TaskState
from aurora_spawner.tasks.approvals import ApprovalQuestion
from aurora_spawner.tasks.result import RunState
from aurora_spawner.tasks.run_events import (
    ApprovalAsked,
    ApprovalSettled,
    RunEnded,
    RunEnding,
    RunPaused,
    RunStarted,
    RunUnpaused,
    TaskEnded,
    TaskStarted,
)


def started(task_id: str, *, title: str = "Read", agent: str = "local", total: int = 3) -> RunEvent:
    return TaskStarted(at=100.0, task_id=task_id, title=title, agent=agent, total=total)


def ended(task_id: str, state: TaskState = TaskState.SUCCEEDED, *, error: str | None = None) -> RunEvent:
    result = SpawnResult(
        task_id=task_id,
        agent="local",
        state=state,
        error=error,
        execution_time=0.12,
        started_at=100.0,
        ended_at=100.12,
    )
    return of_result(result)


def of_result(result: SpawnResult, *, title: str = "Read") -> RunEvent:
    return TaskEnded(at=101.0, task_id=result.task_id, title=title, result=result, total=3)


def line(event: RunEvent) -> str | None:
    board = Board()
    board.update(event)
    return line_of(event, board)


def report(*results: SpawnResult, interrupted: bool = False) -> RunReport:
    return RunReport(
        run_id="spawn-1",
        results={result.task_id: result for result in results},
        duration_s=1.25,
        interrupted=interrupted,
    )


def test_the_time_in_which_a_person_is_waited_for_is_told() -> None:
    question = ApprovalQuestion(task_id="1", gate="after", subject="x", rule="r", reason="why")
    waits = WaitsForPerson()
    for event in (
        RunStarted(at=100.0),
        ApprovalAsked(at=103.0, task_id="1", approval="a", question=question, limit_s=None),
        ApprovalAsked(at=104.0, task_id="2", approval="b", question=question, limit_s=None),
        ApprovalSettled(at=105.0, task_id="1", approval="a"),
        ApprovalSettled(at=109.5, task_id="2", approval="b"),
        RunEnded(at=112.0, state=RunState.SUCCEEDED),
    ):
        waits(event)
    done = report(SpawnResult(task_id="1", agent="local", state=TaskState.SUCCEEDED))
    assert waits.seconds == 6.5
    assert summary(done, waited_s=1.2).endswith("succeeded in 1.2 s, of which 1.2 s waiting for you")
    assert summary(done, waited_s=0.4).endswith("succeeded in 1.2 s")


def test_the_board_knows_who_runs_and_how_many_ended_how() -> None:
    board = Board()
    for event in (started("1"), started("2"), ended("1"), ended("3", TaskState.SKIPPED)):
        board.update(event)
    assert list(board.running) == ["2"]
    assert (board.done, board.total) == (2, 3)


def test_a_resumed_run_counts_on_from_what_was_done() -> None:
    board = Board()
    board.update(RunStarted(done=7, total=9))
    board.update(ended("8"))
    assert (board.done, board.total) == (8, 9)


def test_off_a_terminal_each_end_is_a_line_with_its_place_in_the_run() -> None:
    lines: list[str] = []
    view = PlainRun(write=lines.append)
    for event in (started("1.1"), ended("1.1"), ended("1.2", TaskState.FAILED, error="it broke\nbadly")):
        view(event)
    assert lines == [
        "[1/3] 1.1 Read: succeeded (0.1 s), unverified",
        "[2/3] 1.2 Read: failed (0.1 s): it broke badly",
    ]


def test_what_happens_to_the_run_as_a_whole_is_told() -> None:
    lines: list[str] = []
    PlainRun(write=lines.append)(RunEnding(why="interrupted"))
    assert lines == ["interrupted"]


def test_a_task_that_never_started_has_no_time() -> None:
    assert (
        line(of_result(SpawnResult(task_id="2", agent="local", state=TaskState.SKIPPED))) == "[1/3] 2 Read: skipped"
    )


def test_words_of_agents_and_titles_cannot_steer_the_terminal() -> None:
    result = SpawnResult(task_id="2", agent="local", state=TaskState.FAILED, error="\x1b[2Jgone")
    assert "\x1b" not in (line(of_result(result, title="\x1b]0;title\x07")) or "")


def test_a_routine_start_is_no_line_but_an_adopted_one_is() -> None:
    assert line(started("1")) is None
    adopted = TaskStarted(task_id="1", title="Read", adopted=True)
    assert line(adopted) == "1 Read: adopted"


@pytest.mark.parametrize(
    ("gate", "limit_s", "said"),
    [
        (
            "merge",
            3600.0,
            "waits for your answer, and is denied after 1 h (aur approve k7, or aur deny k7): brings it: x",
        ),
        ("live", None, "waits for your answer (aur approve k7, or aur deny k7): brings it: x"),
        ("agent", 60.0, 'waits for your answer (aur answer k7 "…"): brings it: x'),
    ],
)
def test_a_question_is_told_with_the_commands_that_answer_it(gate: str, limit_s: float | None, said: str) -> None:
    question = ApprovalQuestion(task_id="1", gate=gate, subject="x" + "y" * 500, rule="r", reason="brings it")
    event = ApprovalAsked(at=1.0, task_id="1", title="Read", approval="k7", question=question, limit_s=limit_s)
    line = line_of(event, Board())
    assert line is not None
    assert line.startswith(f"1 Read: {said}")
    assert len(line) < 400


def test_a_pause_is_told() -> None:
    assert (line(RunPaused()) or "").startswith("paused")
    assert line(RunEnded(state=RunState.SUCCEEDED)) is None


def drawn(events: list[RunEvent], *, now: float = 103.0) -> tuple[str, str]:
    """Return what was printed above the table, and the table."""
    above, table = io.StringIO(), io.StringIO()
    run = LiveRun(Console(file=above, width=100), clock=lambda: now)
    for event in events:
        run.follow(event)
    Console(file=table, width=100).print(run.render())
    return above.getvalue(), table.getvalue()


def test_the_table_shows_running_tasks_and_ended_ones_scroll_above_it() -> None:
    above, table = drawn([started("1"), started("2", title="Write [b]x[/b]"), ended("1")])
    assert above == "[1/3] 1 Read: succeeded (0.1 s), unverified\n"
    assert "Write [b]x[/b]" in table
    assert "3 s" in table
    assert "1/3" in table
    assert "1 running" in table


def test_the_table_stays_short_with_many_running_tasks() -> None:
    _, table = drawn([started(str(number)) for number in range(MAX_ROWS + 5)])
    assert "and 5 more" in table
    assert len(table.splitlines()) == MAX_ROWS + 2


@pytest.mark.parametrize("event", [RunPaused(), RunEnding(why="cancelled")])
def test_the_table_tells_what_happens_to_the_run(event: RunEvent) -> None:
    above, _ = drawn([event])
    assert above == f"{event.message}\n"


def test_the_summary_counts_only_what_there_is() -> None:
    done = SpawnResult(task_id="1", agent="local", state=TaskState.SUCCEEDED)
    lost = SpawnResult(task_id="2", agent="local", state=TaskState.FAILED)
    assert summary(report(done, lost)) == "spawn-1: 1 of 2 succeeded, 1 failed in 1.2 s"
    assert summary(report()) == "spawn-1: nothing to do"


def test_the_document_has_every_task_in_order_and_stable_keys() -> None:
    done = SpawnResult(task_id="1", agent="local", state=TaskState.SUCCEEDED, output="yes", exit_code=0)
    lost = SpawnResult(task_id="2", agent="local", state=TaskState.CANCELLED, termination_reason="interrupted")
    document = as_document(report(done, lost, interrupted=True), {"1": "Read"})
    assert document["ok"] is False
    assert document["interrupted"] is True
    assert document["counts"] == {"succeeded": 1, "failed": 0, "skipped": 0, "cancelled": 1}
    tasks = document["tasks"]
    assert isinstance(tasks, list)
    assert [(task["id"], task["title"], task["state"]) for task in tasks] == [
        ("1", "Read", "succeeded"),
        ("2", "", "cancelled"),
    ]
    assert set(tasks[0]) == {
        "id", "title", "agent", "state", "output", "output_path", "error", "exit_code", "termination_reason",
        "retry_count", "fallback", "original_agent", "execution_time_s", "model", "usage", "session_id", "resumed",
        "started_at", "ended_at", "work", "checked", "review", "verification", "document", "choice",
    }  # fmt: skip


def test_the_table_is_away_while_a_question_has_the_terminal_or_the_run_is_paused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Shown(Live):
        on: ClassVar[list[Live]] = []

        def start(self, refresh: bool = False) -> None:
            self.on[:] = [self]

        def stop(self) -> None:
            self.on.clear()

    monkeypatch.setattr(live, "Live", Shown)
    question = ApprovalQuestion(task_id="1", gate="after", subject="a.py", rule="r", reason="changes it")
    asked = ApprovalAsked(task_id="1", approval="x", question=question, limit_s=None)

    async def look() -> None:
        with live.live_run() as follow:
            follow(asked)
            assert Shown.on, "nobody shows the question yet"
            async with turn_at_terminal():
                assert not Shown.on
                follow(ApprovalSettled(task_id="1", approval="x"))
                assert not Shown.on, "the question is still on the terminal"
            assert Shown.on, "also if the question was left open"
            follow(RunPaused())
            async with turn_at_terminal():
                follow(RunUnpaused())
                assert not Shown.on
                follow(RunPaused())
            assert not Shown.on
            follow(RunUnpaused())
            assert Shown.on
        assert not Shown.on

    asyncio.run(look())
