"""Text of replays and simulations of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_cli.render.words import count, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aurora_spawner.replay.report import ReplayReport
    from aurora_spawner.replay.simulation import Figures
    from aurora_spawner.replay.what_if import WhatIfReport

__all__ = ["replay_lines", "what_if_lines"]


def replay_lines(report: ReplayReport) -> Iterator[str]:
    """Yields what a replay has found: the first difference, the verdict of the hash chain, and what was left out."""
    name, coordinators = one_line(report.run_id), count(report.coordinators, "coordinator")
    same = count(report.decisions, "decision")
    difference = report.difference
    if difference is None:
        yield f"{name}: {same} of {coordinators} made again, all as recorded"
    else:
        yield f"{name}: event {difference.seq} differs, after {same} as recorded"
        yield f"  decision  {difference.kind}{_about(difference.task_id)}"
        yield f"  state     {one_line(difference.state, 300)}"
        yield f"  recorded  {one_line(difference.recorded, 300)}"
        yield f"  made      {one_line(difference.made, 300)}"
    if report.live:
        yield f"it goes on still: replayed up to event {report.last_seq}"
    if report.changed is not None:
        yield f"hash chain: {one_line(report.changed, 300)}"
    else:
        yield "hash chain: unchanged"
    for sentence in report.notes:
        yield f"note: {one_line(sentence, 300)}"


def _about(task_id: str | None) -> str:
    return "" if task_id is None else f" of task {one_line(task_id)}"


_ROWS: Final[tuple[tuple[str, Callable[[Figures], str]], ...]] = (
    ("total time", lambda figures: f"{figures.seconds:,.1f} s"),
    ("attempts", lambda figures: f"{figures.attempts:,}"),
    ("tasks", lambda figures: ", ".join(f"{number} {state}" for state, number in figures.tasks.items()) or "none"),
    ("for dependencies", lambda figures: f"{figures.waits['dependency']:,.1f} s"),
    ("for a slot or provider", lambda figures: f"{figures.waits['start']:,.1f} s"),
    ("for a retry", lambda figures: f"{figures.waits['retry']:,.1f} s"),
    ("for a person", lambda figures: f"{figures.waits['approval']:,.1f} s"),
)


def what_if_lines(report: WhatIfReport) -> Iterator[str]:
    """Yields the figures of a simulation beside the recorded ones, and what it rests on."""
    yield f"{one_line(report.run_id)}, simulated with {', '.join(one_line(each) for each in report.changes)}"
    cells = [("", "recorded", "simulated as it was", "simulated as changed")]
    cells += [(name, row(report.recorded), row(report.as_it_was), row(report.changed)) for name, row in _ROWS]
    widths = [max(len(row[place]) for row in cells) for place in range(4)]
    for row in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield "waits are those of all tasks together"
    if report.stuck is not None:
        yield f"note: as changed, {report.stuck}"
    for words, number in report.assumed.items():
        yield f"note: {number} {words}"
    for sentence in report.notes:
        yield f"note: {one_line(sentence, 300)}"
