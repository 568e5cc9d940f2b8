"""A reviewer at work: started, or found again, beside the attempt whose work it reviews, and read strictly.

Each start of it is an attempt of the run: journalled before, supervised, within budget and caps, adopted by a resume.
It has a spool of its own, so that its sessions are never those of the task's agent. What it changes in the worktree
is undone.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd
from aurora_spawner.backends.replies import reply_of
from aurora_spawner.errors import BackendError
from aurora_spawner.journal.facts import REVIEW, AttemptIntended
from aurora_spawner.journal.work_facts import ChecksIntended, WorkReviewed
from aurora_spawner.runs.recorder import ended_fact, started_fact
from aurora_spawner.runs.starting import start_order
from aurora_spawner.runs.task_result import TASK_CANCELLED, result_of
from aurora_spawner.runs.waiting import take_signal
from aurora_spawner.tasks.documents import DocumentError, read_document
from aurora_spawner.tasks.result import TaskState
from aurora_spawner.tasks.result_schema import schema_text
from aurora_spawner.tasks.returned import Returned, ReturnedFor
from aurora_spawner.tasks.review import VERDICT_SCHEMA, Remark, Review, Verdict, remarks_of
from aurora_spawner.tasks.review_prompt import review_prompt
from aurora_spawner.tasks.run_events import TaskReviewing
from aurora_spawner.tasks.task import SpawnTask
from aurora_spawner.workspaces.checkouts import relink
from aurora_spawner.workspaces.errors import WorkspaceError
from aurora_spawner.workspaces.task_checks import put_back

if TYPE_CHECKING:
    from aurora_spawner.attempts.executor import RunningAttempt
    from aurora_spawner.runs.attempt import Attempt
    from aurora_spawner.runs.found_attempt import FoundAttempt
    from aurora_spawner.runs.run_context import RunContext
    from aurora_spawner.tasks.result import SpawnResult
    from aurora_spawner.workspaces.shown_work import ShownWork

_ASK_S: Final = 2.0
"""The longest time between two looks at a provider that the reviewer waits for."""
_LOOK_S: Final = 0.1
"""Time between two looks whether the reviewer's agent is below its limit."""
_MOST_STARTS: Final = 500
"""Starts of a reviewer for one review, most of which its provider has refused: with pauses that grow, days."""
_AGAIN: Final = (
    "Your answer is not the verdict that was asked for. Correct what is named below and answer again, in full."
)
REVIEWS: Final = "reviews"
"""The folder of the reviewers' attempts in the spool of a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoVerdict:
    """A review that ended without a verdict."""

    error: str
    stopped: bool = False
    """True if the task or the run was ended meanwhile."""


@dataclass(slots=True, kw_only=True)
class Reviewing:
    """One review, which may take several attempts of the reviewer."""

    run: RunContext
    attempt: Attempt
    """The attempt whose work is reviewed."""
    result: SpawnResult
    """Of that attempt."""
    agent: str
    """The reviewer."""
    work: ShownWork | None = None
    """None for a task without a worktree."""
    _refused: list[Returned] = field(default_factory=list)
    """Its answers that were no verdict."""
    _started: int = 0
    _failures: int = 0
    _unlinked: int = 0
    """The number of its attempts that removed or replaced the `.git` of the worktree."""

    async def review(self) -> Review | NoVerdict:
        """Returns the verdict, once it is durable."""
        await self._announce()
        try:
            asked = await asyncio.to_thread(self._task)
            flight = self.run.tasks.flight(self.attempt.task_id)
            found, flight.reviewer = flight.reviewer, None
            while True:
                try:
                    outcome = await self._ask(asked, found)
                finally:
                    self.run.scheduler.take_back(self.attempt.task_id)
                if outcome is not None:
                    return outcome
                found = None
        except (BackendError, WorkspaceError) as error:
            return NoVerdict(error=str(error))

    async def _announce(self) -> None:
        """Writes down that changes in the worktree are no longer the work of its agent."""
        if self.work is not None and self.attempt.checked is None:
            intended = ChecksIntended(number=self.attempt.number, commit=self.work.commit)
            await self.run.recorder.append(self.attempt.task_id, intended)

    def _task(self) -> SpawnTask:
        task = self.run.task(self.attempt.task_id)
        reviewer = task.reviewer
        assert reviewer is not None
        prompt = review_prompt(
            task,
            self.result,
            base=self.work.base if self.work else None,
            diff=self.work.diff() if self.work else None,
            before=self.run.tasks.flight(self.attempt.task_id).reviews,
        )
        return SpawnTask(
            prompt,
            id=task.id,
            agent=self.agent,
            instructions=reviewer.instructions,
            model=reviewer.model,
            result_schema=VERDICT_SCHEMA,
        )

    async def _ask(self, asked: SpawnTask, found: FoundAttempt | None) -> Review | NoVerdict | None:
        """Sees one attempt of the reviewer to its end; returns None if another has to follow."""
        if found is None:
            refused = await self._wait_for_provider() or await self._wait_for_room()
            if refused is not None:
                return refused
        on = await asyncio.to_thread(self._branch)
        if found is None:
            number, running = await self._start(asked)
        else:
            number, running = found.number, found.found
        self._started += 1
        end = running if isinstance(running, AttemptEnd) else await self._follow(number, running, adopted=bool(found))
        try:
            await self._undo(on)
        except WorkspaceError:
            await self.run.recorder.append(self.attempt.task_id, ended_fact(number, end))
            raise
        return await self._read(asked, number, end)

    def _branch(self) -> str:
        """Returns the branch to put back; the task's own where a reviewer at work has broken the worktree already."""
        worktree = self.attempt.worktree
        if self.work is None or worktree is None:
            return ""
        try:
            return worktree.git.branch()
        except WorkspaceError:
            return f"refs/heads/{worktree.branch}"

    async def _wait_for_provider(self) -> NoVerdict | None:
        """Waits until the reviewer's provider lets it start; returns why it never will."""
        run, task_id = self.run, self.attempt.task_id
        while not run.recovery.admits(self.agent):
            if run.stopping(task_id):
                break
            left_s = run.recovery.held().get(self.agent, _ASK_S)
            await asyncio.sleep(min(max(left_s, 0.01), _ASK_S))
        if run.stopping(task_id):
            return NoVerdict(error="it was ended before its review", stopped=True)
        refused = run.recovery.unavailable(self.agent)
        return None if refused is None else NoVerdict(error=refused)

    async def _wait_for_room(self) -> NoVerdict | None:
        """Waits until the reviewer's agent is below its limit; the slot of the task then counts for it."""
        run, task_id = self.run, self.attempt.task_id
        while not run.scheduler.lend(task_id, self.agent):
            run.dispatch()  # the agent of the task has room meanwhile
            if run.stopping(task_id):
                return NoVerdict(error="it was ended before its review", stopped=True)
            await asyncio.sleep(_LOOK_S)
        run.dispatch()
        return None

    async def _start(self, asked: SpawnTask) -> tuple[int, RunningAttempt | AttemptEnd]:
        """Makes the order of a new attempt, writes it down, and starts it.

        Raises:
            BackendError: The reviewer's program cannot be found.
        """
        run, attempt = self.run, self.attempt
        flight, backend = run.tasks.flight(attempt.task_id), run.backends[self.agent]
        limits = run.recovery.limits(
            self._apart(asked),
            explicit_s=backend.timeout_s,
            default_s=run.orders.time_limit_s(asked, backend),
        )
        order = replace(run.orders, spool=run.orders.spool / REVIEWS).order(
            asked,
            number=flight.attempts + 1,
            position=run.tasks.positions[attempt.task_id],
            backend=backend,
            cwd=run.cwd_of(attempt.worktree),
            worktree=None if attempt.worktree is None else attempt.worktree.path,
            variables={} if attempt.worktree is None else attempt.worktree.variables,
            before=(),
            deadline_s=limits.hard_s,
            open_tasks=run.scheduler.open,
            sent_back=self._refused[-1] if self._refused else None,
        )
        number = flight.next_number()
        flight.reviewing += 1
        intended = AttemptIntended(
            number=number, token=order.token, agent=self.agent, folder=str(order.folder), role=REVIEW
        )
        await run.recorder.append(attempt.task_id, intended)
        return number, await start_order(run, order)

    async def _follow(self, number: int, running: RunningAttempt, *, adopted: bool) -> AttemptEnd:
        """Watches the reviewer until its end, in place of the attempt whose work it reviews."""
        run, task_id = self.run, self.attempt.task_id
        flight, asked = run.tasks.flight(task_id), self._apart(run.task(task_id))
        flight.running, flight.number, flight.agent = running, number, self.agent
        run.recorder.append_nowait(task_id, started_fact(number, running, adopted=adopted))
        run.notifier.emit(TaskReviewing(task_id=task_id, reviewer=self.agent))
        limits = run.recovery.limits(asked, explicit_s=run.backends[self.agent].timeout_s, default_s=None)
        run.watch.follow(task_id, running, limits=limits, detection=run.recovery.detection(asked))
        if self.attempt.worktree is not None:
            run.watch.guard(task_id, self.attempt.worktree.path)
        listener = run.recovery.listener(self.agent)
        heard = None if listener is None else partial(take_signal, run, self.agent, listener)
        run.watch.listen(task_id, running, run.backends[self.agent], on_signal=heard, cwd=None)
        try:
            if run.stopping(task_id):
                run.executor.cancel(running, at_once=run.wishes.at_once)
            end = await run.executor.collect(running)
        finally:
            run.watch.release(task_id)
        flight.running, flight.number, flight.agent = None, self.attempt.number, self.attempt.agent
        termination, flight.termination = flight.termination, None
        if termination is None or end.reason not in (EndReason.CANCELLED, termination.reason):
            return end
        return replace(end, reason=termination.reason, stderr=termination.error)

    def _apart(self, asked: SpawnTask) -> SpawnTask:
        """Returns the task under a name of its own: recovery knows which agent has the task of that name."""
        return replace(asked, id=f"{self.attempt.task_id}/review", agent=self.agent, timeout_s=None)

    async def _undo(self, on: str) -> None:
        """Puts back what the reviewer has changed.

        Raises:
            WorkspaceError: The worktree is destroyed.
        """
        worktree = self.attempt.worktree
        if self.work is None or worktree is None:
            return
        relinked = await asyncio.to_thread(relink, worktree.path, self.work.git)
        changed = await asyncio.to_thread(put_back, worktree, self.work.commit, on)
        if relinked:
            self._unlinked += 1
            changed = (".git", *changed)
        if changed:
            files = ", ".join(changed[:5])
            problem = f"task {self.attempt.task_id}: its reviewer {self.agent} changed {files}; that was put back"
            self.run.notices.append(problem)

    async def _read(self, asked: SpawnTask, number: int, end: AttemptEnd) -> Review | NoVerdict | None:
        """Writes down how the reviewer ended, with its verdict if it gave one; returns None if it is asked again."""
        run, task_id = self.run, self.attempt.task_id
        result = self._result(asked, end)
        review = await asyncio.to_thread(self._verdict, number, result) if result.success else None
        facts = (WorkReviewed(review=review.to_json()),) if review else ()
        wait_s = run.recovery.after_review(self.agent, end, result, failures=self._failures)
        await run.recorder.append(task_id, *facts, ended_fact(number, end))
        if review is not None:
            run.tasks.flight(task_id).reviews.append(review)
            return review
        return await self._without_verdict(result, end, wait_s)

    async def _without_verdict(self, result: SpawnResult, end: AttemptEnd, wait_s: float | None) -> NoVerdict | None:
        """Returns the end of the review; None if the reviewer is asked again."""
        if result.state is TaskState.CANCELLED:
            return NoVerdict(error="it was ended while it was reviewed", stopped=True)
        if result.success:
            spent = len(self._refused) > self.run.options.check_rounds
            return NoVerdict(error=f"its verdict cannot be read: {self._refused[-1].complaint}") if spent else None
        if end.reason == EndReason.WORKTREE_GONE:  # it was ended, since git would take another repository for it
            spent = not self._unlinked or self._unlinked > self.run.options.check_rounds
            return NoVerdict(error=end.stderr) if spent else None
        never_begun = end.reason == EndReason.VOIDED
        if not never_begun and (wait_s is None or self._started >= _MOST_STARTS):
            return NoVerdict(error=str(result.error))
        if never_begun or not wait_s:  # its provider refused it before it worked, and is waited for
            return None
        self._failures += 1
        return await self._pause(wait_s)

    async def _pause(self, wait_s: float) -> NoVerdict | None:
        end = asyncio.get_running_loop().time() + wait_s
        while (left_s := end - asyncio.get_running_loop().time()) > 0:
            if self.run.stopping(self.attempt.task_id):
                return NoVerdict(error="it was ended before its review", stopped=True)
            await asyncio.sleep(min(left_s, _ASK_S))
        return None

    def _result(self, asked: SpawnTask, end: AttemptEnd) -> SpawnResult:
        run, backend = self.run, self.run.backends[self.agent]
        stopped = TASK_CANCELLED if run.tasks.cancelled(self.attempt.task_id) else run.wishes.ending
        return result_of(
            asked,
            end,
            reply_of(end, backend),
            agent=self.agent,
            backend=backend,
            cwd=run.cwd_of(self.attempt.worktree),
            retries=0,
            stopped=stopped,
            prices=run.options.prices,
        )

    def _verdict(self, number: int, result: SpawnResult) -> Review | None:
        """Returns the verdict of an answer; None if it is none, which is then remembered."""
        try:
            document = read_document(result.output, schema_text(VERDICT_SCHEMA))
            remarks = remarks_of(document)
            self._check_places(remarks)
        except DocumentError as error:
            self._refused.append(
                Returned(
                    number=number,
                    reason=ReturnedFor.RESULT,
                    complaint=str(error),
                    request=_AGAIN,
                    source="the reader of the verdict",
                    remarks=(str(error),),
                )
            )
            return None
        return Review(
            number=self.attempt.number,
            agent=self.agent,
            verdict=Verdict(document["verdict"]),
            summary=document["summary"],
            remarks=remarks,
            commit=self.work.commit if self.work else None,
            attempts=self._started,
            usage=result.usage,
        )

    def _check_places(self, remarks: tuple[Remark, ...]) -> None:
        """Sees that the places of remarks are there.

        Raises:
            DocumentError: A remark is about a file or line that neither the work nor its change has.
        """
        if self.work is None:
            return
        changed: frozenset[str] | None = None
        for at, remark in enumerate(remarks):
            if remark.file is None:
                continue
            lines = self.work.lines(remark.file)
            changed = frozenset(self.work.files()) if changed is None else changed
            if lines is None and remark.file not in changed:
                raise DocumentError(f"$.reasons[{at}].file: the work has no file {remark.file!a:.200}")
            if lines is not None and (remark.line or 0) > len(lines):
                size = "1 line" if len(lines) == 1 else f"{len(lines)} lines"
                raise DocumentError(f"$.reasons[{at}].line: {remark.file} has {size}, not {remark.line}")
