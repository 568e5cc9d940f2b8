"""The doors that recover: thin, and each with its twin for callers without an event loop."""

import asyncio
import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest

import aurora_spawner
from aurora_spawner import (
    CommandBackend,
    RecoveryPolicy,
    RecoverySettings,
    SpawnTask,
    spawn_parallel_with_recovery,
    spawn_parallel_with_state_tracking,
    spawn_with_retry_and_fallback,
)
from aurora_spawner.errors import RecoveryPolicyError
from aurora_spawner.recovery.states import RecoveryState
from aurora_spawner.shortcuts import (
    spawn_parallel_sync,
    spawn_parallel_with_recovery_sync,
    spawn_parallel_with_state_tracking_sync,
    spawn_sequential_sync,
    spawn_sync,
    spawn_with_retry_and_fallback_sync,
)

BACKENDS = {
    "broken": CommandBackend("broken", ("sh", "-c", "exit 3")),
    "sh": CommandBackend("sh", ("sh",)),
    "model": CommandBackend("model", ("sh", "-c", "echo by model")),
    "other": CommandBackend("other", ("sh", "-c", "echo by other")),
}
QUICK = RecoveryPolicy(base_delay=0.01, max_delay=0.01)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))


async def test_one_task_is_retried_and_falls_back() -> None:
    result = await spawn_with_retry_and_fallback(SpawnTask("x"), backends=BACKENDS, max_retries=0)
    assert (result.output, result.fallback, result.original_agent) == ("by model\n", True, "broken")
    result = await spawn_with_retry_and_fallback(
        SpawnTask("x"), backends=BACKENDS, max_retries=0, fallbacks=["other"]
    )
    assert result.output == "by other\n"
    result = await spawn_with_retry_and_fallback(
        SpawnTask("x"), backends=BACKENDS, max_retries=0, fallback_to_llm=False
    )
    assert not result.success


async def test_a_policy_given_comes_before_the_arguments() -> None:
    settings = RecoverySettings(policy=RecoveryPolicy.no_recovery())
    assert not (await spawn_with_retry_and_fallback(SpawnTask("x"), backends=BACKENDS, recovery=settings)).success


async def test_many_tasks_recover_by_policy_preset_or_numbers() -> None:
    tasks = [SpawnTask("x"), SpawnTask("echo fine", "sh")]
    for given in (QUICK, "fast_fallback", None):
        results = await spawn_parallel_with_recovery(
            tasks, backends=BACKENDS, recovery_policy=given, max_retries=0 if given is None else None
        )
        assert [result.output for result in results] == ["by model\n", "fine\n"]
    alone = await spawn_parallel_with_recovery(
        tasks, backends=BACKENDS, recovery_policy=QUICK, max_retries=0, fallback_to_llm=False
    )
    assert [result.success for result in alone] == [False, True]
    with pytest.raises(RecoveryPolicyError, match="did you mean patient"):
        await spawn_parallel_with_recovery(tasks, backends=BACKENDS, recovery_policy="patent")


async def test_states_are_tracked_as_the_tasks_go() -> None:
    seen: list[tuple[str, str, RecoveryState, RecoveryState]] = []
    tasks = [SpawnTask("x", id="a"), SpawnTask("echo fine", "sh", id="b"), SpawnTask("exit 3", "sh", id="c")]
    results, summary = await spawn_parallel_with_state_tracking(
        tasks,
        recovery_policy=QUICK.with_override("sh", strategy="no_recovery"),
        on_state_change=lambda *change: seen.append(change),
        backends=BACKENDS,
    )
    assert [result.success for result in results] == [True, True, False]
    assert (summary["succeeded"], summary["recovered"], summary["failed"]) == (2, 1, 1)
    assert summary["tasks"]["a"]["state"] == "succeeded"
    assert summary["tasks"]["a"]["recovery_path"][-3:] == ["fallback_pending", "fallback_executing", "succeeded"]
    assert summary["tasks"]["c"]["state"] == "failed"
    assert summary["by_agent"]["broken"]["failures"] == 3
    assert ("b", "sh", RecoveryState.EXECUTING, RecoveryState.SUCCEEDED) in seen


def test_the_twins_need_no_loop() -> None:
    fine = SpawnTask("echo fine", "sh")
    assert spawn_sync(fine, backends=BACKENDS).output == "fine\n"
    assert spawn_with_retry_and_fallback_sync(fine, backends=BACKENDS).success
    assert spawn_parallel_with_recovery_sync([fine], backends=BACKENDS)[0].success
    _results, summary = spawn_parallel_with_state_tracking_sync([fine], QUICK, backends=BACKENDS)
    assert summary["succeeded"] == 1
    assert spawn_parallel_sync([fine], backends=BACKENDS)[0].success
    assert spawn_sequential_sync([fine], backends=BACKENDS)[0].success


def test_every_door_has_a_twin_with_the_same_arguments() -> None:
    module = importlib.import_module("aurora_spawner.shortcuts")
    doors = [name for name in aurora_spawner.__all__ if name.startswith("spawn")]
    for name in doors:
        door: Any = getattr(module, name)
        twin: Any = getattr(module, f"{name}_sync")
        assert inspect.iscoroutinefunction(door)
        assert list(inspect.signature(door).parameters) == list(inspect.signature(twin).parameters)
    assert len(doors) == 6


def test_the_tracked_run_can_be_kept(tmp_path: Path) -> None:
    _results, summary = asyncio.run(
        spawn_parallel_with_state_tracking(
            [SpawnTask("x")], "fast_fallback", backends=BACKENDS, journal=tmp_path / "runs.db"
        )
    )
    assert summary["recovered"] == 1
    assert (tmp_path / "runs.db").exists()
