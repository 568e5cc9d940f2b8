"""The work that a failed run leaves: the critical tasks that failed for good, those not begun, and what is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_soar.errors import NotReplannableError
from aurora_soar.final_failures import is_held_up
from aurora_soar.plans.goal_text import task_words
from aurora_spawner.taskfiles.model import LineState
from aurora_spawner.tasks.result import POLICY_REFUSED, RunState, TaskState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from aurora_spawner.journal.views import AttemptRow, RunRow, TaskRow
    from aurora_spawner.taskfiles.model import TaskFile, TaskLine
    from aurora_spawner.tasks.result import SpawnResult

__all__ = ["DoneTask", "OpenTask", "RemainingWork", "is_for_good", "remaining_work"]

_ADVICE: Final = {
    RunState.SUCCEEDED: "",
    RunState.CANCELLED: "it was cancelled; to go on with it all the same: aur resume {run}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTask:
    """A task that is not done.

    Attributes:
        words: its title, without marks.
        agent: the backend or persona that had it.
        needs: ids of the tasks whose results it reads.
        reason: why it failed for good; "" if it was not begun.
        tried: the backends that have attempted it.
        refused: True if policies refused its work, so that another agent may not have it unasked.
    """

    id: str
    words: str
    agent: str
    needs: tuple[str, ...]
    is_critical: bool
    reason: str = ""
    tried: tuple[str, ...] = ()
    refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DoneTask:
    """A task that is done, with the answer of its agent; "" if an earlier run did it."""

    id: str
    words: str
    agent: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemainingWork:
    """The tasks that a run leaves to plan anew, in the order of its file.

    Attributes:
        default_agent: does the run's tasks that name none.
        is_numbered: True if the file has the ids of its tasks; else they are positions.
        ids: those of all tasks of the file and the run.
    """

    run_id: str
    default_agent: str
    tasks: tuple[OpenTask, ...]
    done: tuple[DoneTask, ...]
    is_numbered: bool
    ids: frozenset[str]

    @property
    def failed(self) -> tuple[OpenTask, ...]:
        """The tasks that failed for good."""
        return tuple(each for each in self.tasks if each.reason)

    @property
    def waiting(self) -> tuple[OpenTask, ...]:
        """The tasks that were not begun."""
        return tuple(each for each in self.tasks if not each.reason)


def remaining_work(
    run: RunRow, rows: Sequence[TaskRow], attempts: Iterable[AttemptRow], file: TaskFile
) -> RemainingWork:
    """Returns what a run leaves.

    Args:
        file: its task file as it is now.

    Raises:
        NotReplannableError: the run has not ended, or no critical task of it has failed for good, or one was edited.
    """
    if run.state is not RunState.FAILED:
        default = "it has not ended; finish it first: aur resume {run}"
        advice = _ADVICE.get(run.state, default).format(run=run.run_id)
        raise NotReplannableError(run.run_id, f"it is {run.state}", advice)
    by_id = {row.task_id: row for row in rows}
    tried: dict[str, list[str]] = {}
    for attempt in attempts:
        tried.setdefault(attempt.task_id, []).append(attempt.agent)
    failed = [row for row in rows if _failed_for_good(row)]
    if not failed:
        raise NotReplannableError(run.run_id, "no critical task of it has failed for good", _retry(run.run_id))
    _check_unchanged(run.run_id, failed, file)
    left = {row.task_id for row in failed} | set(_not_begun(file, by_id))
    return RemainingWork(
        run_id=run.run_id,
        default_agent=run.default_agent,
        tasks=tuple(
            _open_task(line, by_id.get(line.id), tried.get(line.id, ()), run.default_agent)
            for line in file.lines
            if line.id in left
        ),
        done=tuple(_done(file, by_id, run.default_agent)),
        is_numbered=all(line.numbered for line in file.lines),
        ids=frozenset({*by_id, *(line.id for line in file.lines)}),
    )


def is_for_good(result: SpawnResult) -> bool:
    """Returns True for a task that failed by its work, and not because of its provider, a limit or the user."""
    return result.state is TaskState.FAILED and not is_held_up(result.termination_reason)


def _failed_for_good(row: TaskRow) -> bool:
    """Returns True for a critical task that failed for good; candidates fail as their task."""
    counts = row.task.critical and row.task.candidate_of is None
    return counts and row.result is not None and is_for_good(row.result)


def _check_unchanged(run_id: str, failed: Iterable[TaskRow], file: TaskFile) -> None:
    """Refuses to plan over an edit of the user's."""
    lines = {line.id: line for line in file.lines}
    for row in failed:
        line = lines.get(row.task_id)
        if line is None or line.state is not LineState.OPEN or line.task.prompt != row.task.prompt:
            advice = f"to run the tasks as the file has them now: aur resume {run_id}"
            raise NotReplannableError(run_id, f"task {row.task_id} was edited or ticked in {file.path}", advice)


def _retry(run_id: str) -> str:
    return f"to run what failed, was skipped or was cancelled once more: aur resume {run_id} --retry-failed"


def _not_begun(file: TaskFile, by_id: dict[str, TaskRow]) -> Iterator[str]:
    for line in file.lines:
        row = by_id.get(line.id)
        if line.state is LineState.OPEN and (row is None or row.state is TaskState.SKIPPED):
            yield line.id


def _open_task(line: TaskLine, row: TaskRow | None, tried: Iterable[str], default_agent: str) -> OpenTask:
    failed = row is not None and row.state is TaskState.FAILED
    result = row.result if row is not None else None
    reported = result.reported if result is not None else None
    return OpenTask(
        id=line.id,
        words=task_words(line.title),
        agent=line.task.agent or default_agent,
        needs=tuple(each for each in line.task.depends_on if each not in line.task.order_only),
        is_critical=line.task.critical,
        reason=((result.error if result else None) or "no reason was given") if failed else "",
        tried=tuple(dict.fromkeys(tried)),
        refused=failed and reported is not None and reported.code == POLICY_REFUSED,
    )


def _done(file: TaskFile, by_id: dict[str, TaskRow], default_agent: str) -> Iterator[DoneTask]:
    for line in file.lines:
        row = by_id.get(line.id)
        result = row.result if row is not None and row.state is TaskState.SUCCEEDED else None
        if line.done or result is not None:
            agent = result.agent if result is not None else line.task.agent or default_agent
            answer = result.shown if result is not None else ""
            yield DoneTask(id=line.id, words=task_words(line.title), agent=agent, answer=answer)
