"""The stages of an attempt, in their fixed order: each is a function from what is known of it to what it adds.

An attempt begins when `admission.py` has let its task have a slot.

| stage | does | writes |
|---|---|---|
| worktree (`worktree_stages.py`) | makes and prepares it, if wanted | `WorkspaceIntended`, `WorkspacePrepared` |
| order | makes the order of the attempt | `FilesClaimed`, `AttemptIntended`, durable before it runs |
| run | starts it, or takes over the one that was found, and waits for its end | `AttemptStarted`, `AttemptStalled` |
| read | parses its output, once | |
| judge | decides on evidence: a result, or another attempt at once | |
| document (`result_stage.py`) | reads the document of a typed result; one that is wrong goes back to the agent | |
| commit (`worktree_stages.py`) | commits the work of a good attempt | |
| judge diff (`diff_stages.py`) | lets the policies judge the work: denied work fails the task | `WorkJudged` |
| accept (`resolution_stage.py`) | makes the work on a conflict the merge that it resolves | |
| check (`check_stage.py`) | runs the checks of that work; failures go back to the agent | `ChecksIntended` |
| review (`review_stage.py`) | has another agent review that work | those of its attempt, `WorkReviewed` |
| approve (`diff_stages.py`) | asks a person about what the policies prompt for | `ApprovalRequested` |
| settle (`settlement.py`) | asks recovery what follows | `AttemptEnded`, `TaskSettled` or `TaskReopened` |

What the checks found, and why work goes back, is written together with the end of the attempt.

A stage that gives no good result is followed by `settle` at once.
"""

from __future__ import annotations

import asyncio
import errno
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from aurora_spawner.attempts.end_reason import ENDED_EARLY, EndReason
from aurora_spawner.attempts.executor import AttemptEnd
from aurora_spawner.backends.replies import reply_of
from aurora_spawner.errors import BackendError
from aurora_spawner.journal.facts import AttemptIntended
from aurora_spawner.journal.work_facts import FilesClaimed
from aurora_spawner.runs.diff_stages import approve_work, judge_diff
from aurora_spawner.runs.gate_server import note_unasked
from aurora_spawner.runs.judged_elsewhere import note_judged
from aurora_spawner.runs.recorder import started_fact
from aurora_spawner.runs.resolution_stage import accept_resolution, check_work
from aurora_spawner.runs.result_stage import read_result
from aurora_spawner.runs.review_stage import review_attempt
from aurora_spawner.runs.settlement import settle_attempt
from aurora_spawner.runs.starting import start_order
from aurora_spawner.runs.strategies import strategy_for
from aurora_spawner.runs.task_result import TAKEN_OVER, TASK_CANCELLED, result_of
from aurora_spawner.runs.waiting import take_signal
from aurora_spawner.runs.worktree_stages import commit_attempt, prepare_worktree
from aurora_spawner.spending.shares import last_word
from aurora_spawner.tasks import run_events
from aurora_spawner.tasks.result import TaskState
from aurora_spawner.workspaces.elsewhere import works_elsewhere

if TYPE_CHECKING:
    from aurora_spawner.attempts.executor import RunningAttempt
    from aurora_spawner.journal.facts import Fact
    from aurora_spawner.runs.attempt import Attempt
    from aurora_spawner.runs.in_flight import Termination
    from aurora_spawner.runs.run_context import RunContext
    from aurora_spawner.tasks.result import SpawnResult

OUTSIDE: Final = (EndReason.WORKTREE_GONE, EndReason.WRONG_FOLDER)
"""Ends of attempts that did not work in their worktrees, as another would not."""
LOST_LIMIT: Final = 3
"""Attempts at a task whose supervisor may be killed from outside before the task fails."""


async def attempt_task(run: RunContext, attempt: Attempt) -> None:
    """Takes a task through its attempts until it is settled, or waits for the next one without a slot."""
    while not (attempt := await _pass_through(run, attempt)).over:
        attempt = attempt.next()


async def _pass_through(run: RunContext, attempt: Attempt) -> Attempt:
    for stage in run.stages:
        attempt = await stage(run, attempt)
        if attempt.again or (attempt.result is not None and not attempt.result.success):
            break
    return await settle_attempt(run, attempt)


