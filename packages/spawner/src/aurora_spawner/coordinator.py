"""Drive one run: start what may start, collect what ends, write everything down first."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from aurora_spawner.environment import TOKEN_VARIABLE, agent_environment
from aurora_spawner.errors import BackendError
from aurora_spawner.evidence import judge
from aurora_spawner.executor import AttemptEnd, AttemptOrder
from aurora_spawner.journal.facts import (
    AttemptEnded,
    AttemptIntended,
    AttemptStarted,
    Entry,
    Fact,
    RunEnding,
    RunPaused,
    RunUnpaused,
    TaskCancelled,
    TaskReopened,
    TaskSettled,
)
from aurora_spawner.local import new_token
from aurora_spawner.prompts import prompt_for, shorten
from aurora_spawner.result import RunEvent, SpawnResult, TaskState, TaskStep
from aurora_spawner.resume import stored_task
from aurora_spawner.spool import attempt_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from pathlib import Path

    from aurora_spawner.backends.base import Backend
    from aurora_spawner.executor import Executor, RunningAttempt
    from aurora_spawner.journal.writer import GroupWriter
    from aurora_spawner.resume import Standing
    from aurora_spawner.scheduler import Scheduler
    from aurora_spawner.task import SpawnTask

JOURNAL_OUTPUT_LIMIT = 64_000
"""Characters of an output that the journal keeps; the spool has the rest."""
LOST_LIMIT = 3
"""Attempts at a task whose supervisor may be killed from outside before the task fails."""
_STEP_OF = {
    TaskState.SUCCEEDED: TaskStep.SUCCEED,
    TaskState.FAILED: TaskStep.FAIL,
    TaskState.CANCELLED: TaskStep.CANCEL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What a coordinator needs to know of its run."""

    run_id: str
    cwd: Path
    spool: Path
    """The run's own folder."""
    default_agent: str
    default_timeout_s: float | None
    environ: Mapping[str, str]
    """What agents inherit, before it is scrubbed."""

    def agent_of(self, task: SpawnTask) -> str:
        """Who does a task."""
        return task.agent or self.default_agent


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundAttempt:
    """An attempt that an earlier coordinator left open, and how it was found."""

    task_id: str
    number: int
    found: RunningAttempt | AttemptEnd


