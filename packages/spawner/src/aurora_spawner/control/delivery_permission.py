"""The merge gate of `merge_work`: its question is left in the inbox, and a later call keeps to the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_spawner.control.lookup import find_run
from aurora_spawner.control.run_work import is_on_target
from aurora_spawner.gates.tool_calls import GateAction
from aurora_spawner.journal.approval_facts import ApprovalRequested, ApprovalWithdrawn
from aurora_spawner.journal.approval_views import ApprovalState, load_approvals
from aurora_spawner.journal.entries import entry_of
from aurora_spawner.runs.approval_inbox import new_approval_id
from aurora_spawner.runs.merge_gate import OUTDATED, judge_delivery, request_of
from aurora_spawner.tasks.approvals import WHOLE_RUN
from aurora_spawner.tasks.work import MergeOutcome
from aurora_spawner.workspaces.delivery import files_in_the_way
from aurora_spawner.workspaces.errors import WorkspaceError
from aurora_spawner.workspaces.git import Git

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from aurora_spawner.control.work_changes import HeldRun
    from aurora_spawner.gates.deliveries import DeliveryRequest, MergeGate
    from aurora_spawner.gates.tool_calls import Verdict
    from aurora_spawner.journal.approval_views import ApprovalRow
    from aurora_spawner.journal.facts import Fact
    from aurora_spawner.journal.views import TaskRow
    from aurora_spawner.runs.merge_gate import JudgedDelivery
    from aurora_spawner.tasks.approvals import ApprovalQuestion
    from aurora_spawner.tasks.work import TaskMerge


def agents_of(rows: Iterable[TaskRow]) -> dict[str, str]:
    """Returns the agent of each task that has a result."""
    return {row.task_id: row.result.agent for row in rows if row.result is not None}


def judge_merge(journal: Path, run_id: str, gate: MergeGate) -> Verdict | None:
    """Returns what the gate says to the delivery of a run's merged work; nothing is written or asked.

    Returns:
        None if there is nothing to deliver: no work is merged, there is no target, or it has the work.

    Raises:
        UnknownRunError: The journal has no such run.
    """
    run, rows = find_run(journal, run_id)
    isolation, delivery = run.options.isolation if run.options else None, run.delivery
    merged = {row.task_id: row.merge for row in rows if row.merge and row.merge.outcome is MergeOutcome.MERGED}
    if isolation is None or isolation.target is None or delivery is None or not merged:
        return None
    try:
        if is_on_target(Git.of_checkout(isolation.repository), isolation, delivery.commit):
            return None
    except WorkspaceError:
        return None  # the merge says what is wrong with the repository
    return gate.judge(request_of(isolation, merged, agents_of(rows)))


def changes_in_the_way(journal: Path, run_id: str) -> tuple[str, ...]:
    """Returns the files whose uncommitted changes keep the merged work of a run from its target; none if it can move.

    Raises:
        UnknownRunError: The journal has no such run.
    """
    run = find_run(journal, run_id)[0]
    isolation, delivery = run.options.isolation if run.options else None, run.delivery
    if isolation is None or isolation.target is None or delivery is None:
        return ()
    try:
        git, ref = Git.of_checkout(isolation.repository), f"refs/heads/{isolation.target}"
        return tuple(sorted(files_in_the_way(git, ref, delivery.commit, own_files=isolation.own_files)))
    except WorkspaceError:
        return ()  # the merge says what is wrong with the repository


@dataclass(slots=True, kw_only=True)
class DeliveryPermission:
    """Decides on a delivery by the gate, and by the answer to its question; each step is durable before the next.

    Attributes:
        agents: the agent of each task.
        pushed: the push that is judged; None for the delivery to the target of the run.
        approval: the open question that the delivery waits for; "" if it waits for none.
    """

    held: HeldRun
    gate: MergeGate | None
    agents: Mapping[str, str]
    pushed: DeliveryRequest | None = None
    approval: str = ""

    def __call__(self, merged: Mapping[str, TaskMerge]) -> str:
        """Returns why merged work may not be brought to its target; "" if it may.

        Raises:
            JournalError: The decision cannot be written down.
        """
        if self.gate is None:
            return ""
        isolation = self.held.worktrees.isolation
        judged = judge_delivery(self.gate, self.pushed or request_of(isolation, merged, self.agents), merged)
        self._write(None, judged.fact)
        asked = [each for each in load_approvals(self.held.store, self.held.run.run_id) if each.gate == judged.gate]
        question = judged.question if judged.verdict.action is GateAction.PROMPT else None
        same = [each for each in asked if question is not None and _is_same(each, question)]
        for each in asked:
            if each.state is ApprovalState.OPEN and each not in same:
                self._write(WHOLE_RUN, ApprovalWithdrawn(approval=each.approval, why=OUTDATED))
        if judged.verdict.action is GateAction.DENY:
            return judged.denial
        if question is None or any(each.state is ApprovalState.APPROVED for each in same):
            return ""
        found = next((each.approval for each in same if each.state is ApprovalState.OPEN), None)
        self.approval = found or self._ask(judged, {each.approval for each in asked})
        return f"it {judged.verdict.reason} [{judged.verdict.rule}], and needs your approval ({self.approval})"

    def _ask(self, judged: JudgedDelivery, taken: set[str]) -> str:
        question, approval = judged.question, new_approval_id(taken)
        requested = ApprovalRequested(
            approval=approval,
            number=0,
            agent="",
            gate=question.gate,
            subject=question.subject,
            rule=question.rule,
            reason=question.reason,
            shape=question.shape,
            limit_s=None,  # nothing waits for the answer
        )
        self._write(WHOLE_RUN, requested)
        return approval

    def _write(self, task_id: str | None, fact: Fact) -> None:
        self.held.append([entry_of(fact, run_id=self.held.run.run_id, task_id=task_id)])


def _is_same(row: ApprovalRow, question: ApprovalQuestion) -> bool:
    return (row.task_id, row.rule, row.subject) == (question.task_id, question.rule, question.subject)
