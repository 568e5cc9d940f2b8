"""The choice among the ended candidates of a task: by proof, review and size of the change, or by the user. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from aurora_spawner.tasks.choice import Choice, ChosenBy
from aurora_spawner.tasks.result import NOT_PICKED, SpawnResult, TaskState
from aurora_spawner.tasks.verification import Verified

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_spawner.tasks.task import SpawnTask

_PROOF: Final = {Verified.FULLY: 0, Verified.PARTLY: 1, Verified.NOT: 2}
_SHOWN_ERROR: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A candidate that has ended."""

    number: int
    """From 1, in the order of the task's candidates."""
    result: SpawnResult

    @property
    def name(self) -> str:
        """The number and the agent."""
        return f"candidate {self.number} ({self.result.agent})"

    @property
    def passed(self) -> int:
        """The number of its checks that passed."""
        return sum(each.passed for each in self.result.checked.runs) if self.result.checked else 0

    @property
    def changed_nothing(self) -> bool:
        """True if its agent left a worktree as it was."""
        return self.result.work is not None and self.result.work.commit is None

    @property
    def lines(self) -> int:
        """The number of lines that it inserted and deleted."""
        return self.result.work.insertions + self.result.work.deletions if self.result.work else 0

    @property
    def files(self) -> int:
        """The number of files that it changed."""
        return self.result.work.files if self.result.work else 0

    @property
    def failure(self) -> str:
        """The way it ended without success, and the reason."""
        how = "did not start" if self.result.started_at is None else str(self.result.state)
        return f"{self.name} {how}: {(self.result.error or 'no reason is known')[:_SHOWN_ERROR]}"


Criterion = tuple[Callable[[Candidate], int], Callable[[Candidate, Candidate], str]]
"""The value that is compared, less is better; and the difference between two candidates in words."""

_CRITERIA: Final[tuple[Criterion, ...]] = (
    (
        lambda each: _PROOF[each.result.verification.level],
        lambda best, other: f"{best.result.verification.level}, {other.name} is {other.result.verification.level}",
    ),
    (
        lambda each: -each.passed,
        lambda best, other: f"it passed {best.passed} checks, {other.name} {other.passed}",
    ),
    (
        lambda each: int(each.result.review is None or not each.result.review.approved),
        lambda _best, other: f"its review approved it, {other.name} has no such verdict",
    ),
    (
        lambda each: int(each.changed_nothing),
        lambda _best, other: f"it changed something, {other.name} did not",
    ),
    (
        lambda each: each.lines,
        lambda best, other: f"the smallest change, {_lines(best.lines)}; {other.name} has {other.lines}",
    ),
    (
        lambda each: each.files,
        lambda best, other: f"as many lines as {other.name} in fewer files, {best.files} instead of {other.files}",
    ),
    (lambda each: each.number, lambda _best, other: f"as good as {other.name}, and the first"),
)
"""The first in which two candidates differ decides."""


def _lines(number: int) -> str:
    return "1 line" if number == 1 else f"{number} lines"


def choose(task: SpawnTask, results: Sequence[SpawnResult], *, run_id: str) -> SpawnResult:
    """Returns the result of a task from those of its candidates, which have all ended.

    Candidates that failed are left out. If none is left, the task ends as they did, with the reason of each. One that
    the user picked before is taken again.
    """
    candidates = _numbered(results)
    done = [each for each in candidates if each.result.success]
    if not done:
        return _none_left(task, candidates)
    picked = _picked(task, done)
    if picked is not None:
        return taken(task, picked, by=ChosenBy.USER, why=picked_by_user(picked))
    if task.pick == "ask":
        listed = ", ".join(f"{each.number} ({each.result.agent})" for each in done)
        error = f"it waits for you to pick one of its candidates {listed}: aur pick {run_id} {task.id} NUMBER"
        return _ended(task, results, TaskState.FAILED, error, reason=NOT_PICKED)
    winner, *others = sorted(done, key=_rank)
    why = [f"{winner.name}: {_advantage(winner, others)}", *_failures(candidates)]
    return taken(task, winner, by=ChosenBy.RULE, why="; ".join(why))


def best_of(task: SpawnTask, results: Sequence[SpawnResult]) -> Candidate | None:
    """Returns the candidate that `choose` takes unless the user has to pick; None if all have failed."""
    done = [each for each in _numbered(results) if each.result.success]
    return (_picked(task, done) or min(done, key=_rank)) if done else None


def _numbered(results: Sequence[SpawnResult]) -> list[Candidate]:
    return [Candidate(number=number, result=result) for number, result in enumerate(results, start=1)]


def _picked(task: SpawnTask, done: Sequence[Candidate]) -> Candidate | None:
    return next((each for each in done if each.result.task_id == task.picked), None)


def taken(task: SpawnTask, winner: Candidate, *, by: ChosenBy, why: str) -> SpawnResult:
    """Returns the result of a task that takes over a candidate's."""
    choice = Choice(winner=winner.result.task_id, by=by, why=why)
    return replace(winner.result, task_id=str(task.id), choice=choice)


def picked_by_user(winner: Candidate) -> str:
    """Returns why a candidate is taken that the user has picked."""
    return f"{winner.name}: picked by the user"


def _rank(candidate: Candidate) -> tuple[int, ...]:
    return tuple(value(candidate) for value, _words in _CRITERIA)


def _advantage(winner: Candidate, others: Sequence[Candidate]) -> str:
    """Returns why the best candidate comes before the second."""
    if not others:
        return "the only one that succeeded"
    return next(words(winner, others[0]) for value, words in _CRITERIA if value(winner) != value(others[0]))


def _failures(candidates: Sequence[Candidate]) -> list[str]:
    return [each.failure for each in candidates if not each.result.success]


def _none_left(task: SpawnTask, candidates: Sequence[Candidate]) -> SpawnResult:
    results = [each.result for each in candidates]
    states = {result.state for result in results}
    if states == {TaskState.SKIPPED}:
        return _ended(task, results, TaskState.SKIPPED, str(results[0].error))
    state = TaskState.FAILED if TaskState.FAILED in states else TaskState.CANCELLED
    return _ended(task, results, state, "; ".join(["no candidate succeeded", *_failures(candidates)]))


def _ended(
    task: SpawnTask, results: Sequence[SpawnResult], state: TaskState, error: str, *, reason: str | None = None
) -> SpawnResult:
    return SpawnResult(
        task_id=str(task.id),
        agent=results[0].agent,
        state=state,
        error=error,
        termination_reason=reason,
        ended_at=time.time(),
    )
