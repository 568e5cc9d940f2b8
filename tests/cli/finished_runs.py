"""Runs in worktrees of a real repository that is a project, finished before a test looks at them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.spawner.workspaces.repository import ALONE, Repository, copy_repository

from aurora_spawner import CommandBackend, Run, RunOptions, RunReport, SpawnTask
from aurora_spawner.rate_limits.gate_store import default_state_dir
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.workspaces.isolation import Isolation, MergeMode, isolation_of

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

BACKENDS = {"sh": CommandBackend("sh", ("sh",))}


@dataclass(frozen=True)
class Shed:
    """A project in a git repository, and the home of its worktrees beside it."""

    repository: Repository
    home: Path

    @property
    def path(self) -> Path:
        return self.repository.path

    @property
    def journal(self) -> Path:
        return self.path / ".aurora" / "runs.db"

    def users_files(self) -> tuple[bytes, dict[str, bytes]]:
        """The index and the files of the checkout, without Aurora's own folder."""
        index, files = self.repository.state()
        return index, {name: content for name, content in files.items() if not name.startswith(".aurora/")}

    def leave_main(self) -> None:
        """Stands on a branch that is not protected, under the default policies; what loosens them needs trust."""
        (self.path / ".aurora/policies.yaml").unlink()
        self.repository("branch", "-m", "work")

    def create(self, *tasks: SpawnTask, merge: MergeMode = MergeMode.AUTO, isolation: Isolation | None = None) -> Run:
        options = RunOptions(
            default_agent="sh",
            cwd=self.path,
            spool=self.path / ".aurora" / "runs",
            isolation=isolation or isolation_of(self.path, home=self.home, merge=merge)[0],
            executor=LocalExecutor(grace_s=0.3),
            state_dir=default_state_dir(),
        )
        return Run.create(self.journal, tasks, BACKENDS, options)

    def run(self, *tasks: SpawnTask, merge: MergeMode = MergeMode.AUTO) -> RunReport:
        return self.create(*tasks, merge=merge).execute_sync()

    def worktree(self, run_id: str, task_id: str) -> Path:
        return next(self.home.glob(f"*/{run_id}/{task_id}"))


def make_shed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shed:
    """Makes the project and stands in it."""
    for name, value in ALONE.items():
        monkeypatch.setenv(name, value)
    for name in [name for name in os.environ if name.startswith("GIT_") and name not in ALONE]:
        monkeypatch.delenv(name)
    lines = "".join(f"line {number}\n" for number in range(1, 21))
    repository = copy_repository(tmp_path / "shed", {"app.py": lines, ".gitignore": ".aurora/\n*.log\n"})
    (repository.path / ".aurora").mkdir()
    unasked = "destructive: {git_merge_main: {action: allow}}\n"  # as in a project whose user wants no question
    (repository.path / ".aurora/policies.yaml").write_text(unasked)
    monkeypatch.chdir(repository.path)
    return Shed(repository=repository, home=tmp_path / "worktrees")


def writes(task_id: str, file: str, text: str) -> SpawnTask:
    return SpawnTask(f"printf '%s\\n' '{text}' > '{file}'; echo done", id=task_id, title=f"write {file}")
