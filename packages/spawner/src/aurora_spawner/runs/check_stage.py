"""The stage of an attempt that checks its work: what fails goes back to the agent, for a few rounds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from aurora_spawner.journal.work_facts import ChecksIntended
from aurora_spawner.runs.stage_ends import left_to_resume
from aurora_spawner.runs.task_checks import CheckOrder
from aurora_spawner.tasks.checked import CheckOutcome
from aurora_spawner.tasks.failure import ReportedFailure
from aurora_spawner.tasks.result import CHECK_FAILED, TaskState
from aurora_spawner.workspaces.errors import CommandStoppedError, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_spawner.runs.attempt import Attempt
    from aurora_spawner.runs.run_context import RunContext
    from aurora_spawner.tasks.checked import CheckedWork
    from aurora_spawner.tasks.result import SpawnResult
    from aurora_spawner.tasks.task import SpawnTask

_NOT_THE_AGENT: Final = (CheckOutcome.SAME_AS_BASE, CheckOutcome.CANNOT_RUN)
"""Outcomes that no other attempt can change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A round in which an agent fixes what a check has found.

    Attributes:
        number: from 1.
        most: the rounds that the task may have.
    """

    number: int
    most: int


def next_round(task: SpawnTask, rounds: Sequence[CheckedWork], *, check_rounds: int) -> Round | None:
    """Returns the round that follows failed checks; None if their failure is final.

    Args:
        rounds: The checks of all attempts so far, the latest last.
        check_rounds: The rounds that a task may have for its checks.
    """
    latest = rounds[-1]
    if latest.outcome is not CheckOutcome.FAILED or latest.failed is None:
        return None
    for_goal = latest.failed.command == task.until
    used = sum(each.failed is not None and (each.failed.command == task.until) == for_goal for each in rounds[:-1])
    most = task.max_turns - 1 if for_goal else check_rounds
    if used >= most or (for_goal and _stuck(rounds)):
        return None
    return Round(number=used + 1, most=most)


def _stuck(rounds: Sequence[CheckedWork]) -> bool:
    """Returns True if the last three checks failed with the same output: the agent is getting nowhere.

    Numbers count, they may be the progress. Of a command that prints nothing, nothing is known.
    """
    last = [(each.failed.command, each.failed.output.strip()) for each in rounds[-3:] if each.failed]
    return len(last) == 3 and len(set(last)) == 1 and last[0][1] != ""


async def check_attempt(run: RunContext, attempt: Attempt) -> Attempt:
    """Runs the checks of a good attempt's work; the task is done only if all of them pass."""
    task_id, result = attempt.task_id, attempt.result
    if result is None or not result.success:
        return attempt
    commands = run.checks.commands(run.task(task_id), result.work)
    if not commands:
        return attempt
    try:
        checked = await _checked(run, attempt, commands)
    except CommandStoppedError as error:
        return left_to_resume(run, attempt, result, error.problem)
    except WorkspaceError as error:
        failed = replace(result, state=TaskState.FAILED, error=f"its work cannot be checked: {error}", work=None)
        return attempt._replace(result=failed, final=True)
    _report(run, task_id, checked)
    return _judged(run, attempt._replace(checked=checked), result, checked)


async def _checked(run: RunContext, attempt: Attempt, commands: tuple[str, ...]) -> CheckedWork:
    """Runs the checks; what is about to run is in the journal before."""
    task_id, result, flight = attempt.task_id, attempt.result, run.tasks.flight(attempt.task_id)
    commit = result.work.head if result is not None and result.work is not None else None
    if commit is not None:
        await run.recorder.append(task_id, ChecksIntended(number=attempt.number, commit=commit))
    order = CheckOrder(
        task=run.task(task_id),
        number=attempt.number,
        token=attempt.token,
        agent=attempt.agent,
        commands=commands,
        cwd=run.cwd_of(attempt.worktree),
        worktree=attempt.worktree,
        commit=commit,
        before=flight.rounds[-1] if flight.rounds else None,
        stopped=lambda: run.stopping(task_id),
    )
    checked = await run.checks.check(order)
    flight.rounds.append(checked)
    return checked


def _judged(run: RunContext, attempt: Attempt, result: SpawnResult, checked: CheckedWork) -> Attempt:
    task_id = attempt.task_id
    if checked.passed or _is_of_run(run, task_id, checked):
        return attempt._replace(result=replace(result, checked=checked))
    following = next_round(run.task(task_id), run.tasks.flight(task_id).rounds, check_rounds=run.options.check_rounds)
    if following is not None:
        again = f"round {following.number} of {following.most}: {checked.complaint}"
        return attempt._replace(result=None, again=again)
    return _failed(attempt, result, checked)


def _is_of_run(run: RunContext, task_id: str, checked: CheckedWork) -> bool:
    """Returns True if a check of the whole run fails for a reason that is not the task's; the merge tells it."""
    own = run.checks.own(run.task(task_id))
    not_the_task = checked.fails_on_base or checked.outcome in _NOT_THE_AGENT
    return not_the_task and checked.failed is not None and checked.failed.command not in own


def _failed(attempt: Attempt, result: SpawnResult, checked: CheckedWork) -> Attempt:
    failed = replace(
        result,
        state=TaskState.FAILED,
        error=checked.complaint,
        reported=ReportedFailure(code=CHECK_FAILED, message=checked.complaint),
        work=None,
        checked=checked,
    )
    # What the agent printed on stderr says nothing about this failure.
    judged = replace(attempt.judged, stderr="")
    return attempt._replace(result=failed, judged=judged, final=checked.outcome in _NOT_THE_AGENT)


def _report(run: RunContext, task_id: str, checked: CheckedWork) -> None:
    for each in checked.runs:
        if each.changed:
            files = ", ".join(each.changed[:5])
            run.notices.append(f"task {task_id}: the check `{each.command}` changed {files}; that was put back")
