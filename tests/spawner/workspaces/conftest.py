import os
from pathlib import Path

import pytest
from tests.spawner.workspaces.repository import ALONE, Repository, copy_repository

from aurora_spawner.workspaces.worktrees import Workspaces


@pytest.fixture(autouse=True)
def _no_configuration_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ALONE.items():
        monkeypatch.setenv(name, value)
    for name in [name for name in os.environ if name.startswith("GIT_") and name not in ALONE]:
        monkeypatch.delenv(name)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    lines = "".join(f"line {number}\n" for number in range(1, 21))
    return copy_repository(
        tmp_path / "project", {"app.py": lines, "docs/guide.md": "# Guide\n", ".gitignore": "*.log\n"}
    )


@pytest.fixture
def workspaces(repository: Repository, tmp_path: Path) -> Workspaces:
    return Workspaces(repository.path, home=tmp_path / "home", run_id="run-1")
