"""Text and JSON of runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import click

from aurora_cli.output import emit, note
from aurora_cli.render.approvals import settled_line, short_line
from aurora_cli.render.moments import to_the_second
from aurora_cli.render.words import count, one_line
from aurora_cli.render.work import outcome_of_run, run_work_document, task_work_document, task_work_lines
from aurora_soar.resumption.kinds import MODEL_RUN, QUESTION_RUN, SUBGOALS_RUN
from aurora_soar.taskruns.run_kinds import TASK_RUN, TASKFILE_RUN, can_resume
from aurora_spawner.control.file_claims import awaited, file_holders, is_working
from aurora_spawner.control.status import state_word
from aurora_spawner.conversations.kinds import SESSION_RUN
from aurora_spawner.rate_limits.gate import utc_time
from aurora_spawner.tasks.approvals import WHOLE_RUN
from aurora_spawner.tasks.result import RunState, TaskState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aurora_spawner.control.approvals import ApprovalRow
    from aurora_spawner.control.checkpoints import CleanReport, RunSummary
    from aurora_spawner.control.run_work import WorkOfRun
    from aurora_spawner.control.sandboxes import TaskSandbox
    from aurora_spawner.control.status import RunningTask, RunStatus
    from aurora_spawner.journal.views import RunRow, TaskRow
    from aurora_spawner.rate_limits.gate import ProviderGate

__all__ = [
    "RunDetail",
    "as_detail",
    "as_detail_document",
    "as_document",
    "as_lines",
    "cleaned_document",
    "provider_lines",
    "show_cleaned",
    "status_document",
    "status_lines",
    "trouble_lines",
]

_COLOURS: Final[Mapping[str, str]] = {
    "succeeded": "green",
    "failed": "red",
    "running": "cyan",
    "crashed": "red",
    "skipped": "yellow",
    "cancelled": "yellow",
    "interrupted": "yellow",
}


_WITHOUT_TASKS: Final = {QUESTION_RUN: "a question", SESSION_RUN: "a session"}
_PARTS: Final = {SUBGOALS_RUN: "  (the parts of a question)", MODEL_RUN: "  (one call of a model)"}
_CONTINUED_BY: Final = {
    QUESTION_RUN: "aur soar --resume",
    SESSION_RUN: "aur interact --resume",
    TASKFILE_RUN: "aur resume",
    TASK_RUN: "aur resume",
}
_SETTLED: Final = frozenset(str(state) for state in RunState if state.settled)
_STATES: Final = ("succeeded", "failed", "skipped", "cancelled", "running", "pending")


def as_lines(runs: Sequence[RunSummary]) -> Iterator[str]:
    """Yields one line per run."""
    for summary in runs:
        run = summary.run
        hint = f"  {_resumed_by(summary)}" if can_resume(summary) else ""
        state = _coloured(state_word(run, held=summary.held))
        counts = (_WITHOUT_TASKS.get(run.kind) if not summary.total else None) or _counts(summary.counts)
        why = f"  why: aur runs show {run.run_id}" if _failed_after_all(summary) else ""
        what = _PARTS.get(run.kind, "")
        yield f"{run.run_id}  {to_the_second(run.created_at)}  {state}  {counts}{what}{hint}{why}"


def _resumed_by(summary: RunSummary) -> str:
    """Returns the command that goes on with a run."""
    run = summary.run
    if run.kind == QUESTION_RUN:
        return f"resumable: aur soar --resume {run.run_id}"
    if run.state is RunState.FAILED and summary.counts.get(TaskState.FAILED):
        return f"run again what failed: aur resume {run.run_id} --retry-failed"
    return f"resumable: aur resume {run.run_id}"


def _failed_after_all(summary: RunSummary) -> bool:
    """Returns True of a run that failed though each of its tasks succeeded: its work is not where it was to go."""
    succeeded = summary.counts.get(TaskState.SUCCEEDED, 0)
    return summary.run.state is RunState.FAILED and 0 < succeeded == summary.total


def as_document(runs: Sequence[RunSummary]) -> dict[str, object]:
    """Returns runs, newest first, as data for `--json`."""
    return {"runs": [_run_row(summary.run, held=summary.held) | _summary_row(summary) for summary in runs]}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDetail:
    """A run with all that is shown of it."""

    run: RunRow
    tasks: Sequence[TaskRow]
    work: WorkOfRun | None
    """The work of its tasks; None if they had no worktrees."""
    approvals: Sequence[ApprovalRow]
    """The questions of its gates."""
    seen: Mapping[str, Sequence[str]]
    """The files that each task was seen to change."""
    sandboxes: Mapping[str, TaskSandbox]
    """The sandboxes of its tasks, by task."""
    hosts: Mapping[str, str] = field(default_factory=dict)
    """The host or the pool of each task's last attempt, if that was elsewhere."""
    replanned: Mapping[str, Any] | None = None
    """The journal's note about the new plan of its rest; None if there is none."""


