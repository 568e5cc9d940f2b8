"""The merged work of a run for others: its integration branch, pushed to a remote once the policies agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_spawner.control.delivery_permission import DeliveryPermission, agents_of
from aurora_spawner.control.lookup import find_run
from aurora_spawner.control.run_work import is_on_target
from aurora_spawner.control.work_changes import held_run
from aurora_spawner.errors import NoWorkError
from aurora_spawner.gates.deliveries import DeliveryRequest
from aurora_spawner.journal.entries import entry_of
from aurora_spawner.journal.work_facts import WorkPushed
from aurora_spawner.tasks.work import MergeOutcome
from aurora_spawner.workspaces.git import Git
from aurora_spawner.workspaces.pushing import push_commit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aurora_spawner.gates.deliveries import MergeGate
    from aurora_spawner.journal.views import RunRow, TaskRow
    from aurora_spawner.tasks.work import RunDelivery
    from aurora_spawner.workspaces.isolation import Isolation


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishableWork:
    """The merged work of a run, which can be pushed as a branch of its own."""

    run_id: str
    repository: Path
    branch: str
    """The integration branch, without `refs/heads/`."""
    commit: str
    target: str
    """The branch that the work is for."""
    merged: tuple[TaskRow, ...]
    unmerged: tuple[TaskRow, ...]
    """Tasks that are not in it, candidates that were not taken among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushReport:
    """The end of a push."""

    refusal: str = ""
    """The reason for which the policies keep the work from the remote; "" if it was pushed."""
    approval: str = ""
    """The open question that the push waits for; "" if it waits for none."""


def publishable_work(journal: Path, run_id: str) -> PublishableWork:
    """Returns the merged work of a run; nothing is changed.

    Raises:
        UnknownRunError: The journal has no such run.
        NoWorkError: Nothing of it is merged, the merge was not finished, its branch is gone, or its target has it.
        WorkspaceError: Git failed.
    """
    run, rows = find_run(journal, run_id)
    isolation = run.options.isolation if run.options else None
    if isolation is None:
        raise NoWorkError(run_id, None, "its tasks did not work in worktrees, so it has no branch of its own")
    return _work(run, isolation, rows)


def push_work(journal: Path, run_id: str, *, remote: str, gate: MergeGate) -> PushReport:
    """Pushes the merged work of a run to a remote, as its integration branch; a second call pushes what is new.

    Args:
        gate: Judges the push. If a person has to agree, the question is left in the inbox, and a call after the
            approval pushes the work.

    Raises:
        RunHeldError: Another process works on the run.
        GitError: The remote cannot be reached, or refuses. Other errors as for `publishable_work`.
    """
    with held_run(journal, run_id) as held:
        isolation = held.worktrees.isolation
        work = _work(held.run, isolation, held.rows)
        agents = agents_of(held.rows)
        merges = {row.task_id: row.merge for row in work.merged if row.merge is not None}
        pushed = DeliveryRequest(
            target=work.branch,
            repository=isolation.repository,
            agents=tuple(sorted({agents[task_id] for task_id in merges if task_id in agents})),
            remote=remote,
        )
        permission = DeliveryPermission(held=held, gate=gate, agents=agents, pushed=pushed)
        refusal = permission(merges)
        if refusal:
            return PushReport(refusal=refusal, approval=permission.approval)
        push_commit(held.worktrees.workspaces.git, remote, work.commit, work.branch)
        fact = WorkPushed(remote=remote, branch=work.branch, commit=work.commit)
        held.append([entry_of(fact, run_id=run_id, task_id=None)])
        return PushReport()


def _work(run: RunRow, isolation: Isolation, rows: Sequence[TaskRow]) -> PublishableWork:
    merged = tuple(row for row in rows if row.merge and row.merge.outcome is MergeOutcome.MERGED)
    delivery = run.delivery
    if not merged or delivery is None:
        raise NoWorkError(run.run_id, None, f"nothing of it is merged yet; merge it first: aur merge {run.run_id}")
    if isolation.target is None:
        problem = "no branch was checked out when it began, so there is none that a pull request could be for"
        raise NoWorkError(run.run_id, None, problem)
    git = Git.of_checkout(isolation.repository)
    if is_on_target(git, isolation, delivery.commit):
        problem = f"{isolation.target} has its work already; push that branch, or run it with --merge never"
        raise NoWorkError(run.run_id, None, problem)
    _check_delivery(git, run.run_id, delivery)
    return PublishableWork(
        run_id=run.run_id,
        repository=isolation.repository,
        branch=delivery.branch,
        commit=delivery.commit,
        target=isolation.target,
        merged=merged,
        unmerged=tuple(row for row in rows if row not in merged),
    )


def _check_delivery(git: Git, run_id: str, delivery: RunDelivery) -> None:
    if delivery.problem:
        raise NoWorkError(run_id, None, f"its merge was not finished: {delivery.problem}; again: aur merge {run_id}")
    if delivery.base_fails:
        raise NoWorkError(run_id, None, "a check fails without any of its work, so nothing of it was checked")
    if git.commit_of(f"refs/heads/{delivery.branch}") != delivery.commit:
        problem = f"{delivery.branch} is not what was merged; again: aur merge {run_id}"
        raise NoWorkError(run_id, None, problem)
