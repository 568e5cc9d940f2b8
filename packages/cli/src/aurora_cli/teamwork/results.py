"""The results of a team, as the answer to the turn that was its goal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_spawner.tasks.prompts import shorten
from aurora_spawner.tasks.result import TaskState
from aurora_spawner.tasks.usage import NOTHING, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_spawner.journal.views import RunRow, TaskRow

__all__ = ["team_answer", "team_usage"]

_ANSWER_CHARS: Final = 5_500
"""The most characters of an answer, so that an agent that is told of it later gets all of it."""


def team_answer(run: RunRow, rows: Sequence[TaskRow]) -> str:
    """Returns the tasks of a run, each with its result, within a limit that they share."""
    done = sum(row.state is TaskState.SUCCEEDED for row in rows)
    head = f"Run {run.run_id}: {done} of {len(rows)} tasks succeeded ({run.state})."
    each_chars = max(200, (_ANSWER_CHARS - len(head)) // max(1, len(rows)))
    return "\n\n".join([head, *(shorten(_task(row), each_chars) for row in rows)])[:_ANSWER_CHARS]


def _task(row: TaskRow) -> str:
    result = row.result
    title = f"Task {row.task_id} ({row.task.headline}): {row.state}"
    if result is None:
        return title
    agent = f", by @{result.agent}" if result.agent else ""
    return f"{title}{agent}\n{(result.output if result.success else result.error or result.output).strip()}".rstrip()


def team_usage(rows: Sequence[TaskRow]) -> Usage | None:
    """Returns what all tasks have used; None if no agent has told it."""
    told = [row.result.usage for row in rows if row.result is not None and row.result.usage is not None]
    return sum(told, NOTHING) if told else None