def as_detail(detail: RunDetail) -> Iterator[str]:
    """Yields the lines of a run and of its tasks."""
    run, tasks, work, approvals = detail.run, detail.tasks, detail.work, detail.approvals
    yield f"{run.run_id}  {to_the_second(run.created_at)}  {_coloured(state_word(run, held=_is_held(run)))}"
    yield f"in {one_line(str(run.cwd))}, {run.max_concurrent} concurrent{_sandboxed(detail.sandboxes)}"
    if (because := _chosen_because(run)) is not None:
        yield f"@{one_line(run.default_agent)} for tasks that name no agent: {one_line(because, 400)}"
    if detail.replanned is not None:
        yield _replanned(detail.replanned)
    if work:
        yield from outcome_of_run(work, run.run_id)
    yield from _asked_of(WHOLE_RUN, approvals, indent=2)
    holders = file_holders(tasks)
    for row in tasks:
        seconds = f"  {row.result.execution_time:.1f} s" if row.result and row.result.started_at else ""
        name = f"{one_line(row.task_id)}  {one_line(row.task.headline, 60)}"
        agent = one_line(_agent_of(row, run))
        yield f"  {name}  @{agent}{_on(detail.hosts.get(row.task_id))}  {_coloured(row.state)}{seconds}"
        if row.result and row.result.error:
            yield f"      {one_line(row.result.error, 200)}"
        if row.result and (row.result.success or row.result.checked or row.result.review):
            yield f"      {one_line(str(row.result.verification), 200)}"
        yield from (f"      {line}" for line in _claim_lines(detail, row, holders))
        yield from (f"      {line}" for line in _sandbox_lines(detail.sandboxes.get(row.task_id)))
        if row.result and row.result.choice:
            yield f"      taken: {one_line(row.result.choice.why, 400)}"
        if work and row.task_id in work.tasks:
            yield from (f"      {line}" for line in task_work_lines(work.tasks[row.task_id]))
        yield from _asked_of(row.task_id, approvals, indent=6)


def _chosen_because(run: RunRow) -> str | None:
    return run.options.chosen_because if run.options is not None else None


def _replanned(note: Mapping[str, Any]) -> str:
    failed, tasks = (one_line(", ".join(note[name]), 200) for name in ("failed", "tasks"))
    return f"planned anew by {one_line(note['by'])} after {failed} failed: {tasks} ({one_line(note['record'])})"


def _sandboxed(sandboxes: Mapping[str, TaskSandbox]) -> str:
    """Returns one word for a run whose agents were to be in a sandbox, "" for another."""
    if not sandboxes:
        return ""
    return ", sandboxed" if all(each.finding.sandboxed for each in sandboxes.values()) else ", unsandboxed"


def _sandbox_lines(sandbox: TaskSandbox | None) -> Iterator[str]:
    if sandbox is not None:
        yield one_line(sandbox.finding.words, 200)
        if sandbox.denied:
            yield f"the sandbox denied changes of {one_line(', '.join(sandbox.denied), 200)}"


def _claim_lines(detail: RunDetail, row: TaskRow, holders: Sequence[TaskRow]) -> Iterator[str]:
    """Yields the files that a task has claimed, or the task that it waits for because that has."""
    if is_working(row):
        seen = detail.seen.get(row.task_id, ())
        if row.task.files:
            yield f"has claimed {one_line(', '.join(row.task.files), 200)}"
        if seen:
            yield f"has changed, and so claimed, {one_line(', '.join(seen), 200)}"
    elif (holder := awaited(row, holders, detail.run)) is not None:
        yield f"waits for task {one_line(holder.task_id)}, which has claimed {one_line(', '.join(holder.files), 200)}"


