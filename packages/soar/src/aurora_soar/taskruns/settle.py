"""Cancel and clean-up of runs, each with the settlement of what their attempts have reserved of the budget."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aurora_core import AuroraCoreError
from aurora_policies import PoliciesError
from aurora_soar.notices import Notice, Notify
from aurora_soar.resumption.record import parts_of
from aurora_spawner import SpawnerError
from aurora_spawner.control import checkpoints, steering
from aurora_spawner.control.lookup import attempts_of, is_held
from aurora_spawner.errors import UnknownRunError
from aurora_spawner.rate_limits.gate_store import default_state_dir
from aurora_spawner.runs.leftovers import end_leftover, find_leftovers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aurora_soar.taskruns.limits import RunLimits
    from aurora_spawner.control.checkpoints import CleanReport
    from aurora_spawner.tasks.result import RunState, TaskState

__all__ = ["cancel_run", "clean_runs", "end_orphans"]


def cancel_run(
    journal: Path,
    run_id: str,
    *,
    task_id: str | None,
    at_once: bool,
    limits_of: Callable[[str], RunLimits | None],
    notify: Notify,
) -> TaskState | RunState | None:
    """Ends a run or one of its tasks, then settles what its ended attempts cost if no process works on the run.

    A question ends with the runs of its parts.

    A ledger or a configuration that cannot be read keeps nothing from being ended: a notice says so, and the money
    stays reserved.

    Args:
        keep_days: the retention rule by which this is done; None if there is none.
        limits_of: returns the limits of a run with open reservations, by its name; None if it has none.

    Returns:
        The task's state before, or the state of a run that has ended already; None for a run that is ended by this.

    Raises:
        UnknownRunError: the journal has no such run.
    """
    parts = parts_of(journal, run_id) if task_id is None else ()
    ended = [_cancel_part(journal, part, at_once=at_once, limits_of=limits_of, notify=notify) for part in parts]
    if any(ended) and is_held(journal, run_id):
        return None  # the question ends with what it worked on
    limits = None if is_held(journal, run_id) else _limits_or_notice(run_id, limits_of, notify)
    executor = limits.executor(resumes=run_id) if limits else None
    before = steering.cancel_run(journal, run_id, task_id=task_id, at_once=at_once, executor=executor)
    if limits:
        asyncio.run(limits.reconcile(run_id, attempts_of(journal, run_id), over=False))
    return before


def _cancel_part(
    journal: Path,
    run_id: str,
    *,
    at_once: bool,
    limits_of: Callable[[str], RunLimits | None],
    notify: Notify,
) -> bool:
    """Ends a part of a question; returns True if it had not ended."""
    try:
        stood = cancel_run(journal, run_id, task_id=None, at_once=at_once, limits_of=limits_of, notify=notify)
    except UnknownRunError:  # a clean-up has removed it
        return False
    return stood is None


def _limits_or_notice(run_id: str, limits_of: Callable[[str], RunLimits | None], notify: Notify) -> RunLimits | None:
    try:
        return limits_of(run_id)
    except (AuroraCoreError, PoliciesError, SpawnerError) as error:
        message = f"the budget that {run_id} has reserved stays reserved: {error}"
        notify(Notice(message=message, warning=True))
        return None


def clean_runs(
    journal: Path, *, older_than_days: float, keep_days: int | None, limits_of: Callable[[str], RunLimits | None]
) -> CleanReport:
    """Removes the contents of old runs, each after its open reservations are settled.

    Args:
        limits_of: returns the limits of a run with open reservations, by its name; None if it has none.
    """

    def settle(run_id: str) -> None:
        limits = limits_of(run_id)
        if limits:
            asyncio.run(limits.reconcile(run_id, attempts_of(journal, run_id), over=True))

    return checkpoints.clean_checkpoints(journal, older_than_days=older_than_days, keep_days=keep_days, before=settle)


def end_orphans(run_id: str, *, notify: Notify) -> bool:
    """Ends the processes of a run whose journal is gone; returns False if none of them runs."""
    found = [each for each in find_leftovers(default_state_dir()) if each.run_id == run_id]
    for each in found:
        survivors = end_leftover(each)
        if survivors:
            message = f"processes {', '.join(map(str, survivors))} could not be ended"
            notify(Notice(message=message, warning=True))
    return bool(found)
