"""Text of the comparison of two runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_cli.render.words import count, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aurora_spawner.replay.comparison import RunComparison, RunTotals, TaskComparison, TaskSide

__all__ = ["comparison_lines"]


def comparison_lines(comparison: RunComparison, *, all_tasks: bool) -> Iterator[str]:
    """Yields both runs in sum, then the tasks that came out otherwise, or all."""
    for name, totals in (("A", comparison.first), ("B", comparison.second)):
        yield f"{name}  {_totals(totals)}"
    differing, tasks = len(comparison.differing), len(comparison.tasks)
    yield f"{differing} of {count(tasks, 'task')} came out otherwise" if differing else _alike(tasks)
    for task in comparison.tasks if all_tasks else comparison.differing:
        yield from _task(task)


def _alike(tasks: int) -> str:
    return "the only task came out alike" if tasks == 1 else f"all {tasks} tasks alike"


def _totals(totals: RunTotals) -> str:
    parts = [one_line(totals.run_id), totals.state, f"{totals.seconds:,.1f} s", count(totals.attempts, "attempt")]
    parts += [] if totals.cost_usd is None else [f"${totals.cost_usd:,.2f}"]
    parts += [f"{totals.tokens:,} tokens"] if totals.tokens else []
    return "  ".join(parts)


def _task(task: TaskComparison) -> Iterator[str]:
    changed = "" if task.same_task else "  (the task itself is another)"
    yield f"{one_line(task.task_id)}  {one_line(task.title, 60)}{changed}"
    for name, side in (("A", task.first), ("B", task.second)):
        yield f"  {name}  {'is not in this run' if side is None else _side(side)}"
    if task.same_answer is False and task.first is not None and task.second is not None:
        yield f"  the answers differ: {task.first.answer_length:,} and {task.second.answer_length:,} characters"


def _side(side: TaskSide) -> str:
    parts = [side.state, f"@{one_line(side.agent)}", count(side.attempts, "attempt"), f"{side.seconds:,.1f} s"]
    parts += [] if side.cost_usd is None else [f"${side.cost_usd:,.2f}"]
    parts += [] if side.tokens is None else [f"{side.tokens:,} tokens"]
    if side.files is not None:
        commit = f" in {side.commit[:10]}" if side.commit else ""
        parts.append(f"{count(side.files, 'file')} +{side.insertions} -{side.deletions}{commit}")
    parts += [f"({one_line(side.error, 80)})"] if side.error else []
    return "  ".join(parts)
