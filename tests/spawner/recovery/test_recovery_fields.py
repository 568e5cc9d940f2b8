"""Every field of a recovery policy changes what a run does; attempts are simulated, and so is their trouble."""

import asyncio
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.exhaustive import few

from aurora_spawner import (
    CommandBackend,
    EarlyDetection,
    RecoveryPolicy,
    RecoverySettings,
    Run,
    RunEvent,
    RunOptions,
    RunReport,
    SpawnTask,
    TimeoutPolicy,
)
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder
from aurora_spawner.rate_limits.provider_signal import ProviderSignal
from aurora_spawner.recovery.policy import Backoff, BatchAction, RecoveryStrategy
from aurora_spawner.recovery.policy_parts import BreakerPolicy, TimeoutMode
from aurora_spawner.recovery.restore import RestoredRecovery
from aurora_spawner.recovery.run_recovery import RunRecovery
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.run_events import TaskHedged, TaskRetried, TaskStalled, TaskStarted
from aurora_spawner.tasks.usage_windows import UsageWindow
from aurora_spawner.testing import SimulatedBackend, SimulatedExecutor

BASE = RecoveryPolicy(base_delay=0.02, max_delay=0.2, jitter=False, fallback_to_llm=False)
Seen = Any


def broken(order: AttemptOrder) -> AttemptEnd:
    """The agent fails; a model and the local agent do not."""
    if order.command[0] == "agent":
        return AttemptEnd(reason=EndReason.EXITED, exit_code=3)
    return AttemptEnd(reason=EndReason.EXITED, exit_code=0, stdout=order.command[0], stdout_bytes=1)


def run(
    folder: Path,
    policy: RecoveryPolicy,
    count: int = 1,
    *,
    agent: Callable[[AttemptOrder], AttemptEnd] = broken,
    duration_s: float = 0.0,
    at_once: int = 1,
) -> tuple[RunReport, list[AttemptOrder], list[tuple[float, type[RunEvent]]]]:
    """The report, the orders, and the times of the events."""
    executor = SimulatedExecutor(agent=agent, duration_s=duration_s)
    made = Run.create(
        folder / "runs.db",
        [SpawnTask("go") for _ in range(count)],
        {name: SimulatedBackend(name) for name in ("agent", "model", "local")},
        RunOptions(
            default_agent="agent",
            max_concurrent=at_once,
            cwd=folder,
            spool=folder / "runs",
            recovery=RecoverySettings(
                policy=policy, state_dir=None, chance=lambda: 0.0, on_batch_held=lambda _: False
            ),
            executor=executor,
        ),
    )
    told: list[tuple[float, type[RunEvent]]] = []
    report = made.execute_sync(lambda event: told.append((time.monotonic(), type(event))))
    return report, executor.orders, told


def outputs(folder: Path, policy: RecoveryPolicy) -> Seen:
    return [result.output for result in run(folder, policy)[0].results.values()]


def attempts(folder: Path, policy: RecoveryPolicy) -> Seen:
    return len(run(folder, policy)[1])


def waits(folder: Path, policy: RecoveryPolicy) -> Seen:
    """The reported waits before retries."""
    messages: list[str] = []
    made = RecoverySettings(policy=policy, state_dir=None, chance=lambda: 0.0)
    one = Run.create(
        folder / "runs.db", [SpawnTask("go")], {"agent": SimulatedBackend("agent")}, RunOptions(default_agent="agent",
        cwd=folder, spool=folder / "runs", recovery=made, executor=SimulatedExecutor(agent=broken),)
    )  # fmt: skip
    one.execute_sync(lambda event: messages.append(str(event.message)) if isinstance(event, TaskRetried) else None)
    return messages


def elapsed(folder: Path, policy: RecoveryPolicy) -> Seen:
    """Whole tenths of a second between the failures."""
    told = run(folder, policy)[2]
    began = told[0][0]
    return [round((at - began) * 10) for at, kind in told if kind is TaskStarted]


def paths(folder: Path, policy: RecoveryPolicy) -> Seen:
    report = run(folder, policy, 4)[0]
    return [(result.agent, result.error) for result in report.results.values()]


def deadlines(folder: Path, policy: RecoveryPolicy) -> Seen:
    return {order.deadline_s for order in run(folder, policy)[1]}


def settled(folder: Path, policy: RecoveryPolicy) -> Seen:
    report = run(folder, policy, 12)[0]
    return report.failed, report.skipped


def held_or_skipped(folder: Path, policy: RecoveryPolicy) -> Seen:
    """Whether the user is asked about the rest."""
    asked: list[str] = []

    def ask(reason: str) -> bool:
        asked.append(reason)
        return False

    made = Run.create(
        folder / "runs.db", [SpawnTask("go") for _ in range(8)], {"agent": SimulatedBackend("agent")},
        RunOptions(default_agent="agent", max_concurrent=1, cwd=folder, spool=folder / "runs",
        recovery=RecoverySettings(policy=policy, state_dir=None, on_batch_held=ask),
        executor=SimulatedExecutor(agent=broken),)
    )  # fmt: skip
    made.execute_sync()
    return len(asked)


