"""Doors to `Run` for programs that have a task or a few and want no journal to care for."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aurora_spawner.compose import sequential
from aurora_spawner.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aurora_spawner.backends.base import Backend
    from aurora_spawner.result import RunEvent, RunReport, SpawnResult
    from aurora_spawner.task import SpawnTask


async def spawn(
    task: SpawnTask,
    *,
    backends: Mapping[str, Backend],
    cwd: Path | None = None,
    journal: Path | None = None,
    on_event: Callable[[RunEvent], None] | None = None,
) -> SpawnResult:
    """Run one task to its end; the arguments are those of `spawn_parallel`."""
    results = await spawn_parallel([task], backends=backends, cwd=cwd, journal=journal, on_event=on_event)
    return results[0]


async def spawn_parallel(
    tasks: Sequence[SpawnTask],
    *,
    backends: Mapping[str, Backend],
    max_concurrent: int = 4,
    default_timeout_s: float | None = None,
    cwd: Path | None = None,
    journal: Path | None = None,
    on_event: Callable[[RunEvent], None] | None = None,
) -> list[SpawnResult]:
    """Run tasks side by side, dependencies first; results in the order of the tasks.

    Args:
        backends: By agent name; tasks that name no agent take the first.
        cwd: Where agents work; the current folder when None.
        journal: Keeps the run; None runs it without a trace, and then a result has no `output_path`.
    """
    cwd = Path.cwd() if cwd is None else cwd

    async def run_in(journal: Path) -> RunReport:
        run = Run.create(
            journal,
            tasks,
            backends,
            default_agent=next(iter(backends), ""),
            max_concurrent=max_concurrent,
            default_timeout_s=default_timeout_s,
            cwd=cwd,
            spool=journal.parent / "runs",
        )
        return await run.execute(on_event)

    if journal is not None:
        return list((await run_in(journal)).results.values())
    with tempfile.TemporaryDirectory(prefix="aurora-") as folder:
        report = await run_in(Path(folder) / "runs.db")
    return [replace(result, output_path=None) for result in report.results.values()]


async def spawn_sequential(
    tasks: Sequence[SpawnTask],
    *,
    backends: Mapping[str, Backend],
    pass_context: bool = True,
    stop_on_failure: bool = False,
    default_timeout_s: float | None = None,
    cwd: Path | None = None,
    journal: Path | None = None,
    on_event: Callable[[RunEvent], None] | None = None,
) -> list[SpawnResult]:
    """Run tasks one after the other; the other arguments are those of `spawn_parallel`.

    Args:
        pass_context: Each task reads the result of the one before it.
        stop_on_failure: What comes after a failed task is skipped.
    """
    chained = pass_context or stop_on_failure
    ordered = [replace(task, critical=stop_on_failure) for task in (sequential(tasks) if chained else tasks)]
    return await spawn_parallel(
        ordered,
        backends=backends,
        max_concurrent=1,
        default_timeout_s=default_timeout_s,
        cwd=cwd,
        journal=journal,
        on_event=on_event,
    )