async def order_attempt(run: RunContext, attempt: Attempt) -> Attempt:
    """Makes the order of a new attempt, and writes down that it is about to run."""
    task_id, agent, flight = attempt.task_id, run.agent_of(attempt.task_id), run.tasks.flight(attempt.task_id)
    if attempt.found is not None:
        flight.number, flight.agent = attempt.number, agent
        return attempt._replace(agent=agent)
    next_number = flight.attempts + 1
    order_now = partial(run.order, task_id, number=next_number, agent=agent, worktree=attempt.worktree)
    try:
        order = order_now()
        if order.resumes is None and flight.sent_back is None:  # else it knows, and the note would go unread
            earlier = await run.earlier(task_id, number=next_number, worktree=attempt.worktree)
            lessons = await run.lessons(task_id, agent)
            order = order_now(earlier=earlier, lessons=lessons) if earlier is not None or lessons else order
    except BackendError as error:
        end = AttemptEnd(reason=EndReason.EXEC_FAILED, exec_errno=errno.ENOENT)
        result = run.without_attempt(task_id, TaskState.FAILED, str(error))
        return attempt._replace(agent=agent, judged=end, result=result)
    number = flight.number = flight.next_number()
    flight.agent, flight.judged_calls, flight.posts_seen = agent, 0, run.board.last
    flight.handed_back = False
    claim = run.scheduler.claims.take_unwritten(task_id)
    facts: list[Fact] = [] if claim is None else [FilesClaimed(files=list(claim.files))]
    facts.append(AttemptIntended(number=number, token=order.token, agent=agent, folder=str(order.folder)))
    await run.recorder.append(task_id, *facts)
    return attempt._replace(agent=agent, number=number, token=order.token, order=order)


async def run_attempt(run: RunContext, attempt: Attempt) -> Attempt:
    """Sees an attempt to its end, or that of the one which counts instead."""
    task_id, flight = attempt.task_id, run.tasks.flight(attempt.task_id)
    running = attempt.found if attempt.order is None else await start_order(run, attempt.order)
    if running is None or isinstance(running, AttemptEnd):
        return attempt._replace(end=running or attempt.end)
    flight.running = running
    adopted = attempt.order is None
    run.recorder.append_nowait(task_id, started_fact(attempt.number, running, adopted=adopted))
    if running.sandbox is not None and not running.sandbox.sandboxed:
        run.notices.append(f"task {task_id}: its agent is {running.sandbox.words}")
    resumes = attempt.order is not None and attempt.order.resumes is not None
    run.notifier.emit(run_events.TaskStarted(task_id=task_id, adopted=adopted, continues_session=resumes))
    if run.stopping(task_id) or flight.taken is not None:
        run.executor.cancel(running, at_once=run.wishes.at_once)
    attempt = await _follow(run, attempt, running)
    flight.running = None
    termination, flight.termination = flight.termination, None
    return _terminated(attempt, termination)


async def _follow(run: RunContext, attempt: Attempt, running: RunningAttempt) -> Attempt:
    """Watches an attempt until its end."""
    task, agent = run.task(attempt.task_id), attempt.agent
    run.watch.follow(
        attempt.task_id, running, limits=run.limits(task, default_s=None), detection=run.recovery.detection(task)
    )
    if attempt.worktree is not None:
        run.watch.guard(attempt.task_id, attempt.worktree.path)
    listener = run.recovery.listener(agent)
    run.watch.listen(
        attempt.task_id,
        running,
        run.backends[agent],
        on_signal=None if listener is None else partial(take_signal, run, agent, listener),
        cwd=None if attempt.worktree is None or run.elsewhere else run.cwd_of(attempt.worktree),
    )
    begun = running.begun
    waiting = asyncio.ensure_future(run.watch.suspend_until(attempt.task_id, begun)) if begun else None
    try:
        return await strategy_for(run, attempt)(run, attempt, running)
    finally:
        if waiting is not None:
            waiting.cancel()
        run.watch.release(attempt.task_id)


def _terminated(attempt: Attempt, termination: Termination | None) -> Attempt:
    """Returns an attempt with the reason for which the coordinator has ended it, if it did."""
    if termination is None or attempt.end.reason not in (EndReason.CANCELLED, termination.reason):
        return attempt
    return attempt._replace(end=replace(attempt.end, reason=termination.reason), termination=termination)


async def read_output(run: RunContext, attempt: Attempt) -> Attempt:
    """Parses the output of the agent, once."""
    if attempt.reply is not None:  # a hedge was judged by it
        return attempt
    attempt = attempt._replace(reply=reply_of(attempt.end, run.backends[attempt.agent]))
    note_judged(run, attempt.task_id, attempt.end)
    note_unasked(run, attempt)
    return attempt


