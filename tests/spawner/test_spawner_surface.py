"""The public names of aurora_spawner: this list and no other, cheap to import, with its packages declared."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import aurora_spawner

PACKAGE = Path(__file__).parents[2] / "packages" / "spawner"
NAMES = [
    "Backend",
    "BudgetGate",
    "CircuitBreaker",
    "CliBackend",
    "CommandBackend",
    "EarlyDetection",
    "ErrorCategory",
    "ErrorClassifier",
    "ModelBackend",
    "RecoveryMetrics",
    "RecoveryPolicy",
    "RecoveryResult",
    "RecoverySettings",
    "RecoveryStateMachine",
    "RecoveryStateTransition",
    "RecoverySummary",
    "Run",
    "RunEvent",
    "RunOptions",
    "RunReport",
    "SpawnResult",
    "SpawnTask",
    "SpawnerError",
    "TaskRecoveryState",
    "TaskState",
    "TimeoutPolicy",
    "expand_coordinator",
    "hierarchical",
    "map_reduce",
    "parallel",
    "read_taskfile",
    "sequential",
    "spawn",
    "spawn_parallel",
    "spawn_parallel_with_recovery",
    "spawn_parallel_with_state_tracking",
    "spawn_sequential",
    "spawn_with_retry_and_fallback",
    "tick",
]
SPECIFIED = {
    *("SpawnTask", "SpawnResult", "Run", "spawn", "spawn_parallel", "spawn_sequential"),
    *("spawn_with_retry_and_fallback", "spawn_parallel_with_recovery", "spawn_parallel_with_state_tracking"),
    *("sequential", "parallel", "map_reduce", "hierarchical"),
    *("RecoveryStateTransition", "TaskRecoveryState", "RecoveryStateMachine", "RecoveryPolicy"),
    *("ErrorClassifier", "ErrorCategory", "RecoveryMetrics", "RecoveryResult", "RecoverySummary"),
    *("CircuitBreaker", "TimeoutPolicy", "EarlyDetection", "BudgetGate"),
}
"""The names that programs rely on by the specification."""


def test_these_names_are_public_and_no_others() -> None:
    assert aurora_spawner.__all__ == sorted(NAMES)
    assert len(NAMES) <= 40
    with pytest.raises(AttributeError, match="no attribute 'Journal'"):
        aurora_spawner.Journal  # noqa: B018 - the access is the test


def test_every_public_name_can_be_imported() -> None:
    # The name `spawn` is also that of the module it comes from, and the function is meant.
    program = f"from aurora_spawner import spawn_parallel, {', '.join(NAMES)}; assert callable(spawn), spawn"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=50)


def test_every_specified_name_is_public() -> None:
    assert set(aurora_spawner.__all__) >= SPECIFIED


def test_an_import_loads_no_package_that_only_some_programs_need() -> None:
    heavy = "'httpx', 'jsonschema', 'pydantic', 'tenacity', 'yaml'"
    program = (
        f"import sys; from aurora_spawner import *; found = {{{heavy}}} & set(sys.modules); assert not found, found"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=50)


def test_a_program_that_needs_one_wing_loads_no_other() -> None:
    program = """
import sys
from aurora_spawner import SpawnTask
wings = {name.split(".")[1] for name in sys.modules if name.startswith("aurora_spawner.")}
assert wings == {"errors", "storage", "tasks"}, wings
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=50)


def test_the_readme_names_the_packages_that_an_installation_brings() -> None:
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    always = {wanted.partition(">=")[0] for wanted in project["dependencies"]}
    extra = {wanted.partition(">=")[0] for wanted in project["optional-dependencies"]["models"]}
    assert (always, extra) == (
        {"aiosqlite", "jsonschema", "psutil", "pydantic", "pyyaml"},
        {"httpx", "tenacity"},
    )
    readme = " ".join((PACKAGE / "README.md").read_text().lower().split())
    assert "it installs aiosqlite, jsonschema, psutil, pydantic and pyyaml" in readme
    assert "`aurora-spawner[models]` adds httpx and tenacity" in readme
