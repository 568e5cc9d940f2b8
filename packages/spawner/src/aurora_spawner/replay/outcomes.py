"""Outcomes of attempts, as the journal tells them: the input of a replay, which decides what follows from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd
from aurora_spawner.backends.sessions import SESSION_LOST
from aurora_spawner.classification.causes import THROTTLING, Cause, ErrorCategory
from aurora_spawner.classification.classifier import Classification
from aurora_spawner.journal import facts, work_facts
from aurora_spawner.journal.entries import canonical_json
from aurora_spawner.recovery.machine import RecoveryStateTransition
from aurora_spawner.recovery.states import RecoveryState, RecoveryStep
from aurora_spawner.tasks.checked import checked_from_json
from aurora_spawner.tasks.result import CHECK_FAILED, RESULT_REFUSED, SpawnResult, TaskState, result_from_json
from aurora_spawner.tasks.returned import returns_from_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aurora_spawner.tasks.checked import CheckedWork
    from aurora_spawner.tasks.returned import Returned

NOT_CLASSIFIED: Final = Classification(category=ErrorCategory.UNKNOWN, cause=Cause.NO_EVIDENCE, evidence="none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of an attempt."""

    end: AttemptEnd
    state: TaskState | None = None
    """The state of the task by this attempt: succeeded, failed or cancelled; None if another followed at once."""
    result: SpawnResult | None = None
    """The result of the task, if it was final."""
    error: str | None = None
    why: Classification = NOT_CLASSIFIED
    code: str = ""
    """The code of the failure, if recovery minds it."""
    final: bool = False
    """True if the failure was final whatever recovery would have done."""
    checked: CheckedWork | None = None
    """The checks of its work."""
    returned: Returned | None = None
    """Set if its work went back to its agent."""


@dataclass(slots=True, kw_only=True)
class Findings:
    """Findings about the work of an attempt before it ended."""

    checked: list[CheckedWork] = field(default_factory=list)
    returned: list[Returned] = field(default_factory=list)

    def see(self, fact: facts.Fact) -> None:
        """Takes the next event of the task."""
        match fact:
            case facts.AttemptIntended(role=facts.WORK):
                self.checked.clear()
                self.returned.clear()
            case work_facts.WorkChecked():
                self.checked.append(checked_from_json(fact.checked))
            case work_facts.WorkReturned():
                self.returned.extend(returns_from_text(canonical_json([fact.returned])))
            case _:
                pass


def end_of(ended: facts.AttemptEnded) -> AttemptEnd:
    """Returns the end of an attempt as its event has it.

    Raises:
        ValueError: Its reason is unknown.
    """
    return AttemptEnd(
        reason=EndReason(ended.reason),
        exit_code=ended.exit_code,
        record=ended.record,
        survivors=tuple(ended.survivors),
    )


def outcome_of(
    end: AttemptEnd, following: Iterable[facts.Fact], findings: Findings, *, recovers: bool
) -> Outcome | None:
    """Returns how an attempt came out; None if the journal ends before that.

    Args:
        following: The events of its task behind its end.
        recovers: The run has a recovery policy.

    Raises:
        StoredValueError, KeyError: An event is malformed.
    """
    checked = findings.checked[-1] if findings.checked else None
    returned = findings.returned[-1] if findings.returned else None
    later = iter(following)
    fact = next(later, None)
    result = result_from_json(fact.result) if isinstance(fact, facts.TaskSettled) else None
    if isinstance(fact, facts.TaskReopened):
        return Outcome(end=end, state=TaskState.CANCELLED, checked=checked)
    fact = next((each for each in later if not isinstance(each, facts.TasksAdded)), None) if result else fact
    if isinstance(fact, facts.TasksAdded):
        return outcome_of(end, later, findings, recovers=recovers)
    if fact is None and result is None:
        return None
    change = _failing_change(fact)
    if change is None and result is None:
        return Outcome(end=end, checked=checked, returned=returned)
    state = result.state if result else _state_after(change)
    return Outcome(
        end=end,
        state=state,
        result=result,
        error=result.error if result else change.error if change else None,
        why=_classified(change),
        code=_code(result, change, checked, returned),
        final=recovers and state is TaskState.FAILED and change is None,
        checked=checked,
    )


def _failing_change(fact: facts.Fact | None) -> RecoveryStateTransition | None:
    """Returns the change of the task's recovery by the end of its attempt."""
    if not isinstance(fact, facts.RecoveryTransitioned):
        return None
    change = RecoveryStateTransition.from_dict(fact.change)
    return change if change.from_state.attempting else None


def _state_after(change: RecoveryStateTransition | None) -> TaskState:
    succeeded = change is not None and change.to_state is RecoveryState.SUCCEEDED
    return TaskState.SUCCEEDED if succeeded else TaskState.FAILED


def _classified(change: RecoveryStateTransition | None) -> Classification:
    if change is None or change.category is None or change.cause is None:
        return NOT_CLASSIFIED
    return Classification(category=change.category, cause=change.cause, evidence="journal")


def _code(
    result: SpawnResult | None,
    change: RecoveryStateTransition | None,
    checked: CheckedWork | None,
    returned: Returned | None,
) -> str:
    if result is not None and result.reported is not None:
        return result.reported.code
    if change is not None and change.step is RecoveryStep.DEFER and change.cause not in THROTTLING:
        return SESSION_LOST
    if checked is not None and not checked.passed:
        return CHECK_FAILED
    return RESULT_REFUSED if returned is not None else ""