def _asked_of(task_id: str, approvals: Sequence[ApprovalRow], *, indent: int) -> Iterator[str]:
    """Yields the questions about a task, or about the whole run (WHOLE_RUN), with their answers."""
    for asked in approvals:
        if asked.task_id == task_id:
            yield " " * indent + (short_line(asked) if asked.state == "open" else settled_line(asked))


def as_detail_document(detail: RunDetail) -> dict[str, object]:
    """Returns a run, its tasks and their work, as data for `--json`."""
    run, work = detail.run, detail.work
    return _run_row(run, held=_is_held(run)) | {
        "approvals": [each.to_dict() for each in detail.approvals],
        "default_agent": run.default_agent,
        "chosen_because": _chosen_because(run),
        "replanned": None if detail.replanned is None else dict(detail.replanned),
        "work": run_work_document(work) if work else None,
        "tasks": [
            _task_row(detail, row) | _work_row(row, work) | _sandbox_row(detail.sandboxes.get(row.task_id))
            for row in detail.tasks
        ],
    }


def _sandbox_row(sandbox: TaskSandbox | None) -> dict[str, object]:
    found = None if sandbox is None else {**sandbox.finding.to_json(), "denied": list(sandbox.denied)}
    return {"sandbox": found}


def _work_row(row: TaskRow, work: WorkOfRun | None) -> dict[str, object]:
    of_task = work.tasks.get(row.task_id) if work else None
    return {"work": task_work_document(of_task) if of_task else None}


def cleaned_document(report: CleanReport) -> dict[str, object]:
    """Returns the result of a clean-up as data for `--json`."""
    return {
        "removed": list(report.removed),
        "kept_running": list(report.kept_running),
        "left_alone": list(report.left_alone),
        "kept_work": dict(report.kept_work),
    }


def show_cleaned(report: CleanReport) -> None:
    """Prints the result of a clean-up."""
    for run_id in report.kept_running:
        note(f"kept {run_id}: it has live processes")
    for run_id, reason in report.kept_work.items():
        note(f"kept {run_id}: {one_line(reason, 300)}")
    for sentence in report.left_alone:
        note(sentence)
    emit(f"removed {count(len(report.removed), 'run')}")


def status_lines(status: RunStatus, titles: Mapping[str, str], *, now: float) -> Iterator[str]:
    """Yields the status of a run, and a line for each running task.

    Args:
        titles: titles of the tasks, by id.
        now: Unix time.
    """
    state = "paused" if status.paused and status.state == "running" else status.state
    process = f"  (process {status.pid})" if status.pid else ""
    counts = _WITHOUT_TASKS.get(status.kind) if not status.tasks else None
    yield f"{status.run_id}  {_coloured(state)}  {counts or _counts(status.tasks)}{process}"
    if status.pid is None and status.kind in _CONTINUED_BY and status.state not in _SETTLED:
        yield f"  {_CONTINUED_BY[status.kind]} {status.run_id} continues it, aur cancel {status.run_id} ends it"
    asking = {asked.task_id for asked in status.approvals}
    for task in status.running:
        title = one_line(titles.get(task.task, ""), 60)
        again = f"  attempt {task.attempt}" if task.attempt > 1 else ""
        so_far = "  waits for you" if task.task in asking and task.ended else _so_far(task, now)
        yield f"  {one_line(task.task)}  {title}  @{one_line(task.agent)}{_on(task.host)}{so_far}{again}"
        if reason := status.waiting_for.get(task.task):
            yield f"      {one_line(reason, 100)}"
    running = {task.task for task in status.running}
    for task_id, reason in status.waiting_for.items():
        if task_id not in running:
            yield f"  {one_line(task_id)}  {one_line(titles.get(task_id, ''), 60)}  {one_line(reason, 100)}"
    for asked in status.approvals:
        about = f"{one_line(asked.task_id)}  " if asked.task_id else ""
        yield f"  {about}{short_line(asked)}"
    yield from (f"  {line}" for line in trouble_lines(status, now=now))


