"""The stages of an attempt that check its work by the policies: judged once committed, approved once checked."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from aurora_spawner.errors import ApprovalCutOffError
from aurora_spawner.journal.work_facts import WorkJudged
from aurora_spawner.runs.candidate_turns import wait_for_turn
from aurora_spawner.runs.stage_ends import left_to_resume, refused
from aurora_spawner.tasks.approvals import ApprovalQuestion, AskingAttempt
from aurora_spawner.tasks.diff_gate import WorkDiff
from aurora_spawner.tasks.result import POLICY_REFUSED, TaskState
from aurora_spawner.workspaces.diff_reading import read_diff
from aurora_spawner.workspaces.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_spawner.runs.attempt import Attempt
    from aurora_spawner.runs.run_context import RunContext
    from aurora_spawner.tasks.approvals import ApprovalAnswer
    from aurora_spawner.tasks.diff_gate import DiffFinding
    from aurora_spawner.tasks.result import SpawnResult

AFTER: Final = "after"
"""The gate, as questions name it."""


async def judge_diff(run: RunContext, attempt: Attempt) -> Attempt:
    """Lets the policies judge a good attempt's work; work that they deny fails the task and stays on its branch."""
    gate, result, worktree = run.options.diff_gate, attempt.result, attempt.worktree
    if gate is None or result is None or not result.success or worktree is None or run.worktrees is None:
        return attempt
    commit = result.work.commit if result.work is not None else None
    if commit is None:
        return attempt
    task = run.task(attempt.task_id)
    folder = run.worktrees.isolation.folder
    try:
        files = await asyncio.to_thread(lambda: read_diff(worktree.git, worktree.base, commit, folder=folder))
    except WorkspaceError as error:
        failed = replace(result, state=TaskState.FAILED, error=f"its work cannot be judged: {error}", work=None)
        return attempt._replace(result=failed, final=True)
    diff = WorkDiff(task_id=attempt.task_id, agent=attempt.agent, planned=task.files, files=files)
    findings = await asyncio.to_thread(gate.judge, diff)
    said = [_said(each) for each in findings]
    judged = WorkJudged(number=attempt.number, agent=attempt.agent, base=worktree.base, commit=commit, findings=said)
    run.recorder.append_nowait(attempt.task_id, judged)
    denied = [each for each in findings if each.denied]
    if denied:
        return refused(attempt, result, code=POLICY_REFUSED, error=f"the policies deny its work: {_in_words(denied)}")
    return attempt._replace(findings=tuple(findings))


async def approve_work(run: RunContext, attempt: Attempt) -> Attempt:
    """Asks a person about a good attempt's work, all questions at once; without every approval the task fails.

    Of candidates the best one is asked about, and the next one if that is not approved.
    """
    result = attempt.result
    if not attempt.findings or result is None or not result.success:
        return attempt
    try:
        better = await wait_for_turn(run, attempt.task_id, result)
    except ApprovalCutOffError as error:
        return left_to_resume(run, attempt, result, str(error))
    if better is not None:
        unasked = f"its work was not approved: nobody was asked about it, since {better.name} is taken"
        return refused(attempt, result, code=POLICY_REFUSED, error=unasked)
    by = AskingAttempt(number=attempt.number, agent=attempt.agent)
    asking = [
        asyncio.ensure_future(run.approvals.ask_or_leave(_question(attempt.task_id, each), by))
        for each in attempt.findings
    ]
    try:
        for answered in asyncio.as_completed(asking):
            answer = await answered
            if not answer.approved:
                return _not_approved(attempt, result, asking)
    except ApprovalCutOffError as error:
        return left_to_resume(run, attempt, result, str(error))
    finally:
        for each in asking:
            each.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    return attempt


def _question(task_id: str, finding: DiffFinding) -> ApprovalQuestion:
    return ApprovalQuestion(
        task_id=task_id,
        gate=AFTER,
        subject=finding.subject,
        rule=finding.rule,
        reason=finding.reason,
        shape=finding.shape,
    )


def _not_approved(attempt: Attempt, result: SpawnResult, asking: Sequence[asyncio.Future[ApprovalAnswer]]) -> Attempt:
    answers = [
        (finding, each.result())
        for finding, each in zip(attempt.findings, asking, strict=True)
        if each.done() and not each.cancelled() and each.exception() is None
    ]
    finding, answer = next((finding, answer) for finding, answer in answers if not answer.approved)
    note = f": {answer.note}" if answer.note else ""
    return refused(
        attempt,
        result,
        code=POLICY_REFUSED,
        error=f"its work was not approved: {_in_words([finding])} (by {answer.by}{note})",
    )


def _said(finding: DiffFinding) -> dict[str, object]:
    return {
        "rule": str(finding.rule),
        "denied": finding.denied,
        "subject": finding.subject,
        "reason": finding.reason,
    }


def _in_words(findings: Sequence[DiffFinding]) -> str:
    return "; ".join(f"{each.reason}: {each.subject} [{each.rule}]" for each in findings)
