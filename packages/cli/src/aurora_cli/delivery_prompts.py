"""Deliveries at the terminal: one question before a branch moves, which is an approval if the branch is protected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aurora_spawner.control.approvals import answer_approval
from aurora_spawner.gates.tool_calls import GateAction
from aurora_spawner.supervision.belonging import own_attempt

if TYPE_CHECKING:
    from collections.abc import Collection

    from aurora_soar import Aurora
    from aurora_spawner.control.merging import MergeReport

__all__ = ["deliver_if_wanted"]


def deliver_if_wanted(
    aurora: Aurora, run_id: str, question: str, *, tasks: Collection[str] = ()
) -> MergeReport | None:
    """Asks if merged work may go to its target, and delivers it.

    If the policies want a person's approval, the question is in the journal before it is asked, and so is the answer
    before the target moves. What the policies deny is not asked about. An agent is not asked for an approval.

    Args:
        question: without its question mark.
        tasks: as for `Aurora.merge`.

    Returns:
        The report of the delivery; None if the user does not want it.
    """
    verdict = aurora.judge_merge(run_id)
    action = GateAction.ALLOW if verdict is None else verdict.action
    if action is GateAction.ALLOW and not _confirmed(question):
        return None
    report = aurora.merge(run_id, tasks=tasks)
    if not report.approval or action is GateAction.ALLOW or own_attempt() is not None:
        return report
    approved = _confirmed(f"{question}, a protected branch")
    answer_approval(aurora.project.runs_db, report.approval, approved=approved, note="asked at the merge")
    return aurora.merge(run_id, tasks=tasks) if approved else None


def _confirmed(question: str) -> bool:
    return click.confirm(f"{question}?", default=False, err=True)