def trouble_lines(status: RunStatus, *, now: float) -> Iterator[str]:
    """Yields a line for each paused or stopped provider of a run, and for each agent that is not healthy."""
    for gate in status.providers:
        until = f" until {utc_time(gate['until'], now)}" if gate["until"] and gate["until"] > now else ""
        why = "; ".join(filter(None, (gate.get("window"), gate["reason"])))
        yield f"provider {one_line(gate['provider'])} is {gate['state']}{until}: {one_line(why, 160)}"
    for agent in status.health:
        if agent["health"] != "healthy":
            yield f"@{one_line(agent['agent'])} is {agent['health']}: {one_line('; '.join(agent['reasons']), 160)}"


def _on(host: str | None) -> str:
    return f" on {one_line(host)}" if host else ""


def _so_far(task: RunningTask, now: float) -> str:
    if task.ended:
        return "  ended, not yet collected"
    return f"  {max(0.0, now - task.since):.0f} s" if task.since else ""


def provider_lines(gates: Sequence[ProviderGate], statuses: Sequence[RunStatus], *, now: float) -> Iterator[str]:
    """Yields a line for each paused or stopped provider that no run above has listed."""
    listed = {gate["provider"] for status in statuses for gate in status.providers}
    for gate in gates:
        if gate.provider not in listed and (line := gate.blocked_reason(now)):
            yield f"provider {one_line(line, 240)}"


def status_document(
    statuses: Sequence[RunStatus], gates: Sequence[ProviderGate] = (), *, now: float = 0.0
) -> dict[str, object]:
    """Returns the status of runs, and the paused or stopped providers, as data for `--json`."""
    closed = [gate.to_dict() for gate in gates if gate.blocked_reason(now)]
    fields = ("provider", "state", "until", "reason", "window")
    return {
        "runs": [status.to_dict() for status in statuses],
        "providers": [{name: gate[name] for name in fields} for gate in closed],
    }


def _is_held(run: RunRow) -> bool:
    return run.holder is not None and run.holder.alive()


def _run_row(run: RunRow, *, held: bool) -> dict[str, object]:
    return {
        "run_id": run.run_id,
        "kind": run.kind,
        "state": state_word(run, held=held),
        "created_at": run.created_at,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "cwd": str(run.cwd),
        "max_concurrent": run.max_concurrent,
    }


def _summary_row(summary: RunSummary) -> dict[str, object]:
    return {
        "counts": {str(state): number for state, number in summary.counts.items()},
        "held": summary.held,
        "resumable": can_resume(summary),
    }


def _agent_of(row: TaskRow, run: RunRow) -> str:
    """Returns the agent of a task; of one with candidates, that of the one that was taken, or all of them."""
    if row.result is not None and row.result.choice is not None:
        return row.result.agent
    if row.task.choice_of and row.task.agents:
        return " @".join(row.task.agents)
    return row.task.agent or run.default_agent


def _task_row(detail: RunDetail, row: TaskRow) -> dict[str, object]:
    run, result = detail.run, row.result
    return {
        "id": row.task_id,
        "title": row.task.headline,
        "agent": _agent_of(row, run),
        "state": str(row.state),
        "attempts": row.attempts,
        "host": detail.hosts.get(row.task_id),
        "depends_on": list(row.task.depends_on),
        "output": result.output if result else None,
        "document": result.document if result else None,
        "error": result.error if result else None,
        "exit_code": result.exit_code if result else None,
        "checked": result.checked.to_json() if result and result.checked else None,
        "review": result.review.to_json() if result and result.review else None,
        "verification": result.verification.level.value if result else None,
        "candidates": list(row.task.choice_of),
        "candidate_of": row.task.candidate_of,
        "choice": result.choice.to_json() if result and result.choice else None,
        "claims": list(row.task.files) if is_working(row) else [],
        "claims_seen": list(detail.seen.get(row.task_id, ())) if is_working(row) else [],
        "execution_time_s": round(result.execution_time, 3) if result else None,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
    }


def _counts(counts: Mapping[Any, int]) -> str:
    by_state = {str(state): number for state, number in counts.items()}
    return ", ".join(f"{by_state[state]} {state}" for state in _STATES if by_state.get(state)) or "no tasks"


def _coloured(state: str) -> str:
    return click.style(str(state), fg=_COLOURS.get(str(state)))
