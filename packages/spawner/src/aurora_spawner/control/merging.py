"""The merge of a run's work after the run: what is not merged yet, onto the integration branch and to the target."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_spawner.control.delivery_permission import DeliveryPermission, agents_of
from aurora_spawner.control.file_claims import built_on
from aurora_spawner.control.run_work import is_on_target
from aurora_spawner.control.work_changes import held_run, rows_without_work
from aurora_spawner.runs.merge_runner import merge_runner, unsandboxed_notice
from aurora_spawner.runs.resolving import resolutions_of
from aurora_spawner.runs.work_merge import checks_of, merge_entries
from aurora_spawner.sandbox.commands import confined_for
from aurora_spawner.supervision.environment import unattended_environment
from aurora_spawner.tasks.work import Delivery, MergeOutcome
from aurora_spawner.workspaces.delivery import blocking_files
from aurora_spawner.workspaces.errors import WorkspaceError
from aurora_spawner.workspaces.run_merge import merge_run, remove_merged
from aurora_spawner.workspaces.unsaved import unsaved

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from aurora_spawner.control.work_changes import HeldRun
    from aurora_spawner.gates.deliveries import MergeGate
    from aurora_spawner.journal.views import TaskRow
    from aurora_spawner.sandbox.settings import Confining
    from aurora_spawner.tasks.work import RunDelivery, RunMerge, TaskWork
    from aurora_spawner.workspaces.merge_queue import Check
    from aurora_spawner.workspaces.preparation import Preparation


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeReport:
    """The merge of a run's work, or of the work of some of its tasks."""

    merge: RunMerge
    left_out: Mapping[str, str]
    """Tasks that were asked for and have no work that could be merged, each with the reason."""
    unaccepted: Mapping[str, str]
    """Tasks that did not succeed, and whose work is merged because they were named; each with its error."""
    uncommitted: tuple[str, ...]
    """Tasks with uncommitted files in their worktrees, which are not part of what was merged."""
    kept: tuple[str, ...]
    """A sentence for each worktree that stays although its work has arrived."""
    on_target: bool
    """True if the target has everything that is merged, or nothing is."""
    blocking: tuple[str, ...]
    """Uncommitted files of the checkout that kept it and the target from being updated."""
    unsandboxed: tuple[str, ...] = ()
    """A sentence for each reason for which commands of the merge ran although no sandbox held."""
    approval: str = ""
    """The open question that the delivery waits for; "" if it waits for none."""

    @property
    def merged(self) -> tuple[str, ...]:
        """Tasks whose work is on the integration branch, or on the target."""
        return tuple(each.task_id for each in self.merge.tasks.values() if each.outcome is MergeOutcome.MERGED)

    @property
    def arrived(self) -> bool:
        """True if everything that was asked for is on the target, or there was nothing."""
        return self.merge.ok and self.on_target and not self.left_out


def merge_work(
    journal: Path,
    run_id: str,
    *,
    tasks: Collection[str] = (),
    deliver: bool = True,
    checks: Sequence[str] = (),
    env_pass: Sequence[str] = (),
    preparation: Preparation | None = None,
    gate: MergeGate | None = None,
    checked: dict[str, Check] | None = None,
    confining: Confining | None = None,
) -> MergeReport:
    """Merges the work of a run that is not merged yet; a second call goes on where one was killed.

    A branch that goes on from its task's commit, as after a person has resolved a conflict in its worktree, is taken
    as it is now.

    Args:
        tasks: Merge only these, with the tasks that they depend on; none merges all that succeeded. A task that
            failed can be named, too: what is in its worktree is committed then.
        deliver: Bring the merged work to the target branch, and to the user's checkout if that is clean.
        checks: Shell commands that must pass with the merged work before the target gets it.
        env_pass: Names or patterns of variables that they inherit beyond those of every agent.
        preparation: What the checkouts of the checks have besides their commits.
        gate: Judges the delivery. If a person has to agree, the question is left in the inbox, and a call after the
            approval delivers the work. None delivers it.
        checked: Answers of the checks by tree, of an earlier call with the same checks; those of this one join them.
        confining: The confinement of each agent: the checks, and the commands that make generated files again, run in
            the sandbox of those whose work is merged. None runs them outside of any.

    Raises:
        UnknownRunError, UnknownTaskError: There is no such run, or it has no such task.
        NoWorkError: The tasks of the run have no worktrees.
        RunHeldError: Another process works on the run.
        WorkspaceError: Git failed; what was merged before stays.
    """
    with held_run(journal, run_id, preparation) as held:
        works, left_out = _works(held, tasks)
        uncommitted = tuple(task_id for task_id in works if _has_uncommitted(held, task_id))
        agents, unsandboxed = agents_of(held.rows), set[str]()
        whose = {agents[task_id] for task_id in works if task_id in agents}
        confined = confined_for(confining, whose, told=unsandboxed.add)
        runner = merge_runner(unattended_environment(os.environ, keep=env_pass), confined=confined)
        permission = DeliveryPermission(held=held, gate=gate, agents=agents)
        merge = merge_run(
            held.worktrees,
            works,
            deliver=deliver,
            agents=agents,
            check=checks_of(held.worktrees, checks, runner),
            merger=held.worktrees.merger(runner),
            resolutions=resolutions_of(
                {row.task_id: row.task for row in held.rows},
                {row.task_id: row.result for row in held.rows if row.result is not None},
            ),
            known={row.task_id: row.merge for row in held.rows if row.merge is not None},
            checked=checked,
            may_deliver=permission,
        )
        held.append(merge_entries(run_id, merge))
        kept = remove_merged(held.worktrees, works, merge)
        held.worktrees.release()
        delivery, isolation = merge.delivery, held.worktrees.isolation
        refused = delivery.outcome is Delivery.CHECKED_OUT
        return MergeReport(
            merge=merge,
            left_out=left_out,
            unaccepted=_unaccepted(held, merge),
            uncommitted=uncommitted,
            kept=kept,
            on_target=is_on_target(held.worktrees.workspaces.git, isolation, delivery.commit),
            blocking=_blocking(held, delivery) if refused else (),
            unsandboxed=tuple(unsandboxed_notice(each) for each in sorted(unsandboxed)),
            approval=permission.approval,
        )


