"""`aur worker` before its subcommands."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess


@pytest.mark.parametrize(
    "options", [("--pool", "big"), ("--concurrency", "1"), ("--allow", "build"), ("--labels", "gpu")]
)
def test_an_option_of_serving_is_refused_before_a_subcommand(
    aur: Callable[..., CompletedProcess[str]], options: tuple[str, str]
) -> None:
    refused = aur("worker", *options, "list")
    assert refused.returncode == ExitCode.USAGE
    assert f"{options[0]} is for serving a pool, and not for `aur worker list`" in refused.stderr


def test_the_database_may_be_named_before_a_subcommand(
    aur: Callable[..., CompletedProcess[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AURORA_DATABASE_URL", "")  # put back afterwards, since the option sets it
    refused = aur("worker", "--database", "postgresql://127.0.0.1:9/none", "list")
    assert "is for serving" not in refused.stderr
    assert "127.0.0.1" in refused.stderr


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ("gpu,GPU", "'GPU' is no label"),
        ("gpu,", "'' is no label"),
        (",".join("abcdefghi"), "9 labels are too many; 8"),
    ],
)
def test_labels_are_checked(aur: Callable[..., CompletedProcess[str]], labels: str, problem: str) -> None:
    refused = aur("worker", "--pool", "big", "--labels", labels)
    assert refused.returncode == ExitCode.USAGE
    assert problem in " ".join(refused.stderr.split())


def test_a_pool_without_a_repository_makes_no_worktrees(
    aur: Callable[..., CompletedProcess[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so before anything starts, where worktrees are asked for."""
    monkeypatch.setenv("AURORA_DATABASE_URL", "postgresql://127.0.0.1:9/none")
    monkeypatch.setenv("AURORA_TRUST", "1")
    monkeypatch.chdir(tmp_path)
    git = ["git", "-c", "user.name=T", "-c", "user.email=t@example.invalid"]
    (tmp_path / ".aurora").mkdir(exist_ok=True)
    config = tmp_path / ".aurora" / "config.yaml"
    config.write_text("backends:\n  x: {kind: command, command: [sh], labels: [gpu]}\n")
    (tmp_path / "tasks.md").write_text("- [ ] 1 One\n  - Agent: x\n  - Pool: other\n  - Labels: gpu, linux\n")
    for words in (["init", "--quiet"], ["add", "tasks.md"], ["commit", "--quiet", "-m", "first"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    plan = aur("spawn", "tasks.md", "--pool", "big", "--dry-run")
    assert "pool other, labels gpu, linux" in plan.stdout
    assert "worktree" not in plan.stdout
    refused = aur("spawn", "tasks.md", "--pool", "big", "--isolation", "worktree", "--yes")
    assert refused.returncode == ExitCode.ENVIRONMENT
    assert "pool big names no git repository through which trees could travel" in refused.stderr
    here = aur("spawn", "tasks.md", "--yes", "--isolation", "none")
    assert "tasks 1 name workers (Pool or Labels), and run here" in here.stderr
