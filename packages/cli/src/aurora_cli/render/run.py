"""Display of a run while it executes, and its result: a live table on a terminal, else one line per task."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from aurora_cli.output import is_live_terminal, note
from aurora_cli.render.board import Board, line_of
from aurora_cli.render.merges import merge_document
from aurora_spawner.tasks.run_events import ApprovalAsked, ApprovalSettled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from aurora_spawner import RunEvent, RunReport, SpawnResult

__all__ = ["PlainRun", "WaitsForPerson", "as_document", "row_of", "summary", "watch"]


@contextmanager
def watch() -> Iterator[Callable[[RunEvent], None]]:
    """Shows a run on standard error while the block runs."""
    if not is_live_terminal():
        yield PlainRun()
        return
    from aurora_cli.render.live_run import live_run

    with live_run() as follow:
        yield follow


class PlainRun:
    """A display with one line per ended task and per event of the run as a whole."""

    def __init__(self, *, write: Callable[[str], None] = note) -> None:
        self._board = Board()
        self._write = write

    def __call__(self, event: RunEvent) -> None:
        """Applies one event, and prints its line."""
        self._board.update(event)
        line = line_of(event, self._board)
        if line:
            self._write(line)


class WaitsForPerson:
    """The time of a run in which a question of it was open.

    Attributes:
        seconds: until the last event.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._open: set[str] = set()
        self._at = 0.0

    def __call__(self, event: RunEvent) -> None:
        """Takes in the next event."""
        if self._open:
            self.seconds += event.at - self._at
        self._at = event.at
        if isinstance(event, ApprovalAsked):
            self._open.add(event.approval)
        elif isinstance(event, ApprovalSettled):
            self._open.discard(event.approval)


def summary(report: RunReport, *, waited_s: float = 0.0) -> str:
    """Returns one line with the result of a run: `spawn-1: 3 of 4 succeeded, 1 failed in 12.0 s`.

    Args:
        waited_s: time of it in which a person was waited for; less than a second is not told.
    """
    counts = _counts(report)
    succeeded, total = counts.pop("succeeded"), len(report.results)
    if not total:
        return f"{report.run_id}: nothing to do"
    unmerged = len(report.merge.unmerged) if report.merge else 0
    counts |= {"unmerged": unmerged}
    others = "".join(f", {number} {state}" for state, number in counts.items() if number)
    waited = f", of which {waited_s:.1f} s waiting for you" if waited_s >= 1 else ""
    return f"{report.run_id}: {succeeded} of {total} succeeded{others} in {report.duration_s:.1f} s{waited}"


def as_document(report: RunReport, titles: Mapping[str, str], not_run: Sequence[str] = ()) -> dict[str, object]:
    """Returns the run as data for `--json`; `titles` by task id. A run that was not needed has no id."""
    return {
        "run_id": report.run_id or None,
        "ok": report.ok and not not_run,
        "interrupted": report.interrupted,
        "duration_s": round(report.duration_s, 3),
        "counts": _counts(report),
        "merge": merge_document(report.merge) if report.merge else None,
        "tasks": [row_of(result, titles.get(task_id, "")) for task_id, result in report.results.items()],
        "candidates": [row_of(result, "") for result in report.candidates.values()],
        "not_run": list(not_run),
        "notices": [*report.notices, *report.trouble],
    }


def _counts(report: RunReport) -> dict[str, int]:
    return {
        "succeeded": report.succeeded,
        "failed": report.failed,
        "skipped": report.skipped,
        "cancelled": report.cancelled,
    }


def row_of(result: SpawnResult, title: str) -> dict[str, object]:
    """Returns the result of one task as data for `--json`."""
    return {
        "id": result.task_id,
        "title": title,
        "agent": result.agent,
        "state": result.state.value,
        "output": result.output,
        "output_path": result.output_path,
        "document": result.document,
        "error": result.error,
        "exit_code": result.exit_code,
        "termination_reason": result.termination_reason,
        "retry_count": result.retry_count,
        "fallback": result.fallback,
        "original_agent": result.original_agent,
        "execution_time_s": round(result.execution_time, 3),
        "model": result.model,
        "usage": result.usage.to_json() if result.usage else None,
        "session_id": result.session_id,
        "resumed": result.resumed,
        "work": result.work.to_json() if result.work else None,
        "checked": result.checked.to_json() if result.checked else None,
        "review": result.review.to_json() if result.review else None,
        "verification": result.verification.level.value,
        "choice": result.choice.to_json() if result.choice else None,
        "started_at": result.started_at,
        "ended_at": result.ended_at,
    }