async def judge_attempt(run: RunContext, attempt: Attempt) -> Attempt:
    """Gives the task its result, unless another attempt follows at once."""
    task_id, end = attempt.task_id, attempt.end
    if end.reason == EndReason.SUPERVISOR_LOST and end.stdout_path is None and end.stderr:  # no word of the agent's
        run.notices.append(f"task {task_id}: {end.stderr}")
    again = reason_to_go_on(run, attempt)
    if again:
        if end.reason == EndReason.SHARE_SPENT and attempt.found is None:
            run.tasks.flight(task_id).shares.add(end, _result_of(run, attempt, end).usage)
        return attempt._replace(again=again)
    seen = _where_it_worked(run, attempt, last_word(end, attempt.spent, stopping=run.stopping(task_id)))
    result = _result_of(run, attempt, seen)
    if seen.survivors:
        pids = ", ".join(map(str, seen.survivors))
        run.notices.append(f"task {task_id}: processes {pids} could not be ended")
    if seen.denied:
        run.notices.append(f"task {task_id}: the sandbox denied changes of {', '.join(seen.denied)}")
    joined = run.tasks.flight(task_id).shares.joined(seen, result)
    return attempt._replace(judged=seen, result=joined, final=seen.reason in OUTSIDE)


def _where_it_worked(run: RunContext, attempt: Attempt, end: AttemptEnd) -> AttemptEnd:
    """Returns the end of an attempt; it is another if the agent worked outside of its worktree and ended unseen."""
    folder = attempt.reply.folder if attempt.reply else None
    if attempt.worktree is None or run.elsewhere or folder is None or end.reason != EndReason.EXITED:
        return end
    problem = works_elsewhere(folder, run.cwd_of(attempt.worktree))
    return end if problem is None else replace(end, reason=EndReason.WRONG_FOLDER, stderr=problem)


def reason_to_go_on(run: RunContext, attempt: Attempt) -> str:
    """Returns why another attempt follows at once; "" if none does."""
    task_id, end = attempt.task_id, attempt.end
    if end.reason == EndReason.EXITED or run.stopping(task_id):
        return ""
    if end.reason == EndReason.SHARE_SPENT:
        return f"{end.stderr}; it continues when there is money again" if _has_session(run, attempt) else ""
    if attempt.found is not None:
        return "its coordinator ended" if end.reason in ENDED_EARLY else ""
    lost = end.reason == EndReason.SUPERVISOR_LOST and attempt.lost + 1 < LOST_LIMIT
    return "its supervisor was killed" if lost else ""


def _has_session(run: RunContext, attempt: Attempt) -> bool:
    """Returns True if the next attempt can continue a session."""
    number = run.tasks.flight(attempt.task_id).attempts + 1
    try:
        order = run.order(attempt.task_id, number=number, agent=attempt.agent, worktree=attempt.worktree)
    except BackendError:
        return False
    return order.resumes is not None


def _result_of(run: RunContext, attempt: Attempt, end: AttemptEnd) -> SpawnResult:
    flight, backend = run.tasks.flight(attempt.task_id), run.backends[attempt.agent]
    result = result_of(
        run.task(attempt.task_id),
        end,
        attempt.reply if attempt.reply is not None and end is attempt.end else reply_of(end, backend),
        agent=attempt.agent,
        backend=backend,
        cwd=run.cwd_of(attempt.worktree),
        retries=max(flight.attempts, 1) - 1 - len(flight.shares) - flight.rounds_begun - flight.reviewing,
        stopped=_stopped(run, attempt.task_id),
        prices=run.options.prices,
    )
    return replace(result, error=attempt.termination.error) if attempt.termination else result


def _stopped(run: RunContext, task_id: str) -> str | None:
    """Returns the reason for which a task was asked to end; None if it was not."""
    if run.tasks.cancelled(task_id):
        return TASK_CANCELLED
    flight = run.tasks.flight(task_id)
    if run.wishes.ending is None and (flight.taken is not None or flight.handed_back):
        return TAKEN_OVER
    return run.wishes.ending


STAGES: Final = (
    prepare_worktree,
    order_attempt,
    run_attempt,
    read_output,
    judge_attempt,
    read_result,
    commit_attempt,
    judge_diff,
    accept_resolution,
    check_work,
    review_attempt,
    approve_work,
)
"""Each takes what is known of an attempt and returns it with its own findings; `settle_attempt` follows them."""
