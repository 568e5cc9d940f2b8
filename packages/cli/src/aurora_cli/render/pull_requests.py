"""Text and JSON of a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_cli.render.words import count, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aurora_soar.taskruns.pull_request import PullRequestPlan, PullRequestReport

__all__ = ["as_document", "plan_lines", "report_lines"]


def plan_lines(plan: PullRequestPlan) -> Iterator[str]:
    """Yields what would be pushed, and what would be opened."""
    yield f"{plan.work.branch}: {count(len(plan.work.merged), 'task')}, to {one_line(plan.remote)}"
    if plan.existing:
        yield f"it has a pull request already: {one_line(plan.existing, 300)}"
    else:
        draft = "a draft" if plan.request.draft else "a pull request"
        into = one_line(plan.request.target)
        yield f"{plan.forge.program} opens {draft} into {into}: {one_line(plan.request.title, 200)}"


def report_lines(plan: PullRequestPlan, report: PullRequestReport) -> Iterator[str]:
    """Yields what became of it; the last line of a pull request is its address."""
    push = report.push
    if push.refusal:
        yield f"not pushed: {one_line(push.refusal, 500)}"
        if push.approval:
            yield f"to push it: aur approve {push.approval}, then: aur pr {plan.work.run_id}"
        return
    if not report.opened:
        yield f"pushed to {one_line(plan.remote)}; the branch has a pull request already"
    elif not report.address:
        yield f"pushed to {one_line(plan.remote)}, and opened; {plan.forge.program} named no address"
    if report.address:
        yield one_line(report.address, 300)


def as_document(plan: PullRequestPlan, report: PullRequestReport) -> dict[str, object]:
    """Returns a pull request as data for `--json`."""
    return {
        "run_id": plan.work.run_id,
        "branch": plan.work.branch,
        "commit": plan.work.commit,
        "remote": plan.remote,
        "target": plan.request.target,
        "title": plan.request.title,
        "pushed": not report.push.refusal,
        "refusal": report.push.refusal,
        "approval": report.push.approval or None,
        "opened": report.opened,
        "address": report.address or None,
        "tasks": [row.task_id for row in plan.work.merged],
        "not_in_it": [row.task_id for row in plan.work.unmerged if row.task.candidate_of is None],
    }
