"""An agent that says that it works outside of its worktree is ended, and its work does not count."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from tests.exhaustive import few

from aurora_spawner import CommandBackend, Run, RunOptions, RunReport, SpawnTask, TaskState
from aurora_spawner.backends.dialects import DIALECTS
from aurora_spawner.recovery.policy import RecoveryPolicy
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.workspaces.isolation import MergeMode, isolation_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.spawner.workspaces.repository import Repository

AGENT = """
cat > /dev/null
echo '{"type": "system", "subtype": "init", "session_id": "s", "cwd": "'$FOLDER'"}'
echo x > new.txt
sleep $SLEEP
echo '{"type": "result", "subtype": "success", "is_error": false, "result": "done", "session_id": "s"}'
"""


def run(
    repository: Repository, place: Path, folder: str, *, sleep: int = 0, recovery: RecoveryPolicy | None = None
) -> RunReport:
    """Runs an agent that names a folder; the shell of the agent replaces variables in it."""
    script = f"echo started >> {place}/starts; " + AGENT.replace("$FOLDER", folder).replace("$SLEEP", str(sleep))
    backend = CommandBackend("agent", ("sh", "-c", script), dialect=DIALECTS["claude"])
    options = RunOptions(
        default_agent="agent",
        cwd=repository.path,
        spool=place / "runs",
        isolation=isolation_of(repository.path, home=place / "worktrees", merge=MergeMode.AUTO)[0],
        recovery=recovery,
        executor=LocalExecutor(grace_s=0.3),
    )
    return Run.create(place / "runs.db", [SpawnTask("Work", id="a")], {"agent": backend}, options).execute_sync()


@pytest.mark.parametrize("recovery", [None, RecoveryPolicy(base_delay=0.01)], ids=["no recovery", "recovery"])
def test_it_is_ended_at_once_and_not_tried_again(
    repository: Repository, tmp_path: Path, recovery: RecoveryPolicy | None
) -> None:
    began = time.monotonic()
    report = run(repository, tmp_path, str(repository.path), sleep=60, recovery=recovery)
    assert time.monotonic() - began < 30
    result = report.results["a"]
    assert (result.state, result.termination_reason, result.retry_count) == (TaskState.FAILED, "wrong_folder", 0)
    assert f"it works in {repository.path}, not in its worktree" in str(result.error)
    assert not (repository.path / "new.txt").exists()


@pytest.mark.parametrize("recovery", few([None, RecoveryPolicy(base_delay=0.01)], 1), ids=["no recovery", "recovery"])
def test_one_that_ends_before_it_is_seen_is_the_same(
    repository: Repository, tmp_path: Path, recovery: RecoveryPolicy | None
) -> None:
    result = run(repository, tmp_path, str(repository.path), recovery=recovery).results["a"]
    assert (result.state, result.termination_reason, result.retry_count) == (TaskState.FAILED, "wrong_folder", 0)
    assert f"it works in {repository.path}, not in its worktree" in str(result.error)
    assert (tmp_path / "starts").read_text() == "started\n"


@pytest.mark.parametrize("folder", few(["$PWD", "$PWD/docs", "/workspace-of-a-container"], 1))
def test_its_own_folder_and_that_of_a_container_are_fine(repository: Repository, tmp_path: Path, folder: str) -> None:
    assert run(repository, tmp_path, folder).ok