class Coordinator:
    """The one process that decides for a run, while it holds the run's lease."""

    def __init__(
        self,
        assignment: Assignment,
        *,
        standing: Standing,
        scheduler: Scheduler,
        backends: Mapping[str, Backend],
        executor: Executor,
        writer: GroupWriter,
        on_event: Callable[[RunEvent], None] | None,
    ) -> None:
        self._assignment = assignment
        self._graph = standing.graph
        self._scheduler = scheduler
        self._backends = backends
        self._executor = executor
        self._writer = writer
        self._on_event = on_event
        self._positions = standing.positions
        self._attempts = dict(standing.attempts)
        """Attempts so far by task, those of earlier executions included."""
        self._running: dict[str, RunningAttempt] = {}
        self._cancelled: set[str] = set()
        """Tasks that a user asked to end."""
        self._finished = asyncio.Event()
        self.results = dict(standing.results)
        """Of settled tasks, and of those that the end of the run cut off."""
        self.ending: str | None = None
        """Why the run was told to end early."""
        self._at_once = False
        self._broken = False
        self.paused = False
        self.notices: list[str] = []

    async def drive(self, open_attempts: Sequence[FoundAttempt]) -> None:
        """Run the tasks to their ends, or to the end that was asked for.

        Raises:
            JournalError: The journal could not be written; every attempt has been ended before this is raised.
        """
        self._emit("run_started")
        try:
            async with asyncio.TaskGroup() as self._group:
                for attempt in open_attempts:
                    self._scheduler.begin(attempt.task_id)
                    self._begin(self._go_on(attempt))
                self._write_skipped(self._scheduler.skip_hopeless())
                self._dispatch()
                self._group.create_task(self._finished.wait())
        except* Exception as failures:  # noqa: BLE001 -- whatever it is, no agent may be left running
            await self._abandon()
            raise failures.exceptions[0] from None

    # Steering: callable at any time from the loop's thread.

    def end(self, why: str, *, at_once: bool = False) -> None:
        """End the run: what runs is told to stop, what waits does not start. A second call may only hurry it."""
        if self.ending is None:
            self.ending = why
            self._note(None, RunEnding(why=why, at_once=at_once))
            self._emit("run_ending", message=why)
        self._at_once = self._at_once or at_once
        for running in self._running.values():
            self._executor.cancel(running, at_once=self._at_once)
        self._dispatch()

    def cancel_task(self, task_id: str, *, by: str) -> None:
        """End one task; its dependants are skipped."""
        state = self._scheduler.states[task_id]
        if state.settled:
            return
        self._cancelled.add(task_id)
        self._note(task_id, TaskCancelled(by=by))
        if task_id in self._running:
            self._executor.cancel(self._running[task_id], at_once=False)
        elif state is TaskState.PENDING:
            self._begin(self._settle(task_id, self._cancelled_result(task_id, "cancelled by the user")))

    def pause(self, *, by: str) -> None:
        """Start nothing more until `unpause`; what runs goes on."""
        if not self.paused:
            self.paused = True
            self._note(None, RunPaused(by=by))
            self._emit("run_paused")

    def unpause(self, *, by: str) -> None:
        """Go on after a pause."""
        if self.paused:
            self.paused = False
            self._note(None, RunUnpaused(by=by))
            self._emit("run_unpaused")
            self._dispatch()

    # The life of a task.

    def _dispatch(self) -> None:
        """Start what may start; notice the end."""
        while (
            self.ending is None
            and not (self.paused or self._broken)
            and (task_id := self._scheduler.start_next()) is not None
        ):
            self._begin(self._run_task(task_id))
        if self._scheduler.done or (self.ending is not None and not self._scheduler.running):
            self._finished.set()

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        self._group.create_task(self._guard(work))

    async def _guard(self, work: Coroutine[None, None, None]) -> None:
        """Where one piece of work fails, begin no other: the group that would own it is closing."""
        try:
            await work
        except BaseException:
            self._broken = True
            raise

    async def _run_task(self, task_id: str) -> None:
        """Attempt a task until it is settled."""
        for lost in range(1, LOST_LIMIT + 1):
            try:
                end = await self._attempt(task_id)
            except BackendError as error:
                await self._settle(task_id, self._failed_result(task_id, str(error)))
                return
            if end.reason != "supervisor_lost" or lost == LOST_LIMIT or self._stopping(task_id):
                await self._close(task_id, end)
                return
            await self._note(task_id, self._ended(task_id, end))
            self._emit("task_retried", task_id, message="its supervisor was killed")

    async def _go_on(self, attempt: FoundAttempt) -> None:
        """See an attempt of an earlier coordinator to its end; start another if it never began, or was cut off."""
        task_id, end = attempt.task_id, attempt.found
        if not isinstance(end, AttemptEnd):
            self._note(task_id, self._started(attempt.number, end, adopted=True))
            self._emit("task_started", task_id, message="adopted")
            end = await self._follow(task_id, end)
        if end.reason in ("supervisor_lost", "voided", "cancelled") and not self._stopping(task_id):
            await self._note(task_id, self._ended(task_id, end))
            await self._run_task(task_id)
        else:
            await self._close(task_id, end)

    async def _attempt(self, task_id: str) -> AttemptEnd:
        number = self._attempts.get(task_id, 0) + 1
        order = self._order(task_id, number)
        self._attempts[task_id] = number
        agent = self._agent(task_id)
        await self._note(
            task_id, AttemptIntended(number=number, token=order.token, agent=agent, folder=str(order.folder))
        )
        if self._stopping(task_id):
            return AttemptEnd(reason="voided")
        try:
            running = await self._start(task_id, order)
        except OSError as error:  # no process to be had, or no room for the prompt
            return AttemptEnd(reason="exec_failed", exec_errno=error.errno or 0)
        self._note(task_id, self._started(number, running))
        self._emit("task_started", task_id)
        return await self._follow(task_id, running)

    async def _start(self, task_id: str, order: AttemptOrder) -> RunningAttempt:
        """Start an attempt, and know it as running even if this is cancelled half-way."""
        starting = asyncio.ensure_future(self._executor.start(order))
        try:
            await asyncio.shield(starting)
        finally:
            self._running[task_id] = await starting
        return self._running[task_id]

    async def _follow(self, task_id: str, running: RunningAttempt) -> AttemptEnd:
        self._running[task_id] = running
        if self._stopping(task_id):
            self._executor.cancel(running, at_once=self._at_once)
        end = await self._executor.collect(running)
        del self._running[task_id]
        return end

    def _order(self, task_id: str, number: int) -> AttemptOrder:
        task = self._graph.tasks[task_id]
        backend = self._backends[self._agent(task_id)]
        invocation = backend.invoke(task)
        token = new_token()
        names = {
            TOKEN_VARIABLE: token,
            "AURORA_RUN_ID": self._assignment.run_id,
            "AURORA_TASK_ID": task_id,
            "AURORA_ATTEMPT_NUMBER": str(number),
        }
        folder = attempt_folder(
            self._assignment.spool, position=self._positions[task_id], task_id=task_id, number=number
        )
        before = [self.results[each] for each in dict.fromkeys(task.depends_on) if each in self.results]
        return AttemptOrder(
            run_id=self._assignment.run_id,
            task_id=task_id,
            number=number,
            token=token,
            folder=folder.path,
            prompt=prompt_for(task, before),
            command=invocation.command,
            environment=agent_environment(
                self._assignment.environ, keep=invocation.keep_env, extra={**invocation.env, **names}
            ),
            cwd=self._assignment.cwd,
            deadline_s=task.timeout_s or backend.timeout_s or self._assignment.default_timeout_s,
        )

    async def _close(self, task_id: str, end: AttemptEnd) -> None:
        """Draw the conclusion from a task's last attempt; what the end of the run cut off stays open for a resume."""
        result = self._result_of(task_id, end)
        if result.state is TaskState.CANCELLED and task_id not in self._cancelled:
            self.results[task_id] = result
            self._scheduler.reopen(task_id)
            reopened = TaskReopened(why=str(self.ending), task=stored_task(self._graph.tasks[task_id]))
            written = self._note(task_id, self._ended(task_id, end), reopened)
            self._dispatch()
            await written
            self._emit("task_ended", task_id, result=result)
        else:
            await self._settle(task_id, result, self._ended(task_id, end))

    async def _settle(self, task_id: str, result: SpawnResult, *before: Fact) -> None:
        """Make a result final: in memory, then what follows from it, then durably, then known to the watcher.

        Dependants are dispatched before the result is durable; their intents stand behind it in the journal.
        """
        self.results[task_id] = result
        skipped = self._scheduler.settle(task_id, _STEP_OF[result.state])
        written = self._note(task_id, *before, _settled(result))
        self._write_skipped(skipped)
        self._dispatch()
        await written
        self._emit("task_ended", task_id, result=result)
        for skipped_id, _cause in skipped:
            self._emit("task_ended", skipped_id, result=self.results[skipped_id])

    def _write_skipped(self, skipped: Sequence[tuple[str, str]]) -> None:
        for task_id, cause in skipped:
            self.results[task_id] = self._skipped_result(task_id, cause)
            self._note(task_id, _settled(self.results[task_id]))

    async def _abandon(self) -> None:
        """End every attempt, when nothing can be written down any more."""
        for running in self._running.values():
            self._executor.cancel(running, at_once=False)
        for running in self._running.values():
            await self._executor.collect(running)

    # Results.

    def _agent(self, task_id: str) -> str:
        return self._assignment.agent_of(self._graph.tasks[task_id])

    def _stopping(self, task_id: str) -> bool:
        return self.ending is not None or task_id in self._cancelled

    def _result_of(self, task_id: str, end: AttemptEnd) -> SpawnResult:
        task = self._graph.tasks[task_id]
        reply = self._backends[self._agent(task_id)].read(end.stdout, end.stderr)
        verdict = judge(end, reply, outputs=task.files, cwd=self._assignment.cwd)
        state = TaskState.SUCCEEDED if verdict.success else TaskState.FAILED
        reason = None if end.reason == "exited" else end.reason
        if end.reason in ("cancelled", "voided", "supervisor_lost") and self._stopping(task_id):
            state = TaskState.CANCELLED
            reason = "task_cancelled" if task_id in self._cancelled else self.ending
        if end.survivors:
            pids = ", ".join(map(str, end.survivors))
            self.notices.append(f"task {task_id}: processes {pids} could not be ended")
        return SpawnResult(
            task_id=task_id,
            agent=self._agent(task_id),
            state=state,
            output=reply.text,
            error=verdict.error,
            exit_code=end.exit_code,
            retry_count=self._attempts.get(task_id, 1) - 1,
            termination_reason=reason,
            execution_time=end.duration_s,
            started_at=end.started_at,
            ended_at=end.ended_at,
            output_bytes=end.stdout_bytes,
            output_path=str(end.stdout_path) if end.stdout_path else None,
        )

    def _failed_result(self, task_id: str, error: str) -> SpawnResult:
        return self._empty_result(task_id, TaskState.FAILED, error)

    def _cancelled_result(self, task_id: str, error: str) -> SpawnResult:
        return replace(self._empty_result(task_id, TaskState.CANCELLED, error), termination_reason="task_cancelled")

    def _skipped_result(self, task_id: str, cause: str) -> SpawnResult:
        state = self._scheduler.states[cause]
        return self._empty_result(task_id, TaskState.SKIPPED, f"task {cause}, which it depends on, was {state}")

    def _empty_result(self, task_id: str, state: TaskState, error: str) -> SpawnResult:
        return SpawnResult(
            task_id=task_id, agent=self._agent(task_id), state=state, error=error, ended_at=time.time()
        )

    def unfinished_result(self, task_id: str) -> SpawnResult:
        """For a task that the end of the run kept from starting."""
        return replace(
            self._empty_result(task_id, TaskState.CANCELLED, "the run was ended before it could start"),
            termination_reason=self.ending,
        )

    # Telling.

    def _note(self, task_id: str | None, *facts: Fact) -> asyncio.Future[None]:
        """Write facts down together; awaited, they are durable."""
        return self._writer.write(
            *(Entry(run_id=self._assignment.run_id, task_id=task_id, fact=fact) for fact in facts)
        )

    def _started(self, number: int, running: RunningAttempt, *, adopted: bool = False) -> AttemptStarted:
        return AttemptStarted(number=number, supervisor=asdict(running.supervisor), adopted=adopted)

    def _ended(self, task_id: str, end: AttemptEnd) -> AttemptEnded:
        return AttemptEnded(
            number=self._attempts[task_id],
            reason=end.reason,
            exit_code=end.exit_code,
            record=end.record,
            survivors=list(end.survivors),
        )

    def _emit(self, kind: str, task_id: str | None = None, **more: Any) -> None:
        if self._on_event is None:
            return
        if task_id is not None:
            more = {
                "task_id": task_id,
                "title": self._graph.tasks[task_id].headline,
                "agent": self._agent(task_id),
                "state": self._scheduler.states[task_id],
                **more,
            }
        done, total = self._scheduler.settled, len(self._graph.tasks)
        event = RunEvent(kind=kind, run_id=self._assignment.run_id, at=time.time(), done=done, total=total, **more)
        self._on_event(event)


def _settled(result: SpawnResult) -> TaskSettled:
    return TaskSettled(result=replace(result, output=shorten(result.output, JOURNAL_OUTPUT_LIMIT)).to_json())
