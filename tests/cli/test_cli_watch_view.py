"""The rows of the live view: what each task does or waits for, and what needs the user."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.test_cli_runs_view import run_row
from tests.cli.watched import NOW, asking, facts_of, live, month, question, task, works_on

from aurora_cli.watch.columns import cut, fitted, widths_of
from aurora_cli.watch.facts import Facts, Spending
from aurora_cli.watch.log_lines import KEPT_LINES, LONGEST_LINE, LogLines
from aurora_cli.watch.pace import next_pause_s
from aurora_cli.watch.task_rows import Filter, TaskRows
from aurora_cli.watch.view import Tone, alert_rows, budget_line, question_of, run_rows, top_line
from aurora_spawner import SpawnResult, TaskState
from aurora_spawner.journal.change_views import ForeseenConflict
from aurora_spawner.journal.views import StoredOptions
from aurora_spawner.tasks.checked import CheckingWork
from aurora_spawner.tasks.result import RunState
from aurora_spawner.tasks.work import BranchName, CommitId, RunDelivery
from aurora_spawner.workspaces.isolation import Isolation

if TYPE_CHECKING:
    from aurora_spawner.control.live_runs import LiveRun
    from aurora_spawner.journal.views import TaskRow

SECRET = "sk-abcdefghijklmnopqrstuvwxyz123456"
RUNNING = TaskState.RUNNING


def result(task_id: str, state: TaskState, *, error: str | None = None) -> SpawnResult:
    return SpawnResult(
        task_id=task_id,
        state=state,
        agent="codex",
        output="",
        error=error,
        exit_code=0,
        started_at=NOW - 20,
        execution_time=12.3,
    )


def now_of(run: LiveRun, row: TaskRow, *others: TaskRow, **more: object) -> str:
    return TaskRows(replace(facts_of(run, row, *others), **more))[0].cells[-1]  # type: ignore[arg-type]


def test_a_task_says_what_it_does_now() -> None:
    row = task("1", state=RUNNING, attempts=1)
    run = live(running=[works_on("1")])
    assert now_of(run, row) == "34 s"
    assert now_of(run, row, last_lines={"1": "> Edit: a.py"}) == "34 s · > Edit: a.py"
    assert now_of(live(running=[works_on("1", attempt=2)]), row).startswith("attempt 2 · 34 s")
    assert now_of(live(running=[works_on("1", ended=True)]), row) == "ended, not yet collected"
    quiet = replace(run, status=replace(run.status, waiting_for={"1": "waiting for the model 130 s"}))
    assert now_of(quiet, row, last_lines={"1": "old"}) == "34 s · waiting for the model 130 s"
    assert now_of(run, replace(row, checking=CheckingWork(number=1, commit="a" * 40))) == "its checks run"
    assert now_of(run, replace(row, cancel_asked=True)) == "is being cancelled"
    assert now_of(live(), row) == "waits for its next attempt"
    assert now_of(live(), replace(row, attempts=0)) == "its worktree is made ready"
    assert now_of(asking(run, question()), row) == "asks you: rm -rf lib"


def test_a_task_says_what_it_waits_for() -> None:
    done = task("1", state=TaskState.SUCCEEDED)
    assert now_of(live(), task("9", "do it", "1", "2"), done, task("2")) == "waits for 2"
    many = [task(str(each)) for each in range(1, 6)]
    assert now_of(live(), task("9", "do it", "1", "2", "3", "4", "5"), *many) == "waits for 1, 2, 3 and 2 more"
    assert now_of(live(), task("9")) == "waits for a slot"
    assert now_of(live(pid=None, state="crashed"), task("9")) == "waits for a resume of the run"
    assert now_of(live(), task("9", attempts=1)) == "waits for attempt 2"
    paused = live()
    paused = replace(paused, status=replace(paused.status, paused=True))
    assert now_of(paused, task("9")) == "the run is paused"
    holder = task("1", state=RUNNING, attempts=1, files=("app.py",))
    assert now_of(live(), task("9", files=("app.py",)), holder) == "waits for 1, which has claimed app.py"


def test_a_task_says_what_came_of_it() -> None:
    good = task("1", state=TaskState.SUCCEEDED, result=result("1", TaskState.SUCCEEDED))
    assert now_of(live(), good) == "12.3 s · unverified"
    bad = task("1", state=TaskState.FAILED, result=result("1", TaskState.FAILED, error=f"no\nluck {SECRET}"))
    assert now_of(live(), bad).startswith("failed · 12.3 s · no luck sk-***")
    assert TaskRows(facts_of(live(), bad))[0].tone is Tone.BAD


def test_secrets_are_masked_and_controls_are_escaped_wherever_they_come_from() -> None:
    row = task("1", "title\x1b[31m\u202e", state=RUNNING, attempts=1)
    run = asking(
        live(),
        question("\x1b]0;x\x07", approval="aaaaaa", subject=f"curl -H 'Authorization: Bearer {SECRET}' \x1b[2J"),
    )
    facts = replace(facts_of(run, row), last_lines={row.task_id: f"{SECRET}\x1b[2J"})
    shown = [*TaskRows(facts), *alert_rows(facts), *run_rows(facts)]
    text = "".join(cell for each in shown for cell in each.cells)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert SECRET not in text
    lines = LogLines()
    lines.add(f"token={SECRET}\x1b[2J\n\x9b31mred".encode())
    shown_log = "\n".join(lines.wrapped(80, 10))
    assert SECRET not in shown_log
    assert "\x1b" not in shown_log
    assert "\x9b" not in shown_log


def test_the_graph_is_indentation_and_a_damaged_one_is_no_error() -> None:
    rows = TaskRows(facts_of(live(), task("1"), task("2", "b", "1"), task("3", "c", "2"), task("4", "d", "gone")))
    assert [row.cells[1] for row in rows] == ["1 do it", "  2 b", "    3 c", "4 d"]
    circle = TaskRows(facts_of(live(), task("1", "a", "2"), task("2", "b", "1")))
    assert len([*circle]) == 2


def test_filters_leave_what_they_name() -> None:
    rows = [
        task("1", state=TaskState.SUCCEEDED),
        task("2", state=RUNNING),
        task("3"),
        task("4", state=TaskState.FAILED),
        task("5"),
    ]
    facts = facts_of(asking(live(), question("5")), *rows)
    listed = {each: [row.key for row in TaskRows(facts, each)] for each in Filter}
    assert listed == {Filter.ALL: ["1", "2", "3", "4", "5"], Filter.ACTIVE: ["2", "5"], Filter.FAILED: ["4"]}
    assert TaskRows(facts).first_active() == 1
    assert Filter.FAILED.following is Filter.ALL
    assert [row.key for row in TaskRows(facts)[1:3]] == ["2", "3"]


@pytest.mark.parametrize(
    ("state", "kind", "said"),
    [
        (
            "crashed",
            "spawn",
            "its process has died; resume it with: aur resume spawn-1",
        ),
        ("crashed", "soar", "its process has died; resume it with: aur resume soar-1"),
        ("interrupted", "spawn", "it was interrupted; resume it with: aur resume spawn-1"),
        ("failed", "spawn", "try the rest again with: aur resume spawn-1 --retry-failed"),
    ],
)
def test_a_run_that_does_not_go_on_says_how_it_can(state: str, kind: str, said: str) -> None:
    run = live(run=run_row(kind=kind, state=RunState.RUNNING), state=state, pid=None)
    assert [row.cells for row in alert_rows(facts_of(run))] == [(said,)]


@pytest.mark.parametrize(("head", "said"), [("b" * 40, ""), ("c" * 40, "; unmerged work")])
def test_work_waits_for_a_merge_only_if_there_is_some(head: str, said: str) -> None:
    base = CommitId("b" * 40)
    isolation = Isolation(repository=Path("/r"), folder=".", home=Path("/w"), base=base, head=base, target="main")
    delivery = RunDelivery(branch=BranchName("aurora/spawn-1/integration"), commit=CommitId(head), target="main")
    row = replace(run_row(state=RunState.SUCCEEDED), options=StoredOptions(isolation=isolation), delivery=delivery)
    shown = run_rows(facts_of(live(run=row, state="succeeded", pid=None)))[0].cells[2]
    assert shown == f"1 pending{said}"


def test_questions_come_first_and_are_found_by_their_row() -> None:
    asked = question(approval="aaaaaa")
    other = replace(question(approval="bbbbbb"), run_id="spawn-2", task_id="")
    second = asking(replace(live(), run=replace(run_row(), run_id="spawn-2")), other)
    first = asking(live(), asked)
    facts = replace(facts_of(first), runs=(second, first), problems=("the disk is full",))
    rows = alert_rows(facts)
    assert [row.cells[0] for row in rows] == [
        "? 1 asks since 2 min: it deletes files: rm -rf lib",
        "? spawn-2/the run asks since 2 min: it deletes files: rm -rf lib",
        "the disk is full",
    ]
    assert question_of(rows[1].key, facts) is other
    assert question_of(rows[2].key, facts) is None
    assert question_of("ask:cccccc", facts) is None
    assert top_line(facts, "shop") == "shop · 2 runs, 0 agents at work · 2 questions"


def test_what_stands_in_the_way_of_a_run_is_told() -> None:
    run = live()
    provider = {"provider": "anthropic", "state": "paused", "until": NOW + 60, "reason": "rate limit", "window": None}
    agent = {"agent": "codex", "health": "unavailable", "reasons": ["its circuit is open"]}
    run = replace(run, status=replace(run.status, providers=(provider,), health=(agent,), paused=True))
    facts = facts_of(run)
    assert facts.detail is not None
    pair = ForeseenConflict(first="1", second="2", files=("a", "b", "c", "d"))
    facts = replace(
        facts,
        detail=replace(facts.detail, conflicts=(pair,)),
        work=("work: not merged yet; merge it with: aur merge spawn-1",),
        spending=Spending(month=month(41.0)),
    )
    said = [row.cells[0] for row in alert_rows(facts)]
    assert said[0] == "it is paused: no further task starts until it is resumed"
    assert said[1].startswith("provider anthropic is paused until ")
    assert said[2:] == [
        "@codex is unavailable: its circuit is open",
        "the work of 1 and 2 will conflict in a, b, c and 1 more",
        "work: not merged yet; merge it with: aur merge spawn-1",
        "82 % of this month's budget are spent",
    ]
    assert [row.cells[1] for row in run_rows(facts)] == ["paused"]


def test_money_is_told() -> None:
    assert budget_line(Spending(month=month(1.2))) == "$1.20 of $50.00 (2 %) this month"
    assert budget_line(Spending(problem="locked")) == "cost unknown"
    spent = replace(facts_of(live()), spending=Spending(month=month(50.0), by_run={"spawn-1": 1.5}))
    assert "is spent" in alert_rows(spent)[0].cells[0]
    assert run_rows(spent)[0].cells[-1] == "$1.50"
    limited = live(run=replace(run_row(), options=StoredOptions(limit_usd=5.0)))
    assert run_rows(facts_of(limited))[0].cells[-1] == "$0.00 of $5.00"
    unknown = replace(spent, spending=Spending(problem="locked"))
    assert alert_rows(unknown)[0].cells == ("what agents cost is not known: locked",)


def test_nothing_at_all_is_no_error() -> None:
    nothing = Facts(at=NOW)
    assert (run_rows(nothing), alert_rows(nothing), len(TaskRows(nothing))) == ((), (), 0)
    assert top_line(nothing, "shop") == "shop · 0 runs, 0 agents at work"
    assert TaskRows(nothing).first_active() == 0


def test_columns_fill_the_width_whatever_stands_in_them() -> None:
    rows = [
        ("●", "a long name that does not fit", "@claude", "x" * 90),
        ("✓", "日本語のタイトルです", "@codex", "done"),
    ]
    widths = widths_of(rows, 60, (0, 4, 0, 5))
    assert sum(widths) + 3 <= 60
    assert [fitted(row, widths) for row in rows] == [
        "● a long name that doe… @claude xxxxxxxxxxxxxxxxxxxxxxxxxx…",
        "✓ 日本語のタイトルです  @codex  done                       ",
    ]
    assert widths_of([], 10, (0, 1)) == [0, 9]
    assert cut("abc", 0) == ""


def test_a_log_keeps_its_last_lines_and_breaks_long_ones() -> None:
    lines = LogLines()
    lines.add(b"".join(b"%d\n" % each for each in range(KEPT_LINES + 5)))
    assert lines.wrapped(80, 2) == [str(KEPT_LINES + 3), str(KEPT_LINES + 4)]
    assert len(lines.wrapped(80, 10 * KEPT_LINES)) == KEPT_LINES
    lines.add("ä".encode()[:1])
    lines.add("ä".encode()[1:] + b"bcdefgh")
    assert lines.wrapped(4, 2) == ["äbcd", "efgh"]
    lines.add(b"x" * 10 * LONGEST_LINE)
    assert sum(map(len, lines.wrapped(100, 10 * KEPT_LINES))) < 2 * LONGEST_LINE + 10 * KEPT_LINES


def test_looks_that_cost_much_come_seldom() -> None:
    assert next_pause_s(0.0) == 0.5
    assert next_pause_s(0.05) == pytest.approx(2.0)
    assert next_pause_s(10.0) == 5.0


def test_a_row_that_may_be_another_one_is_named() -> None:
    paused = live()
    paused = replace(paused, status=replace(paused.status, paused=True))
    waits = live()
    waits = replace(waits, status=replace(waits.status, providers=({"provider": "anthropic"},)))
    held = live()
    held = replace(held, status=replace(held.status, waiting_for={"4": "held until noon"}))
    first = (
        task("1"),
        task("1", state=TaskState.RUNNING, attempts=1, files=("a.py",)),
        task("1", state=TaskState.FAILED),
    )
    others = (task("2", "b", "1"), task("3", files=("a.py",)), task("4", attempts=1))
    seen = [
        TaskRows(facts_of(run, one, *others))
        for run in (
            live(),
            paused,
            waits,
            held,
            live(pid=None),
            asking(live(), question("3")),
            live(running=[works_on("1")]),
        )
        for one in first
    ]
    same = 0
    for one, other in product(seen, seen):
        changed = other.places_of_change(one)
        for place in set(range(4)) - set(changed):
            assert one[place] == other[place]
            same += one is not other
    assert same > 50
    assert [*seen[0].places_of_change(None)] == [0, 1, 2, 3]
