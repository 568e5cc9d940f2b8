"""The merge gate: no work of a run reaches its target before the policies, and if they ask a person, have agreed."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from aurora_spawner.errors import ApprovalCutOffError
from aurora_spawner.gates.deliveries import DeliveryRequest
from aurora_spawner.gates.tool_calls import GateAction, Verdict
from aurora_spawner.journal.work_facts import DeliveryJudged
from aurora_spawner.tasks.approvals import WHOLE_RUN, ApprovalQuestion, AskingAttempt
from aurora_spawner.tasks.work import MergeOutcome
from aurora_spawner.workspaces.delivery import files_in_the_way
from aurora_spawner.workspaces.errors import WorkspaceError
from aurora_spawner.workspaces.merging import is_ancestor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_spawner.gates.deliveries import MergeGate
    from aurora_spawner.runs.run_context import RunContext
    from aurora_spawner.tasks.approvals import ApprovalAnswer
    from aurora_spawner.tasks.result import SpawnResult
    from aurora_spawner.tasks.work import RunMerge, TaskMerge
    from aurora_spawner.workspaces.git import Git
    from aurora_spawner.workspaces.isolation import Isolation

_LOG: Final = logging.getLogger(__name__)
MERGE: Final = "merge"
"""The gate, as questions name it."""
PUSH: Final = "push"
"""The same gate before work is pushed to a remote."""
OUTDATED: Final = "the work or the policies have changed since"
_NAMED: Final = 5
_CHANGED: Final = "its work has changed since it was judged; aur merge asks again"
ENDED: Final = "the run ended before the merge was approved"
_BLOCKED: Final = "the branch is checked out with uncommitted changes, so nobody was asked; aur merge asks again"
_NOT_ASKED: Final = "the run ended before the policies were asked; aur merge asks them"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedDelivery:
    """Work that is about to be delivered, and the verdict on it."""

    target: str
    subject: str
    """The work and the branch, for a person; the same for the same commits."""
    verdict: Verdict
    gate: str = MERGE

    @property
    def fact(self) -> DeliveryJudged:
        """The fact for the journal."""
        return DeliveryJudged(
            target=self.target,
            subject=self.subject,
            action=self.verdict.action.value,
            rule=self.verdict.rule,
            reason=self.verdict.reason,
            instead=self.verdict.instead,
        )

    @property
    def question(self) -> ApprovalQuestion:
        """The question to a person; an approval covers these commits and no others."""
        return ApprovalQuestion(
            task_id=WHOLE_RUN,
            gate=self.gate,
            subject=self.subject,
            rule=self.verdict.rule,
            reason=self.verdict.reason,
        )

    @property
    def denial(self) -> str:
        """The reason for which the policies keep the work from the target, and what to do instead."""
        instead = f"; instead: {self.verdict.instead}" if self.verdict.instead else ""
        return f"the policies deny it: it {self.verdict.reason} [{self.verdict.rule}]{instead}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """The answer of the merge gate for one state of the work."""

    target: str
    subject: str
    refusal: str = ""
    """The reason for which the work may not be delivered; empty if it may."""

    def __call__(self, merged: Mapping[str, TaskMerge]) -> str:
        """Returns why merged work may not be delivered; "" if it may."""
        if self.refusal:
            return self.refusal
        return "" if subject_of(merged, self.target) == self.subject else _CHANGED


NO_PERMIT: Final = Permit(target="", subject="", refusal=_NOT_ASKED)
"""Until the gate has answered, nothing is delivered."""


def subject_of(merged: Mapping[str, TaskMerge], target: str) -> str:
    """Names the merged work and its target; other commits of a task make another subject."""
    works = {each.task_id: each.commit for each in merged.values() if each.outcome is MergeOutcome.MERGED}
    lines = "".join(f"{task_id}\0{commit}\n" for task_id, commit in sorted(works.items()))
    digest = hashlib.sha256(lines.encode(errors="surrogatepass")).hexdigest()[:12]
    more = f" and {len(works) - _NAMED} more" if len(works) > _NAMED else ""
    names = f"{', '.join(list(works)[:_NAMED])}{more}"
    return f"{'task' if len(works) == 1 else 'tasks'} {names} for {target} (state {digest})"


def request_of(isolation: Isolation, merged: Mapping[str, TaskMerge], agents: Mapping[str, str]) -> DeliveryRequest:
    """Returns the delivery of merged work.

    Args:
        agents: The agent of each task.
    """
    made = {agents[task_id] for task_id in merged if task_id in agents}
    return DeliveryRequest(target=str(isolation.target), repository=isolation.repository, agents=tuple(sorted(made)))


def judge_delivery(gate: MergeGate, request: DeliveryRequest, merged: Mapping[str, TaskMerge]) -> JudgedDelivery:
    """Lets the gate judge the delivery of merged work; a gate that fails denies it."""
    try:
        verdict = gate.judge(request)
    except Exception as error:  # noqa: BLE001 -- whatever it is, the work must not be delivered
        _LOG.exception("the merge gate failed")
        reason = f"cannot be judged, because the merge gate failed ({type(error).__name__})"
        verdict = Verdict(action=GateAction.DENY, rule="undecidable", reason=reason, instead="Merge it again later.")
    return JudgedDelivery(
        target=request.place,
        subject=subject_of(merged, request.place),
        verdict=verdict,
        gate=PUSH if request.remote else MERGE,
    )


async def ask_merge_gate(run: RunContext, merge: RunMerge, results: Mapping[str, SpawnResult]) -> Permit:
    """Returns the answer of the merge gate to the delivery of a run's finished work.

    The verdict, and a person's answer, are in the journal when this returns. An end of the run leaves the question
    open, for a resume.
    """
    gate, worktrees = run.options.merge_gate, run.worktrees
    if gate is None or worktrees is None or worktrees.isolation.target is None:
        return NO_PERMIT
    isolation, git = worktrees.isolation, worktrees.workspaces.git
    target = str(isolation.target)
    free = Permit(target=target, subject=subject_of(merge.tasks, target))
    try:
        if not await asyncio.to_thread(_would_move, git, target, merge):
            return free
        ref, new = f"refs/heads/{target}", merge.delivery.commit
        if await asyncio.to_thread(files_in_the_way, git, ref, new, own_files=isolation.own_files):
            return replace(free, refusal=_BLOCKED)
    except WorkspaceError as error:
        return replace(free, refusal=f"the target cannot be looked at: {error}")
    agents = {task_id: result.agent for task_id, result in results.items()}
    request = request_of(isolation, merge.tasks, agents)
    judged = await asyncio.to_thread(judge_delivery, gate, request, merge.tasks)
    question = judged.question if judged.verdict.action is GateAction.PROMPT else None
    outdated = run.approvals.withdraw_others(MERGE, question, OUTDATED)
    await run.recorder.append(None, judged.fact)
    if outdated:
        await run.recorder.append(WHOLE_RUN, *outdated)
    if question is None:
        return free if judged.verdict.action is GateAction.ALLOW else replace(free, refusal=judged.denial)
    return replace(free, refusal=await _refusal(run, question))


async def _refusal(run: RunContext, question: ApprovalQuestion) -> str:
    """Asks a person; returns why the work may not be delivered, "" if it may."""
    try:
        answer = await run.approvals.ask_or_leave(question, AskingAttempt(number=0, agent=""))
    except ApprovalCutOffError:
        return ENDED
    return "" if answer.approved else _not_approved(answer)


def _would_move(git: Git, target: str, merge: RunMerge) -> bool:
    """Returns True if there is merged work that the target does not have."""
    if not any(each.outcome is MergeOutcome.MERGED for each in merge.tasks.values()):
        return False
    return not is_ancestor(git, merge.delivery.commit, f"refs/heads/{target}")


def _not_approved(answer: ApprovalAnswer) -> str:
    note = f": {answer.note}" if answer.note else ""
    return f"it was not approved (by {answer.by}{note}); aur merge asks again"
