"""Deliveries at the terminal: one question before a branch moves, which is an approval if the branch is protected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_cli.output import note
from aurora_cli.render.approvals import answer_line
from aurora_cli.render.words import one_line
from aurora_cli.user_prompts import confirm_unless
from aurora_spawner.control.approvals import answer_approval, find_approval
from aurora_spawner.control.lookup import find_run
from aurora_spawner.gates.tool_calls import GateAction
from aurora_spawner.journal.approval_views import ApprovalState
from aurora_spawner.supervision.belonging import own_attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from aurora_soar import Aurora
    from aurora_spawner.control.merging import MergeReport

__all__ = ["ask_for_approval", "deliver_if_wanted"]

_NAMED: Final = 5


def deliver_if_wanted(
    aurora: Aurora, run_id: str, question: str, *, tasks: Collection[str] = ()
) -> MergeReport | None:
    """Asks if merged work may go to its target, and delivers it.

    If the policies want a person's approval, the question is in the journal before it is asked, and so is the answer
    before the target moves. What the policies deny, or uncommitted changes will refuse, is not asked about. An agent
    is not asked for an approval. A question is over that another terminal answers meanwhile, or makes needless by
    delivering the work.

    Args:
        question: without its question mark.
        tasks: as for `Aurora.merge`.

    Returns:
        The report of the delivery; None if the user does not want it.
    """
    changes = aurora.changes_in_the_way(run_id)
    if changes:
        named = one_line(", ".join(changes[:_NAMED]), 300)
        note(f"nobody is asked: the branch is checked out with uncommitted changes ({named}); commit or stash them")
        return aurora.merge(run_id, tasks=tasks, deliver=False)
    verdict = aurora.judge_merge(run_id)
    action = GateAction.ALLOW if verdict is None else verdict.action
    if action is GateAction.ALLOW:
        confirmed = confirm_unless(f"{question}?", _delivered_since_now(aurora.project.runs_db, run_id))
        if confirmed is None:
            note("another process has delivered work of the run meanwhile")
            now = aurora.merge(run_id, tasks=tasks, deliver=False)
            return aurora.merge(run_id, tasks=tasks) if now.on_target else now
        if not confirmed:
            return None
    report = aurora.merge(run_id, tasks=tasks)
    if not report.approval or action is GateAction.ALLOW or own_attempt() is not None:
        return report
    asked = f"{question}, a protected branch?"
    approved = ask_for_approval(aurora.project.runs_db, report.approval, asked, told="asked at the merge")
    return aurora.merge(run_id, tasks=tasks) if approved else None


def ask_for_approval(journal: Path, approval: str, question: str, *, told: str) -> bool:
    """Asks for an approval that is in the journal; returns True if it is given, here or elsewhere meanwhile.

    Args:
        told: what the journal says of an answer that is given here.
    """

    def is_answered() -> bool:
        return find_approval(journal, approval).state is not ApprovalState.OPEN

    approved = confirm_unless(question, is_answered)
    if approved is None:
        row = find_approval(journal, approval)
        note(f"{approval} was {row.state} elsewhere{f': {one_line(row.note, 200)}' if row.note else ''}")
        return row.state is ApprovalState.APPROVED
    report = answer_approval(journal, approval, approved=approved, note=told)
    if not report.first:
        note(answer_line(report))
    return report.answer.approved


def _delivered_since_now(journal: Path, run_id: str) -> Callable[[], bool]:
    """Returns a function that tells whether work of a run has been delivered since this call, and nobody holds it."""
    before = find_run(journal, run_id)[0].delivery

    def is_delivered() -> bool:
        run = find_run(journal, run_id)[0]
        outcome = run.delivery.outcome if run.delivery is not None and run.delivery != before else None
        held = run.holder is not None and run.holder.alive()
        return outcome is not None and outcome.arrived and not held

    return is_delivered
