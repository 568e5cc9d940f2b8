"""The timeline of a run: what its events say about the time of each task."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from aurora_spawner import CommandBackend, RecoveryPolicy, Run, RunOptions, SpawnTask
from aurora_spawner.control.timeline import Mark, RunTimeline, Span, SpanKind, TaskTimeline, run_timeline, timeline_of
from aurora_spawner.errors import JournalCorruptError, UnknownRunError
from aurora_spawner.journal import approval_facts, facts, work_facts
from aurora_spawner.journal.views import EventRow, RunRow, TaskRow, as_written
from aurora_spawner.rate_limits.gate import GateState, ProviderGate
from aurora_spawner.recovery.settings import RecoverySettings
from aurora_spawner.tasks.result import RunState, TaskState

NOW = 1000.0


def run_row(state: RunState = RunState.SUCCEEDED) -> RunRow:
    return RunRow(
        run_id="spawn-1",
        kind="spawn",
        state=state,
        paused=False,
        created_at=0.0,
        started_at=1.0,
        ended_at=None,
        cwd=Path(),
        spool=Path(),
        max_concurrent=1,
        default_agent="echo",
        default_timeout_s=None,
        holder=None,
    )


def task_row(task_id: str, *needs: str, state: TaskState = TaskState.SUCCEEDED) -> TaskRow:
    return TaskRow(
        task_id=task_id,
        position=0,
        state=state,
        task=SpawnTask("do it", id=task_id, depends_on=needs),
        added_by=None,
        attempts=1,
        started_at=None,
        ended_at=None,
        result=None,
        cancel_asked=False,
    )


def timeline(rows: list[TaskRow], *events: tuple[float, str | None, facts.Fact]) -> RunTimeline:
    stored = [
        EventRow(seq=seq, at=at, task_id=task_id, kind=fact.kind, fact=fact)
        for seq, (at, task_id, fact) in enumerate(events, start=1)
    ]
    return timeline_of(run_row(), rows, stored, now=NOW)


def intended(number: int = 1, agent: str = "echo", role: str = facts.WORK) -> facts.AttemptIntended:
    return facts.AttemptIntended(number=number, token="t", agent=agent, folder="f", role=role)


def ended(number: int = 1, exit_code: int | None = 0, reason: str = "exited") -> facts.AttemptEnded:
    return facts.AttemptEnded(number=number, reason=reason, exit_code=exit_code, record=None, survivors=[])


def recovered(to_state: str, agent: str = "echo", error: str | None = None) -> facts.RecoveryTransitioned:
    change = {"to_state": to_state, "agent": agent, "error": error}
    return facts.RecoveryTransitioned(change=change, due=None, waits=False)


def settled() -> facts.TaskSettled:
    return facts.TaskSettled(result={})


def taken() -> facts.RunTaken:
    return facts.RunTaken(lease="l", holder={})


def kinds(task: TaskTimeline) -> list[tuple[SpanKind, float, float]]:
    return [(span.kind, span.start, span.end) for span in task.spans]


def test_a_task_waits_for_its_dependencies_then_for_its_start_then_works() -> None:
    found = timeline(
        [task_row("1"), task_row("2", "1")],
        (1, None, taken()),
        (2, "1", intended()),
        (5, "1", ended()),
        (5, "1", settled()),
        (8, "2", intended()),
        (9, "2", ended()),
        (9, "2", settled()),
    )
    assert kinds(found.tasks[0]) == [(SpanKind.START, 1, 2), (SpanKind.ATTEMPT, 2, 5)]
    assert kinds(found.tasks[1]) == [
        (SpanKind.DEPENDENCY, 1, 5),
        (SpanKind.START, 5, 8),
        (SpanKind.ATTEMPT, 8, 9),
    ]
    assert found.tasks[1].spans[0].label == "waits for 1"
    assert (found.start, found.end) == (0, 9)


def test_failed_attempts_are_told_with_their_reason_and_the_wait_after_them() -> None:
    found = timeline(
        [task_row("1")],
        (1, None, taken()),
        (1, "1", intended(1)),
        (3, "1", ended(1, exit_code=7)),
        (3, "1", recovered("retry_pending", error="no luck")),
        (6, "1", recovered("retrying")),
        (6, "1", intended(2)),
        (7, "1", ended(2, exit_code=0)),
        (7, "1", recovered("fallback_pending", agent="other", error="it reported a failure")),
        (9, "1", recovered("fallback_executing", agent="other")),
        (9, "1", intended(3, agent="other")),
        (10, "1", ended(3)),
        (10, "1", settled()),
    ).tasks[0]
    assert [(span.label, span.failed) for span in found.spans] == [
        ("attempt 1 by @echo: exited: no luck", True),
        ("waits for a retry by @echo", False),
        ("attempt 2 by @echo: it reported a failure", True),
        ("waits for its fallback @other", False),
        ("attempt 3 by @other", False),
    ]
    assert found.attempts == 3
    assert found.seconds_of(SpanKind.RETRY) == 5


def test_checks_reviews_questions_and_worktrees_have_spans_of_their_own() -> None:
    found = timeline(
        [task_row("1")],
        (1, None, taken()),
        (1, "1", work_facts.WorkspaceIntended(path="p", branch="b")),
        (2, "1", intended(1)),
        (3, "1", request("a1")),
        (5, "1", approval_facts.ApprovalAnswered(approval="a1", approved=False, by="user", note="")),
        (6, "1", work_facts.ChecksIntended(number=1, commit="c")),
        (8, "1", work_facts.WorkChecked(checked={"outcome": "failed"})),
        (8, "1", ended(1)),
        (8, "1", intended(2, role=facts.REVIEW)),
        (9, "1", ended(2)),
        (9, "1", settled()),
        (10, "1", work_facts.WorkMerged(merge={"outcome": "conflict"})),
    ).tasks[0]
    assert kinds(found) == [
        (SpanKind.PREPARATION, 1, 2),
        (SpanKind.ATTEMPT, 2, 6),
        (SpanKind.APPROVAL, 3, 5),
        (SpanKind.CHECK, 6, 8),
        (SpanKind.REVIEW, 8, 9),
    ]
    assert found.spans[2].label == "asks: rm -rf x: denied"
    assert found.spans[3].failed
    assert found.marks == (Mark(at=10, label="merge: conflict", failed=True),)
    assert found.attempts == 1


def request(approval: str) -> approval_facts.ApprovalRequested:
    return approval_facts.ApprovalRequested(
        approval=approval,
        number=1,
        agent="echo",
        gate="live",
        subject="rm -rf x",
        rule="",
        reason="",
        shape="",
        limit_s=None,
    )


def test_a_question_about_the_whole_run_is_a_span_of_the_run_that_outlasts_the_process_that_asked() -> None:
    merge = replace(request("m1"), gate="merge", subject="main", number=0)
    events = [
        (1, None, taken()),
        (2, "1", intended()),
        (3, "1", settled()),
        (4, None, merge),
        (5, None, facts.RunEnded(state="succeeded", notices=[])),
        (9, None, approval_facts.ApprovalAnswered(approval="m1", approved=True, by="user", note="")),
    ]
    found = timeline([task_row("1")], *events)
    asked = [span for span in found.spans if span.kind is SpanKind.APPROVAL]
    assert [(span.label, span.start, span.end) for span in asked] == [("asks: main: approved", 4, 9)]
    assert SpanKind.APPROVAL not in [span.kind for span in found.tasks[0].spans]
    waiting = timeline([task_row("1")], *events[:-1])
    assert [(each.start, each.end) for each in waiting.spans if each.kind is SpanKind.APPROVAL] == [(4, 5)]
    of_task = timeline([task_row("1")], (1, None, taken()), (2, "1", request("a1")), (3, "1", settled()))
    assert of_task.spans == ()


def test_a_pause_and_an_absence_divide_the_wait_for_a_start() -> None:
    found = timeline(
        [task_row("1")],
        (1, None, taken()),
        (2, None, facts.RunPaused(by="user")),
        (4, None, facts.RunUnpaused(by="user")),
        (6, None, taken()),
        (7, "1", intended()),
        (8, "1", settled()),
    )
    assert [(span.label, span.start, span.end) for span in found.spans] == [
        ("paused by user", 2, 4),
        ("no process works on the run", 4, 6),
    ]
    assert kinds(found.tasks[0])[:4] == [
        (SpanKind.START, 1, 2),
        (SpanKind.PAUSE, 2, 4),
        (SpanKind.PAUSE, 4, 6),
        (SpanKind.START, 6, 7),
    ]


def test_a_closed_provider_is_a_span_of_the_run_until_it_opens() -> None:
    paused = ProviderGate(provider="acme", state=GateState.PAUSED, reason="rate-limited (429)").to_dict()
    found = timeline(
        [task_row("1")],
        (1, None, taken()),
        (2, None, facts.ProviderMoved(provider="acme", gate=paused)),
        (5, None, facts.ProviderMoved(provider="acme", gate=ProviderGate(provider="acme").to_dict())),
        (7, None, facts.RunEnded(state="succeeded", notices=[])),
    )
    assert found.spans == (
        Span(kind=SpanKind.PROVIDER, start=2, end=5, label="provider acme is paused: rate-limited (429)"),
    )
    assert found.marks[-1].label == "ended: succeeded"


def test_what_is_open_at_the_end_ends_there_and_a_skipped_task_waited_for_no_slot() -> None:
    found = timeline(
        [task_row("1", state=TaskState.RUNNING), task_row("2", "1", state=TaskState.SKIPPED)],
        (1, None, taken()),
        (1, "1", intended()),
        (9, "2", settled()),
    )
    assert kinds(found.tasks[0]) == [(SpanKind.ATTEMPT, 1, 9)]
    assert kinds(found.tasks[1]) == [(SpanKind.DEPENDENCY, 1, 9)]


@pytest.mark.parametrize(
    "fact",
    [
        work_facts.WorkChecked(checked={}),
        work_facts.WorkMerged(merge={}),
        facts.ProviderMoved(provider="p", gate={}),
        facts.RecoveryTransitioned(change={}, due=None, waits=False),
    ],
    ids=lambda fact: fact.kind,
)
def test_a_malformed_event_is_an_error_that_names_the_run(fact: facts.Fact) -> None:
    with pytest.raises(JournalCorruptError, match="run spawn-1"), as_written(Path("runs.db"), "run spawn-1"):
        timeline([task_row("1")], (1, "1", fact))


def test_the_journal_of_a_real_run_has_a_timeline(tmp_path: Path) -> None:
    backends = {"sh": CommandBackend("sh", ("sh",))}
    policy = RecoveryPolicy(max_retries=1, base_delay=0.01, fallback_to_llm=False)
    options = RunOptions(
        default_agent="sh", cwd=tmp_path, spool=tmp_path / "runs", recovery=RecoverySettings(policy=policy)
    )
    tasks = (
        SpawnTask("echo fine", id="1"),
        SpawnTask("exit 3", id="2"),
        SpawnTask("echo x", id="3", depends_on=("2",)),
    )
    run = Run.create(tmp_path / "runs.db", tasks, backends, options)
    run.execute_sync()
    found = run_timeline(tmp_path / "runs.db", run.run_id)
    by_id = {task.task_id: task for task in found.tasks}
    assert [(task.state, task.attempts) for task in found.tasks] == [("succeeded", 1), ("failed", 2), ("skipped", 0)]
    assert all(span.failed for span in by_id["2"].spans if span.kind is SpanKind.ATTEMPT)
    assert by_id["2"].seconds_of(SpanKind.RETRY) > 0
    assert all(found.start <= span.start <= span.end <= found.end for task in found.tasks for span in task.spans)
    with pytest.raises(UnknownRunError):
        run_timeline(tmp_path / "runs.db", "spawn-0")
