"""The stages of an attempt in a replay: it is intended, waited for and judged, and no process runs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from aurora_spawner.attempts.end_reason import ENDED_EARLY, EndReason
from aurora_spawner.journal.facts import AttemptIntended
from aurora_spawner.journal.work_facts import FilesClaimed
from aurora_spawner.runs.stages import OUTSIDE, reason_to_go_on
from aurora_spawner.tasks.failure import ReportedFailure
from aurora_spawner.tasks.result import SpawnResult, TaskState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_spawner.attempts.executor import AttemptEnd
    from aurora_spawner.classification.classifier import Classification
    from aurora_spawner.journal.facts import Fact
    from aurora_spawner.replay.outcomes import Outcome
    from aurora_spawner.runs.attempt import Attempt
    from aurora_spawner.runs.run_context import RunContext, Stage


class Attempts(Protocol):
    """Knows what attempts come to."""

    def begins(self, task_id: str) -> bool:
        """Returns False if a new attempt fails before it can be intended, as one without a program or a worktree."""
        ...

    def hedged(self, task_id: str) -> bool:
        """Returns True if a second attempt beside the task's own may have done the task."""
        ...

    async def outcome(self, run: RunContext, attempt: Attempt) -> Outcome:
        """Returns how an attempt comes out, once it has."""
        ...


@dataclass(slots=True)
class SimulatedStages:
    """The stages of the attempts of one coordinator."""

    attempts: Attempts
    _failures: dict[str, Classification] = field(default_factory=dict)
    """Of the latest attempt at each task."""

    @property
    def stages(self) -> Sequence[Stage]:
        """In their order."""
        return (self._intend, self._carry_out)

    def classify(self, _end: AttemptEnd, result: SpawnResult) -> Classification:
        """Returns the recorded classification of a failure: its evidence is not in the journal."""
        return self._failures[result.task_id]

    async def _intend(self, run: RunContext, attempt: Attempt) -> Attempt:
        task_id, agent = attempt.task_id, run.agent_of(attempt.task_id)
        flight = run.tasks.flight(task_id)
        flight.agent = agent
        if attempt.found is not None:
            flight.number = attempt.number
            return attempt._replace(agent=agent)
        if not self.attempts.begins(task_id):
            return attempt._replace(agent=agent)
        number = flight.number = flight.next_number()
        claim = run.scheduler.claims.take_unwritten(task_id)
        facts: list[Fact] = [] if claim is None else [FilesClaimed(files=list(claim.files))]
        facts.append(AttemptIntended(number=number, token="", agent=agent, folder=""))
        await run.recorder.append(task_id, *facts)
        return attempt._replace(agent=agent, number=number)

    async def _carry_out(self, run: RunContext, attempt: Attempt) -> Attempt:
        task_id = attempt.task_id
        run.recorder.append_nowait(task_id)  # what recovery has decided about an attempt that was found
        outcome = await self.attempts.outcome(run, attempt)
        attempt = attempt._replace(end=outcome.end, checked=outcome.checked, returned=outcome.returned)
        flight = run.tasks.flight(task_id)
        flight.rounds += [outcome.checked] if outcome.checked else []
        flight.returned += [outcome.returned] if outcome.returned else []
        sent_back = outcome.state is None and (outcome.checked or outcome.returned)
        spent = outcome.end.reason == EndReason.SHARE_SPENT
        again = "it goes on" if sent_back or (spent and outcome.state is None) else ""
        if attempt.number and not spent:
            again = again or reason_to_go_on(run, attempt)
        if again:
            return attempt._replace(again=again)
        self._failures[task_id] = outcome.why
        final = outcome.final or outcome.end.reason in OUTSIDE
        return attempt._replace(judged=outcome.end, result=self._result(run, attempt, outcome), final=final)

    def _result(self, run: RunContext, attempt: Attempt, outcome: Outcome) -> SpawnResult:
        task_id = attempt.task_id
        state = outcome.state or TaskState.FAILED
        if run.stopping(task_id) and outcome.end.reason in ENDED_EARLY:
            state = TaskState.CANCELLED
        elif state is TaskState.CANCELLED and not run.stopping(task_id):
            state = TaskState.FAILED
        reported = ReportedFailure(code=outcome.code) if outcome.code and state is TaskState.FAILED else None
        if outcome.result is not None:
            agent = outcome.result.agent if self.attempts.hedged(task_id) else attempt.agent
            return replace(outcome.result, state=state, agent=agent, reported=reported)
        return SpawnResult(
            task_id=task_id,
            agent=attempt.agent,
            state=state,
            error=outcome.error,
            exit_code=outcome.end.exit_code,
            reported=reported,
        )
