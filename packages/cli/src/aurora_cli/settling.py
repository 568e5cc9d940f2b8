"""End runs and clean them away, and settle the money that their attempts still have set aside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_cli import journal, wiring
from aurora_cli.output import note
from aurora_core import AuroraCoreError
from aurora_policies import PoliciesError
from aurora_spawner import SpawnerError
from aurora_spawner.providers.gate_store import default_state_dir
from aurora_spawner.runs.leftovers import end_leftover, find_leftovers

if TYPE_CHECKING:
    from aurora_cli.money import Guard
    from aurora_core import Project
    from aurora_spawner.control.checkpoints import CleanReport
    from aurora_spawner.tasks.result import RunState, TaskState

__all__ = ["cancel_run", "clean_runs", "end_left"]


def cancel_run(project: Project, run_id: str, *, task_id: str | None, at_once: bool) -> TaskState | RunState | None:
    """Ends a run or one of its tasks; returns how the task stood, or the state of a run that has ended already.

    Where nobody works on the run any more, what its ended attempts have cost is settled. A ledger or a configuration
    that cannot be read keeps nothing from being ended: that is told, and the money stays set aside.

    Raises:
        UnknownRunError: there is none of that name.
    """
    guard = None if journal.is_held(project, run_id) else _guard_or_word(project, run_id)
    executor = guard.executor(resumes=run_id) if guard else None
    stood = journal.cancel_run(project, run_id, task_id=task_id, at_once=at_once, executor=executor)
    if guard:
        guard.settle_left(run_id, journal.attempts_of(project, run_id), over=False)
    return stood


def end_left(run_id: str) -> bool:
    """Ends what a dead coordinator left running, where no journal knows its run; False where nothing of it runs."""
    left = [each for each in find_leftovers(default_state_dir()) if each.run_id == run_id]
    for each in left:
        survivors = end_leftover(each)
        if survivors:
            note(f"warning: processes {', '.join(map(str, survivors))} could not be ended")
    return bool(left)


def clean_runs(project: Project, *, older_than_days: float) -> CleanReport:
    """Removes the contents of old runs; what is still set aside for them is settled before."""
    return journal.clean_runs(
        project, older_than_days=older_than_days, before=lambda run_id: _settle_for_good(project, run_id)
    )


def _settle_for_good(project: Project, run_id: str) -> None:
    guard = _guard(project, run_id)
    if guard:
        guard.settle_left(run_id, journal.attempts_of(project, run_id), over=True)


def _guard_or_word(project: Project, run_id: str) -> Guard | None:
    try:
        return _guard(project, run_id)
    except (AuroraCoreError, PoliciesError, SpawnerError) as error:
        note(f"warning: what {run_id} has reserved of the budget stays reserved: {error}")
        return None


def _guard(project: Project, run_id: str) -> Guard | None:
    """What keeps the run within its budget; None where nothing is set aside for it."""
    left = wiring.ledger_of(project).open_reservations(run_id)
    if not left:
        return None
    config = wiring.settings(project)
    backends = wiring.backends_of(project, config)
    return wiring.guard_of(wiring.policies_of(project), config, backends, None).using(left.values())
