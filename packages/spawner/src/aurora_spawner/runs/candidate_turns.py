"""The turns of candidates to ask a person: only the work that would be taken is asked about."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aurora_spawner.errors import ApprovalCutOffError
from aurora_spawner.tasks.choosing import best_of

if TYPE_CHECKING:
    from aurora_spawner.runs.run_context import RunContext
    from aurora_spawner.tasks.choosing import Candidate
    from aurora_spawner.tasks.result import SpawnResult

_LOOK_S: Final = 0.1


async def wait_for_turn(run: RunContext, task_id: str, result: SpawnResult) -> Candidate | None:
    """Waits until a candidate is the best of those that have not failed, and none works any longer.

    Meanwhile it holds no slot. A task without candidates, and one of those among which the user picks, has no turn to
    wait for.

    Args:
        result: what the candidate would end with.

    Returns:
        None if it is its turn; else the candidate that is taken instead of it.

    Raises:
        ApprovalCutOffError: The task or the run ends.
    """
    chooser = run.task(task_id).candidate_of
    if chooser is None or run.task(chooser).pick == "ask":
        return None
    flight = run.tasks.flight(task_id)
    flight.offered = result
    with run.approvals.waiting(task_id):
        while not run.stopping(task_id):
            best = _best(run, chooser)
            if best is not None and best.result.task_id == task_id:
                return None
            if best is not None and run.scheduler.states[best.result.task_id].settled:
                return best
            await asyncio.sleep(_LOOK_S)
    flight.offered = None
    raise ApprovalCutOffError(task_id)


def _best(run: RunContext, chooser: str) -> Candidate | None:
    """Returns the best candidate of a task; None while one works that may be better."""
    task = run.task(chooser)
    results = [_result_so_far(run, each) for each in task.choice_of]
    known = [each for each in results if each is not None]
    return best_of(task, known) if len(known) == len(results) else None


def _result_so_far(run: RunContext, task_id: str) -> SpawnResult | None:
    if run.scheduler.states[task_id].settled:
        return run.tasks.results.get(task_id)
    flight = run.tasks.in_flight.get(task_id)
    return None if flight is None else flight.offered