def metrics(folder: Path, policy: RecoveryPolicy) -> Seen:
    return run(folder, policy)[0].recovery_metrics is None


def hedged(folder: Path, policy: RecoveryPolicy) -> Seen:
    """Quick tasks that teach what is usual, then one that takes much longer."""
    fine = AttemptEnd(reason=EndReason.EXITED, exit_code=0, stdout="x", stdout_bytes=1, duration_s=0.01)
    run(folder, BASE, 6, agent=lambda _order: fine)
    return TaskHedged in [
        kind
        for _at, kind in run(
            folder,
            dataclasses.replace(policy, fallback_to_llm=True),
            agent=lambda _order: fine,
            duration_s=0.3,
            at_once=2,
        )[2]
    ]


def adapted(folder: Path, policy: RecoveryPolicy) -> Seen:
    """An agent that always fails for good, then for other reasons: how often it is asked again."""
    lasting = AttemptEnd(reason=EndReason.EXITED, exit_code=1, stderr="unknown model")
    run(folder, dataclasses.replace(BASE, circuit_breaker_enabled=False), 25, agent=lambda _order: lasting)
    return len(run(folder, dataclasses.replace(policy, circuit_breaker_enabled=False))[1])


def overridden(folder: Path, policy: RecoveryPolicy) -> Seen:
    return len(run(folder, policy)[1])


def stalls(folder: Path, policy: RecoveryPolicy) -> Seen:
    """A real agent that does nothing for a while."""
    made = Run.create(
        folder / "runs.db", [SpawnTask("go")], {"agent": CommandBackend("agent", ("sh", "-c", "sleep 1.5; echo x"))},
        RunOptions(default_agent="agent", cwd=folder, spool=folder / "runs", executor=LocalExecutor(grace_s=0.3),
        recovery=RecoverySettings(policy=dataclasses.replace(policy, max_retries=0), state_dir=None),)
    )  # fmt: skip
    kinds: list[type[RunEvent]] = []
    report = made.execute_sync(lambda event: kinds.append(type(event)))
    return TaskStalled in kinds, report.results["1"].termination_reason


def called(name: str) -> Callable[[Path, RecoveryPolicy], Seen]:
    """Whether a callback of that name is called."""

    def observe(folder: Path, policy: RecoveryPolicy) -> Seen:
        calls: list[Any] = []
        given = getattr(policy, name)
        watched: dict[str, Any] = {name: (lambda *some: calls.append(some)) if given else None}
        run(folder, dataclasses.replace(policy, **watched))
        return len(calls)

    return observe


def yes(*_some: object) -> None:
    """Stands for any callback."""


def patience(folder: Path, policy: RecoveryPolicy) -> Seen:
    """Observe if an overloaded provider is waited for, or a fallback does the task."""
    overloaded = AttemptEnd(reason=EndReason.EXITED, exit_code=1, stderr="503 Service Unavailable\nretry-after: 0.1")
    fine = AttemptEnd(reason=EndReason.EXITED, exit_code=0, stdout="x", stdout_bytes=1)
    made = dataclasses.replace(policy, fallback_to_llm=True)
    report, orders, _ = run(folder, made, agent=lambda order: overloaded if order.command[0] == "agent" else fine)
    return [order.command[0] for order in orders], report.ok


WITH_FALLBACK = dataclasses.replace(BASE, fallback_to_llm=True, max_retries=0)


def recovery_of(policy: RecoveryPolicy) -> RunRecovery:
    return RunRecovery(
        RecoverySettings(policy=policy, state_dir=None, clock=lambda: 1_000.0, chance=lambda: 0.0),
        backends={name: SimulatedBackend(name) for name in ("agent", "model")},
        agent_of=lambda _task: "agent",
        restored=RestoredRecovery(changes={}, due={}, breakers=(), histories={}),
    )


def after_a_limit(policy: RecoveryPolicy, **limit: Any) -> Seen:
    """Who has the task after its provider was limited so."""
    recovery, task = recovery_of(policy), SpawnTask("go", id="1")
    recovery.providers.store.limited(recovery._rules.provider("agent"), began=1_000.0, reason="it said so", **limit)
    return recovery.admits("agent") and recovery.before(task), recovery.agent_of(task)


def overload_patience(_folder: Path, policy: RecoveryPolicy) -> Seen:
    return after_a_limit(policy, retry_after_s=None, overloaded=True)


def window_patience(_folder: Path, policy: RecoveryPolicy) -> Seen:
    return after_a_limit(policy, retry_after_s=None, window=UsageWindow(resets_at=8_200.0, exhausted=True))


