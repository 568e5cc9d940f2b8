"""Convenience functions over `Run`, for programs that have a few tasks and want no journal to look after."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from aurora_spawner.journal.store import Journal
from aurora_spawner.recovery.policy import RecoveryPolicy
from aurora_spawner.recovery.report import recovery_report
from aurora_spawner.recovery.settings import RecoverySettings
from aurora_spawner.runs.run import Run
from aurora_spawner.runs.run_options import RunOptions
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.compose import sequential

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Unpack

    from aurora_spawner.attempts.executor import Executor
    from aurora_spawner.backends.base import Backend
    from aurora_spawner.recovery.settings import StateWatcher
    from aurora_spawner.tasks.result import RunReport, SpawnResult
    from aurora_spawner.tasks.run_events import RunEvent
    from aurora_spawner.tasks.task import SpawnTask


class SpawnOptions(TypedDict, total=False):
    """The options of every function here, besides its tasks and backends."""

    max_concurrent: int
    default_timeout_s: float | None
    cwd: Path | None
    """The folder in which agents work; the current folder if None."""
    journal: Path | None
    """Keeps the run; None runs it without a trace: a result has no `output_path`, and the agents end with this
    process, however it ends."""
    on_event: Callable[[RunEvent], None] | None
    recovery: RecoverySettings | RecoveryPolicy | None
    """The treatment of failures; None leaves each task its first failure."""


async def spawn(task: SpawnTask, *, backends: Mapping[str, Backend], **options: Unpack[SpawnOptions]) -> SpawnResult:
    """Runs one task to its end; the arguments are those of `spawn_parallel`."""
    return (await spawn_parallel([task], backends=backends, **options))[0]


async def spawn_parallel(
    tasks: Sequence[SpawnTask], *, backends: Mapping[str, Backend], **options: Unpack[SpawnOptions]
) -> list[SpawnResult]:
    """Runs tasks side by side, dependencies first; results in the order of the tasks.

    Args:
        backends: By agent name; tasks that name no agent take the first.
        options: See `SpawnOptions`; four at once by default.
    """
    results, _summary = await _run(tasks, backends, options)
    return results


async def spawn_sequential(
    tasks: Sequence[SpawnTask],
    *,
    backends: Mapping[str, Backend],
    pass_context: bool = True,
    stop_on_failure: bool = False,
    **options: Unpack[SpawnOptions],
) -> list[SpawnResult]:
    """Runs tasks one after the other; the other arguments are those of `spawn_parallel`.

    Args:
        pass_context: Each task reads the result of the one before it.
        stop_on_failure: What comes after a failed task is skipped.
    """
    chained = pass_context or stop_on_failure
    ordered = [replace(task, critical=stop_on_failure) for task in (sequential(tasks) if chained else tasks)]
    options["max_concurrent"] = 1
    return await spawn_parallel(ordered, backends=backends, **options)


async def spawn_with_retry_and_fallback(
    task: SpawnTask,
    *,
    backends: Mapping[str, Backend],
    max_retries: int = 2,
    fallback_to_llm: bool = True,
    fallbacks: Sequence[str] = (),
    **options: Unpack[SpawnOptions],
) -> SpawnResult:
    """Runs one task; if its agent fails, asks it again, and then others.

    Args:
        fallbacks: Agents to ask in this order when the task's own has failed.
        fallback_to_llm: Ask the backend called `model`, if there is one, at last.
        options: As of `spawn_parallel`; `recovery` in them comes before the arguments here.
    """
    policy = RecoveryPolicy(max_retries=max_retries, fallback_to_llm=fallback_to_llm)
    chains = {task.agent or next(iter(backends), ""): tuple(fallbacks)}
    options["recovery"] = options.get("recovery") or RecoverySettings(policy=policy, fallbacks=chains)
    return await spawn(task, backends=backends, **options)


async def spawn_parallel_with_recovery(
    tasks: Sequence[SpawnTask],
    *,
    backends: Mapping[str, Backend],
    recovery_policy: RecoveryPolicy | str | None = None,
    max_retries: int | None = None,
    fallback_to_llm: bool | None = None,
    fallbacks: Mapping[str, tuple[str, ...]] | None = None,
    **options: Unpack[SpawnOptions],
) -> list[SpawnResult]:
    """Runs tasks side by side and recovers those that fail.

    Args:
        recovery_policy: A policy, or the name of a preset; the default one when None.
        max_retries: Instead of the policy's; so is `fallback_to_llm`.
        fallbacks: By agent, who is asked when it has failed, in order.

    Raises:
        RecoveryPolicyError: There is no such preset, or a value is out of bounds.
    """
    policy = _policy(recovery_policy, max_retries=max_retries, fallback_to_llm=fallback_to_llm)
    options["recovery"] = options.get("recovery") or RecoverySettings(policy=policy, fallbacks=fallbacks or {})
    return await spawn_parallel(tasks, backends=backends, **options)


async def spawn_parallel_with_state_tracking(
    tasks: Sequence[SpawnTask],
    recovery_policy: RecoveryPolicy | str | None = None,
    on_state_change: StateWatcher | None = None,
    *,
    backends: Mapping[str, Backend],
    fallbacks: Mapping[str, tuple[str, ...]] | None = None,
    **options: Unpack[SpawnOptions],
) -> tuple[list[SpawnResult], dict[str, Any]]:
    """Runs tasks with recovery, and returns a summary of how each of them went.

    Args:
        on_state_change: Called with task, agent, the state before and the state after.

    Returns:
        The results, and a summary with `succeeded`, `recovered` and `failed`, further counts, and `tasks`: by id
        the `state`, the `recovery_path` and more.
    """
    policy = _policy(recovery_policy)
    options["recovery"] = RecoverySettings(policy=policy, fallbacks=fallbacks or {}, on_state_change=on_state_change)
    return await _run(tasks, backends, options)


def _policy(given: RecoveryPolicy | str | None, **changes: Any) -> RecoveryPolicy:
    policy = RecoveryPolicy.from_name(given or "default") if isinstance(given, str | None) else given
    return policy.changed({name: value for name, value in changes.items() if value is not None})


async def _run(
    tasks: Sequence[SpawnTask], backends: Mapping[str, Backend], options: SpawnOptions
) -> tuple[list[SpawnResult], dict[str, Any]]:
    """Runs tasks in the journal given, or in one that is thrown away; returns results and the summary of recovery."""
    journal = options.get("journal")
    if journal is not None:
        report = await _run_in(journal, tasks, backends, options, LocalExecutor())
        return list(report.results.values()), _summary(journal, report)
    with tempfile.TemporaryDirectory(prefix="aurora-") as folder:
        journal = Path(folder) / "runs.db"
        # No resume could find agents that outlive this process and its journal: they end with it.
        report = await _run_in(journal, tasks, backends, options, LocalExecutor(detached=False))
        summary = _summary(journal, report)
    return [replace(result, output_path=None) for result in report.results.values()], summary


async def _run_in(
    journal: Path,
    tasks: Sequence[SpawnTask],
    backends: Mapping[str, Backend],
    options: SpawnOptions,
    executor: Executor,
) -> RunReport:
    run = Run.create(
        journal,
        tasks,
        backends,
        RunOptions(
            default_agent=next(iter(backends), ""),
            max_concurrent=options.get("max_concurrent", 4),
            default_timeout_s=options.get("default_timeout_s"),
            cwd=options.get("cwd") or Path.cwd(),
            spool=journal.parent / "runs",
            recovery=options.get("recovery"),
            executor=executor,
        ),
    )
    return await run.execute(options.get("on_event"))


def _summary(journal: Path, report: RunReport) -> dict[str, Any]:
    with Journal(journal) as store:
        found = recovery_report(store, report.run_id)
    return {**found.summary.to_dict(), "tasks": {task.task_id: task.to_dict() for task in found.tasks}}


def spawn_sync(task: SpawnTask, *, backends: Mapping[str, Backend], **options: Unpack[SpawnOptions]) -> SpawnResult:
    """`spawn` for callers without an event loop."""
    return asyncio.run(spawn(task, backends=backends, **options))


def spawn_parallel_sync(
    tasks: Sequence[SpawnTask], *, backends: Mapping[str, Backend], **options: Unpack[SpawnOptions]
) -> list[SpawnResult]:
    """`spawn_parallel` for callers without an event loop."""
    return asyncio.run(spawn_parallel(tasks, backends=backends, **options))


def spawn_sequential_sync(
    tasks: Sequence[SpawnTask],
    *,
    backends: Mapping[str, Backend],
    pass_context: bool = True,
    stop_on_failure: bool = False,
    **options: Unpack[SpawnOptions],
) -> list[SpawnResult]:
    """`spawn_sequential` for callers without an event loop."""
    return asyncio.run(
        spawn_sequential(
            tasks, backends=backends, pass_context=pass_context, stop_on_failure=stop_on_failure, **options
        )
    )


def spawn_with_retry_and_fallback_sync(
    task: SpawnTask,
    *,
    backends: Mapping[str, Backend],
    max_retries: int = 2,
    fallback_to_llm: bool = True,
    fallbacks: Sequence[str] = (),
    **options: Unpack[SpawnOptions],
) -> SpawnResult:
    """`spawn_with_retry_and_fallback` for callers without an event loop."""
    return asyncio.run(
        spawn_with_retry_and_fallback(
            task,
            backends=backends,
            max_retries=max_retries,
            fallback_to_llm=fallback_to_llm,
            fallbacks=fallbacks,
            **options,
        )
    )


def spawn_parallel_with_recovery_sync(
    tasks: Sequence[SpawnTask],
    *,
    backends: Mapping[str, Backend],
    recovery_policy: RecoveryPolicy | str | None = None,
    max_retries: int | None = None,
    fallback_to_llm: bool | None = None,
    fallbacks: Mapping[str, tuple[str, ...]] | None = None,
    **options: Unpack[SpawnOptions],
) -> list[SpawnResult]:
    """`spawn_parallel_with_recovery` for callers without an event loop."""
    return asyncio.run(
        spawn_parallel_with_recovery(
            tasks,
            backends=backends,
            recovery_policy=recovery_policy,
            max_retries=max_retries,
            fallback_to_llm=fallback_to_llm,
            fallbacks=fallbacks,
            **options,
        )
    )


def spawn_parallel_with_state_tracking_sync(
    tasks: Sequence[SpawnTask],
    recovery_policy: RecoveryPolicy | str | None = None,
    on_state_change: StateWatcher | None = None,
    *,
    backends: Mapping[str, Backend],
    fallbacks: Mapping[str, tuple[str, ...]] | None = None,
    **options: Unpack[SpawnOptions],
) -> tuple[list[SpawnResult], dict[str, Any]]:
    """`spawn_parallel_with_state_tracking` for callers without an event loop."""
    return asyncio.run(
        spawn_parallel_with_state_tracking(
            tasks, recovery_policy, on_state_change, backends=backends, fallbacks=fallbacks, **options
        )
    )
