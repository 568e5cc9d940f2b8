"""The stage before an attempt: a task that has taken its slot starts, waits, moves to another agent, or fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_spawner.recovery.actions import GiveUp, MoveTo, Start, Wait
from aurora_spawner.runs.settlement import never_began, settle_task
from aurora_spawner.runs.waiting import wait
from aurora_spawner.tasks import run_events
from aurora_spawner.tasks.result import TaskState

if TYPE_CHECKING:
    from aurora_spawner.runs.run_context import RunContext


def admit(run: RunContext, task_id: str) -> bool:
    """Returns True if the task is attempted now; else carries out what was decided instead.

    It does not wait, so that the scheduler knows of a slot that is given back before it looks for the next task.
    """
    if run.tasks.cancelled(task_id):
        run.work.start(settle_task(run, task_id, never_began(run, task_id)))
        return False
    decision = run.recovery.before(run.task(task_id))
    match decision:
        case Wait(after_s=after_s):
            wait(run, task_id, after_s)
        case MoveTo(agent=agent):
            wait(run, task_id, 0.0)
            run.recorder.append_nowait(task_id)
            run.notifier.emit(run_events.TaskFellBack(task_id=task_id, to_agent=agent))
        case GiveUp(error=error):
            result = run.without_attempt(task_id, TaskState.FAILED, error)
            run.work.start(settle_task(run, task_id, result))
    run.callbacks.queue()
    return isinstance(decision, Start)