def held_by_usage(_folder: Path, policy: RecoveryPolicy) -> Seen:
    recovery = recovery_of(policy)
    windows = (UsageWindow(name="weekly", used_percent=70.0, resets_at=8_200.0),)
    recovery.providers.hear("agent", ProviderSignal(windows=windows), began=1_000.0)
    return recovery.admits("agent")


TRIPPED = dataclasses.replace(BASE, max_retries=0, max_failure_rate=0.5, circuit_breaker_enabled=False)
WATCHED = EarlyDetection(threshold_s=0.5)

CASES: dict[str, tuple[Callable[[Path, RecoveryPolicy], Seen], RecoveryPolicy, dict[str, Any]]] = {
    "strategy": (attempts, BASE, {"strategy": RecoveryStrategy.NO_RECOVERY}),
    "max_retries": (attempts, BASE, {"max_retries": 4}),
    "fallback_to_llm": (outputs, BASE, {"fallback_to_llm": True}),
    "fallback_to_local": (outputs, BASE, {"fallback_to_local": True}),
    "base_delay": (elapsed, BASE, {"base_delay": 0.2}),
    "max_delay": (elapsed, dataclasses.replace(BASE, backoff_factor=100.0), {"max_delay": 0.4}),
    "backoff_factor": (elapsed, dataclasses.replace(BASE, base_delay=0.1, max_delay=1.0), {"backoff_factor": 4.0}),
    "backoff": (waits, dataclasses.replace(BASE, base_delay=0.1), {"backoff": Backoff.IMMEDIATE}),
    "jitter": (elapsed, dataclasses.replace(BASE, base_delay=0.2), {"jitter": True}),
    "max_provider_wait": (
        patience,
        dataclasses.replace(BASE, max_provider_wait=0.25),
        {"max_provider_wait": 0.0},
    ),
    "fallback_after": (overload_patience, WITH_FALLBACK, {"fallback_after": 1.0}),
    "max_window_wait": (window_patience, BASE, {"max_window_wait": 60.0}),
    "usage_threshold": (held_by_usage, BASE, {"usage_threshold": 50.0}),
    "circuit_breaker_enabled": (paths, dataclasses.replace(BASE, max_retries=0), {"circuit_breaker_enabled": False}),
    "breaker": (paths, dataclasses.replace(BASE, max_retries=0), {"breaker": BreakerPolicy(failure_threshold=9)}),
    "timeout": (deadlines, BASE, {"timeout": TimeoutPolicy(mode=TimeoutMode.FIXED, initial_s=7)}),
    "early_detection": (
        stalls,
        dataclasses.replace(BASE, early_detection=WATCHED),
        {"early_detection": dataclasses.replace(WATCHED, terminate=True)},
    ),
    "max_failure_rate": (settled, TRIPPED, {"max_failure_rate": 1.0}),
    "min_batch": (settled, TRIPPED, {"min_batch": 8}),
    "on_batch_failure": (
        held_or_skipped,
        TRIPPED,
        {"on_batch_failure": BatchAction.SKIP},
    ),
    "hedge_after": (hedged, BASE, {"hedge_after": 2.0}),
    "adaptive": (adapted, BASE, {"adaptive": True}),
    "track_metrics": (metrics, BASE, {"track_metrics": False}),
    "agent_overrides": (overridden, BASE, {"agent_overrides": {"agent": {"max_retries": 0}}}),
    "on_retry": (called("on_retry"), BASE, {"on_retry": yes}),
    "on_fallback": (called("on_fallback"), WITH_FALLBACK, {"on_fallback": yes}),
    "on_recovery_failed": (called("on_recovery_failed"), BASE, {"on_recovery_failed": yes}),
}


def test_every_field_is_among_the_cases() -> None:
    assert set(CASES) == {each.name for each in dataclasses.fields(RecoveryPolicy)}


@pytest.mark.parametrize("name", few(sorted(CASES), 9))
def test_the_field_has_an_effect(tmp_path: Path, name: str) -> None:
    observe, before, change = CASES[name]
    after = dataclasses.replace(before, **change)
    (tmp_path / "before").mkdir()
    (tmp_path / "after").mkdir()
    assert observe(tmp_path / "before", before) != observe(tmp_path / "after", after)


def test_a_policy_and_its_settings_mean_the_same(tmp_path: Path) -> None:
    made = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("go")],
        {"agent": SimulatedBackend("agent")},
        RunOptions(
            default_agent="agent",
            cwd=tmp_path,
            spool=tmp_path / "runs",
            recovery=BASE,
            executor=SimulatedExecutor(),
        ),
    )
    assert made.recovery is not None
    assert made.recovery.policy is BASE
    assert asyncio.run(made.execute()).ok
