"""Drive a run to its end: shown as it happens, boxes ticked, its result told, its exit status returned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_cli import run_wiring, wiring
from aurora_cli.errors import CoordinatorLostError
from aurora_cli.exits import ExitCode
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render.index import index_with_progress
from aurora_cli.render.run import as_document, summary, watch
from aurora_cli.render.words import one_line
from aurora_cli.spawning import Ticker
from aurora_spawner import RunPaused, RunStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from aurora_cli.resuming import Resumption
    from aurora_core import Config, Project
    from aurora_spawner import Run, RunEvent, RunReport, TaskFile

__all__ = ["drive", "in_background", "refresh_memory", "resume", "tell"]


def refresh_memory(project: Project, config: Config, agents: Collection[str]) -> None:
    """Brings the memory up to date where the local agent, which answers from it, has something to do."""
    if wiring.LOCAL_AGENT in agents:
        with wiring.open_memory(project, config) as memory:
            index_with_progress(memory)


def drive(
    run: Run,
    file: TaskFile | None,
    titles: Mapping[str, str],
    *,
    as_json: bool,
    on_start: Callable[[], None] = lambda: None,
) -> ExitCode:
    """Executes a run, and tick the boxes of its task file if it has one.

    Args:
        titles: what people call the tasks, by id.
        on_start: called once the journal says that this process works on the run.
    """
    ticker = Ticker(file) if file else None
    with watch() as show:

        def follow(event: RunEvent) -> None:
            show(event)
            if isinstance(event, RunStarted):
                on_start()
            if isinstance(event, RunPaused):
                note(f"aur resume {run.run_id} goes on, aur cancel {run.run_id} ends it")
            if ticker:
                ticker.follow(event)

        report = run.execute_sync(follow)
    if ticker:
        ticker.finish(report.results)
    for notice in (*report.notices, *(ticker.notices if ticker else ())):
        note(notice)
    return tell(report, titles, not_run=file.not_run if file else (), as_json=as_json)


def resume(
    project: Project,
    config: Config,
    found: Resumption,
    *,
    max_concurrent: int | None = None,
    stagger_s: float = 0.0,
    retry_failed: bool = False,
    as_json: bool = False,
) -> ExitCode:
    """Goes on with a run in this process."""
    run = run_wiring.resumed_run(
        project, config, found, max_concurrent=max_concurrent, stagger_s=stagger_s, retry_failed=retry_failed
    )
    refresh_memory(project, config, found.agents)
    note(f"going on with {found.run.run_id}")
    return drive(run, found.file, found.titles, as_json=as_json)


def in_background(
    project: Project, run_id: str, *, more: Sequence[str] = (), accept_changes: bool = False, as_json: bool
) -> ExitCode:
    """Lets a process of its own go on with a run; returns once it has taken it.

    Args:
        more: words for that process's `aur spawn --resume`.

    Raises:
        UnknownRunError, NotResumableError: there is nothing to go on with.
        CoordinatorLostError: the process ended before it took the run.
    """
    from aurora_spawner.control.steering import detach, wait_until_held
    from aurora_spawner.supervision.interpreter import python_command

    # What is wrong is told here, not in the log of a process that died.
    run_wiring.resumption(project, run_id, accept_changes=accept_changes)
    log = project.aurora_dir / "runs" / run_id / "coordinator.log"
    command = python_command("aurora_cli", "spawn", "--resume", run_id, *more, unbuffered=True)
    pid = detach(command, log=log, cwd=project.root)
    if not wait_until_held(project.runs_db, run_id, pid=pid):
        raise CoordinatorLostError(run_id, log)
    if as_json:
        emit_json({"run_id": run_id, "pid": pid, "log": str(log)})
    else:
        emit(run_id)
        note(f"it runs in the background: aur status {run_id}, aur logs {run_id}, aur cancel {run_id}")
    return ExitCode.DONE


def tell(report: RunReport, titles: Mapping[str, str], *, not_run: Sequence[str] = (), as_json: bool) -> ExitCode:
    """Prints a run's report, and returns its exit status.

    Args:
        not_run: tasks of its file that are not done and could not be part of it.
    """
    if as_json:
        emit_json(as_document(report, titles, not_run))
    else:
        emit(summary(report))
    for sentence in report.trouble:
        note(f"warning: {sentence}")
    if not_run:
        note(f"not run: {', '.join(map(one_line, not_run))}; --dry-run says why")
    if report.interrupted:
        return ExitCode.INTERRUPTED
    if report.trouble:
        return ExitCode.ENVIRONMENT
    return ExitCode.DONE if report.ok and not not_run else ExitCode.NOT_REACHED