def _unaccepted(held: HeldRun, merge: RunMerge) -> dict[str, str]:
    return {
        row.task_id: row.result.error or f"it is {row.state}"
        for row in held.rows
        if row.task_id in merge.tasks and row.result is not None and not row.result.success
    }


def _blocking(held: HeldRun, delivery: RunDelivery) -> tuple[str, ...]:
    git, own_files = held.worktrees.workspaces.git, held.worktrees.isolation.own_files
    return tuple(sorted(blocking_files(git, "HEAD", delivery.commit, own_files=own_files)))


def _works(held: HeldRun, tasks: Collection[str]) -> tuple[dict[str, TaskWork], dict[str, str]]:
    """Returns the work to merge, in the order of the run, and why other tasks have none."""
    rows = {row.task_id: row for row in held.rows}
    asked = {held.row(task_id).worker for task_id in tasks} or rows.keys()
    aside = rows_without_work(held.rows)
    wanted = _with_all_below(held, rows, asked) if tasks else rows.keys()
    works: dict[str, TaskWork] = {}
    left_out: dict[str, str] = {}
    for task_id, row in rows.items():
        if task_id in aside:
            if tasks and task_id in asked:
                left_out[task_id] = _why_aside(held, row)
            continue
        if row.is_discarded:
            if tasks and task_id in asked:
                left_out[task_id] = f"it was discarded; `git merge {row.merge.attic if row.merge else ''}` takes it"
            continue
        finished = row.result.work if row.result is not None and row.result.success else None
        if finished is not None and (task_id in wanted or _is_merged(row)):
            works[task_id] = finished
        elif task_id in asked and (not row.state.settled or task_id in held.busy):
            left_out[task_id] = f"it is {row.state}; finish it first: aur resume {held.run.run_id}"
        elif task_id in asked and tasks:
            try:
                works[task_id] = _committed(held, row)
            except WorkspaceError as error:
                left_out[task_id] = str(error)
    return works, left_out


def _why_aside(held: HeldRun, row: TaskRow) -> str:
    if row.task.candidate_of:
        return f"it is a candidate that was not taken; see aur candidates {held.run.run_id} {row.task.candidate_of}"
    return (row.result.error if row.result else None) or f"it is {row.state}, and none of its candidates was taken"


def _is_merged(row: TaskRow) -> bool:
    return row.merge is not None and row.merge.outcome is MergeOutcome.MERGED


def _with_all_below(held: HeldRun, rows: Mapping[str, TaskRow], asked: Collection[str]) -> set[str]:
    """Returns the tasks and all whose commits theirs contain: what they depend on, and what they started from."""
    git = held.worktrees.workspaces.git
    found: set[str] = set()
    left = list(asked)
    while left:
        task_id = left.pop()
        if task_id in rows and task_id not in found:
            found.add(task_id)
            left += (*rows[task_id].task.depends_on, *built_on(git, rows[task_id], held.rows))
    return found


def _committed(held: HeldRun, row: TaskRow) -> TaskWork:
    """Commits what a task that ended without success has left in its worktree.

    Raises:
        WorkspaceError: The worktree is gone, or what is in it cannot be a commit.
    """
    worktree = held.worktrees.find(row.task_id)
    agent = row.result.agent if row.result else row.task.agent or held.run.default_agent
    return held.worktrees.commit(worktree, row.task, agent=agent)[0]


def _has_uncommitted(held: HeldRun, task_id: str) -> bool:
    if not held.worktrees.path_of(task_id).exists():
        return False
    try:
        return bool(unsaved(held.worktrees.find(task_id).git).changed)
    except WorkspaceError:
        return False  # it is no worktree any more; the merge keeps and names it
