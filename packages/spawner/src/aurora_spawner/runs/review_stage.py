"""The stage of an attempt in which another agent reviews its work: it can send back, and never override a check.

It comes after the checks, and only if they have passed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from aurora_spawner.runs.reviewing import NoVerdict, Reviewing
from aurora_spawner.runs.stage_ends import left_to_resume, refused
from aurora_spawner.tasks.result import REVIEW_FAILED, REVIEW_REFUSED
from aurora_spawner.tasks.returned import Returned, ReturnedFor
from aurora_spawner.workspaces.shown_work import ShownWork

if TYPE_CHECKING:
    from aurora_spawner.runs.attempt import Attempt
    from aurora_spawner.runs.run_context import RunContext
    from aurora_spawner.tasks.result import SpawnResult
    from aurora_spawner.tasks.review import Review

_REQUEST: Final = (
    "Another agent has reviewed your work and sent it back. Look into each of its reasons: fix what is wrong; if "
    "you find that a reason is mistaken, leave that part as it is and say why in your answer. Then finish the task."
)


async def review_attempt(run: RunContext, attempt: Attempt) -> Attempt:
    """Has the work of a good attempt reviewed, if its task names a reviewer."""
    result, reviewer = attempt.result, run.task(attempt.task_id).reviewer
    if reviewer is None or result is None or not result.success:
        return attempt
    work = _shown(run, attempt, result)
    review = _known(run, attempt, work)
    if review is None:
        agent = reviewer.agent or run.orders.default_agent
        outcome = await Reviewing(run=run, attempt=attempt, result=result, agent=agent, work=work).review()
        if isinstance(outcome, NoVerdict):
            if outcome.stopped:
                return left_to_resume(run, attempt, result, outcome.error)
            return _failed(attempt, result, outcome)
        review = outcome
    return _judged(run, attempt, result, review)


def _shown(run: RunContext, attempt: Attempt, result: SpawnResult) -> ShownWork | None:
    if run.worktrees is None or attempt.worktree is None or result.work is None:
        return None
    return ShownWork(git=run.worktrees.workspaces.git, base=result.work.base, commit=result.work.head)


def _known(run: RunContext, attempt: Attempt, work: ShownWork | None) -> Review | None:
    """Returns the review that an earlier coordinator has got for this work; None if there is none."""
    commit = work.commit if work else None
    reviews = run.tasks.flight(attempt.task_id).reviews
    return next((each for each in reviews if (each.number, each.commit) == (attempt.number, commit)), None)


def _judged(run: RunContext, attempt: Attempt, result: SpawnResult, review: Review) -> Attempt:
    result = replace(result, review=review)
    if review.approved:
        return attempt._replace(result=result)
    flight, most = run.tasks.flight(attempt.task_id), run.options.review_rounds
    used = sum(each.reason is ReturnedFor.REVIEW for each in flight.returned)
    if used >= most:
        return refused(attempt, result, code=REVIEW_REFUSED, error=review.line)
    returned = Returned(
        number=attempt.number,
        reason=ReturnedFor.REVIEW,
        complaint=review.line,
        request=_REQUEST,
        source=f"the reviewer {review.agent}",
        remarks=(*([review.summary] if review.summary else []), *map(str, review.remarks)),
    )
    flight.returned.append(returned)
    again = f"round {used + 1} of {most}: {review.line}"
    return attempt._replace(result=None, returned=returned, again=again)


def _failed(attempt: Attempt, result: SpawnResult, outcome: NoVerdict) -> Attempt:
    return refused(attempt, result, code=REVIEW_FAILED, error=f"its work could not be reviewed: {outcome.error}")
