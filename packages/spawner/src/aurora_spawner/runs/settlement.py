"""The last stage of an attempt: another attempt follows, the task stays open, or its result is final."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from aurora_spawner.journal.facts import TaskReopened, TaskSettled
from aurora_spawner.journal.work_facts import WorkChecked, WorkReturned
from aurora_spawner.recovery import actions
from aurora_spawner.runs.judged_elsewhere import judged_facts
from aurora_spawner.runs.recorder import ended_fact
from aurora_spawner.runs.resume_state import stored_task
from aurora_spawner.runs.task_result import TAKEN_OVER, for_journal
from aurora_spawner.runs.waiting import wait
from aurora_spawner.tasks import run_events
from aurora_spawner.tasks.choosing import choose
from aurora_spawner.tasks.result import TaskState, TaskStep

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Sequence

    from aurora_spawner.journal.facts import Fact
    from aurora_spawner.runs.attempt import Attempt
    from aurora_spawner.runs.run_context import RunContext
    from aurora_spawner.tasks.result import SpawnResult

_HOW_IT_WENT: Final = {
    TaskState.FAILED: "failed",
    TaskState.CANCELLED: "was cancelled",
    TaskState.SKIPPED: "was skipped",
}
_STEP_OF: Final = {
    TaskState.SUCCEEDED: TaskStep.SUCCEED,
    TaskState.FAILED: TaskStep.FAIL,
    TaskState.SKIPPED: TaskStep.SKIP,
    TaskState.CANCELLED: TaskStep.CANCEL,
}


async def settle_attempt(run: RunContext, attempt: Attempt) -> Attempt:
    """Writes down how an attempt ended, and what follows from it for its task."""
    task_id, result = attempt.task_id, attempt.result
    checked = (WorkChecked(checked=attempt.checked.to_json()),) if attempt.checked else ()
    returned = (WorkReturned(returned=attempt.returned.to_json()),) if attempt.returned else ()
    if attempt.unchecked and result is not None:
        _leave_unchecked(run, task_id, result)
        return attempt
    withdrawn = run.approvals.withdraw(task_id, "its attempt has ended")
    judged = judged_facts(attempt) if attempt.number else ()
    last = (ended_fact(attempt.number, attempt.end),) if attempt.number else ()
    ended = (*judged, *checked, *returned, *withdrawn, *last)
    is_interrupted = result is not None and result.termination_reason == TAKEN_OVER
    if is_interrupted or (result is None and run.tasks.taken(task_id)):
        return await _leave_to_user(run, attempt, *ended)
    if result is None:
        await _attempt_again(run, attempt, *ended)
    elif result.state is TaskState.CANCELLED and not run.tasks.cancelled(task_id):
        await _leave_open(run, task_id, result, *ended)
    else:
        await _conclude(run, attempt, result, *ended)
    return attempt


async def _attempt_again(run: RunContext, attempt: Attempt, *ended: Fact) -> None:
    """Lets another attempt follow at once; one after an attempt that was found takes a slot of its own."""
    task_id = attempt.task_id
    run.tasks.flight(task_id).problem = attempt.again
    if attempt.found is None:
        await run.recorder.append(task_id, *ended)
        run.notifier.emit(_restarted(attempt))
        return
    run.recovery.cut_off(run.task(task_id))
    await run.recorder.append(task_id, *ended)
    if attempt.checked is not None or attempt.returned is not None:
        run.notifier.emit(_restarted(attempt))
    wait(run, task_id, 0.0)
    run.dispatch()


async def _leave_to_user(run: RunContext, attempt: Attempt, *ended: Fact) -> Attempt:
    """Leaves a task that the user has taken over without an attempt; one that is handed back by now goes on."""
    task_id = attempt.task_id
    run.recovery.cut_off(run.task(task_id))
    wait(run, task_id, 0.0)
    reopened = TaskReopened(why="interrupted", task=stored_task(run.task(task_id)))
    written = run.recorder.append(task_id, *ended, reopened)
    run.dispatch()
    await written
    return attempt._replace(found=attempt.end)


def _leave_unchecked(run: RunContext, task_id: str, result: SpawnResult) -> None:
    """Leaves an attempt whose work was not checked to a resume, as if this coordinator had been killed."""
    run.tasks.results[task_id] = result
    run.scheduler.reopen(task_id)
    run.dispatch()
    run.notifier.emit(run_events.TaskEnded(task_id=task_id, result=result))


async def _leave_open(run: RunContext, task_id: str, result: SpawnResult, *ended: Fact) -> None:
    """Leaves a task that the end of the run has cut off to a resume."""
    run.tasks.results[task_id] = result
    run.recovery.cut_off(run.task(task_id))
    run.scheduler.reopen(task_id)
    reopened = TaskReopened(why=run.wishes.ending or "interrupted", task=stored_task(run.task(task_id)))
    written = run.recorder.append(task_id, *ended, reopened)
    run.dispatch()
    await written
    run.notifier.emit(run_events.TaskEnded(task_id=task_id, result=result))


def _restarted(attempt: Attempt) -> run_events.TaskRestarted | run_events.TaskSentBack:
    if attempt.checked is not None or attempt.returned is not None:
        return run_events.TaskSentBack(task_id=attempt.task_id, checked=attempt.checked, reason=attempt.again)
    return run_events.TaskRestarted(task_id=attempt.task_id, reason=attempt.again)


async def _conclude(run: RunContext, attempt: Attempt, result: SpawnResult, *ended: Fact) -> None:
    """Settles a task by its last attempt, unless recovery decides otherwise."""
    task_id = attempt.task_id
    if attempt.final:
        await settle_task(run, task_id, result, *ended)
        return
    result, growth = run.tasks.expand(result, run.scheduler)
    cancelled = result.state is TaskState.CANCELLED or run.tasks.cancelled(task_id)
    decision = run.recovery.after(run.task(task_id), attempt.judged, result, cancelled=cancelled)
    if isinstance(decision, actions.Final):
        if decision.error:
            result = replace(result, error=decision.error)
        await settle_task(run, task_id, result, *ended, *growth)
        return
    run.tasks.flight(task_id).problem = result.error
    wait(run, task_id, decision.after_s if isinstance(decision, actions.Retry) else 0.0)
    written = run.recorder.append(task_id, *ended)
    run.callbacks.queue(after=written)  # before the dispatch, which queues others
    run.dispatch()
    await written
    run.notifier.emit(decision.event)
    run.callbacks.call()


async def settle_task(run: RunContext, task_id: str, result: SpawnResult, *before: Fact) -> None:
    """Makes a result final: in memory, then what follows from it, then durably, then known to the watcher.

    Dependants are dispatched before the result is durable; their intents stand behind it in the journal. If there is
    no watcher and no callback, nothing waits for it but the end of the run.

    Args:
        before: Facts that are written together with the result, ahead of it.
    """
    result = run.recovery.settled(run.task(task_id), result)
    run.tasks.settle(task_id, result)
    skipped = run.scheduler.settle(task_id, _STEP_OF[result.state])
    facts = (*before, TaskSettled(result=for_journal(result).to_json()))
    written: asyncio.Future[None] | None = None
    if run.notifier.watched or run.callbacks.wanted:
        written = run.recorder.append(task_id, *facts)
        run.callbacks.queue(after=written)
    else:
        run.recorder.append_nowait(task_id, *facts)
    skip_dependants(run, skipped)
    ended = [task_id, *(skipped_id for skipped_id, _cause in skipped), *run.breaker.check(run)]
    run.dispatch()
    if written is not None:
        await written
        _emit_ended(run, ended)
        run.callbacks.call()
    await settle_choices(run, ended)


async def settle_choices(run: RunContext, ended: Iterable[str]) -> None:
    """Settles each task whose last candidate has ended: by the best one, or as they ended."""
    for task in run.tasks.open_choices(ended, run.scheduler.states):
        task_id = str(task.id)
        if not run.scheduler.states[task_id].settled:  # by the user, while another was written down
            results = [run.tasks.results[each] for each in task.choice_of]
            chosen = choose(task, results, run_id=run.orders.run_id)
            result, growth = run.tasks.expand(chosen, run.scheduler)
            await settle_task(run, task_id, result, *growth)


def never_began(run: RunContext, task_id: str) -> SpawnResult:
    """Returns the result of a task that was cancelled while no attempt was under way."""
    when = "before its next attempt" if run.tasks.flight(task_id).attempts else "before it could start"
    return run.without_attempt(task_id, TaskState.CANCELLED, f"cancelled by the user {when}")


def skip_dependants(run: RunContext, skipped: Sequence[tuple[str, str]]) -> None:
    """Writes down tasks that the scheduler has skipped, each with the task to blame."""
    for task_id, cause in skipped:
        _skip(run, task_id, f"task {cause}, which it depends on, {_HOW_IT_WENT[run.scheduler.states[cause]]}")


def skip_pending(run: RunContext, reason: str) -> list[str]:
    """Skips the tasks that have not started; returns them in their order.

    A choice among candidates is left to `settle_choices`: some of them may run or have succeeded.
    """
    pending = {task_id for task_id in run.scheduler.pending if not run.task(task_id).choice_of}
    rest = run.tasks.in_order(pending)
    for task_id in rest:
        if run.scheduler.states[task_id] is TaskState.PENDING:  # one may have taken others with it
            run.scheduler.settle(task_id, TaskStep.SKIP)
        _skip(run, task_id, f"skipped, because {reason}")
    return rest


async def skip_rest(run: RunContext, reason: str) -> None:
    """Skips the tasks that have not started, and reports them once that is durable."""
    skipped = skip_pending(run, reason)
    run.dispatch()
    await run.recorder.flush()
    _emit_ended(run, skipped)
    await settle_choices(run, skipped)


def _skip(run: RunContext, task_id: str, error: str) -> None:
    result = run.without_attempt(task_id, TaskState.SKIPPED, error)
    run.tasks.settle(task_id, result)
    run.recorder.append_nowait(task_id, TaskSettled(result=for_journal(result).to_json()))


def _emit_ended(run: RunContext, task_ids: Sequence[str]) -> None:
    for task_id in task_ids:
        run.notifier.emit(run_events.TaskEnded(task_id=task_id, result=run.tasks.results[task_id]))
