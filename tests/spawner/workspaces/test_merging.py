"""Merges in memory: a conflict is told from a failure of git."""

import shutil
from pathlib import Path

import pytest
from tests.spawner.workspaces.repository import Repository

from aurora_spawner.workspaces.errors import GitError, GitVersionError
from aurora_spawner.workspaces.merge_queue import MergeQueue, Work
from aurora_spawner.workspaces.merging import merge_trees
from aurora_spawner.workspaces.worktrees import Workspaces


@pytest.fixture
def diverged(repository: Repository) -> tuple[str, str]:
    """Two commits that change different lines of one file."""
    lines = (repository.path / "app.py").read_text()
    repository("checkout", "-qb", "other")
    theirs = repository.commit({"app.py": lines.replace("line 2\n", "two\n")})
    repository("checkout", "-q", "main")
    return repository.commit({"app.py": lines.replace("line 18\n", "eighteen\n")}), theirs


def lose(repository: Repository, name: str) -> None:
    (repository.path / ".git" / "objects" / name[:2] / name[2:]).unlink()


def answer_with(monkeypatch: pytest.MonkeyPatch, folder: Path, command: str, script: str) -> None:
    """Puts a git first on the path that answers one command with a script and hands on the others."""
    folder.mkdir()
    program = folder / "git"
    real = shutil.which("git")
    program.write_text(
        f'#!/bin/sh\nfor each; do if [ "$each" = {command} ]; then {script}; fi; done\nexec {real} "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


@pytest.mark.parametrize("missing", ["no-such-branch", "1" * 40])
def test_a_commit_that_git_cannot_find_is_no_conflict(repository: Repository, missing: str) -> None:
    with pytest.raises(GitError, match="not something we can merge"):
        merge_trees(repository.git, "main", missing)


@pytest.mark.parametrize("lost", ["{}^{{tree}}", "{}:app.py"])
def test_a_commit_whose_content_is_lost_is_no_conflict(
    repository: Repository, diverged: tuple[str, str], lost: str
) -> None:
    lose(repository, repository("rev-parse", lost.format(diverged[1])))
    with pytest.raises(GitError, match=r"(?i)could not read|unable to read"):
        merge_trees(repository.git, *diverged)


def test_the_exit_status_says_if_a_merge_is_clean(
    repository: Repository, diverged: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = repository("rev-parse", "main^{tree}")
    assert merge_trees(repository.git, *diverged).is_clean
    answer_with(monkeypatch, tmp_path / "bin", "merge-tree", f"printf '{tree}\\0'; exit 1")
    assert not merge_trees(repository.git, *diverged).is_clean


def test_a_clean_merge_names_no_conflict(
    repository: Repository, diverged: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = repository("rev-parse", "main^{tree}")
    answer_with(monkeypatch, tmp_path / "bin", "merge-tree", f"printf '{tree}\\0app.py\\0'; exit 0")
    with pytest.raises(GitError, match="exit status 0"):
        merge_trees(repository.git, *diverged)


def test_a_higher_exit_status_is_a_failure(
    repository: Repository, diverged: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = repository("rev-parse", "main^{tree}")
    answer_with(monkeypatch, tmp_path / "bin", "merge-tree", f"printf '{tree}\\0'; echo damaged >&2; exit 2")
    with pytest.raises(GitError, match="damaged"):
        merge_trees(repository.git, *diverged)


def test_work_that_git_cannot_read_moves_nothing(repository: Repository) -> None:
    merging = MergeQueue(git=repository.git, run_id="run-1", target="main", base="main")
    with pytest.raises(GitError):
        merging.merge([Work(task_id="a", commit="1" * 40, branch="aurora/run-1/a")])
    assert repository("for-each-ref", "--format=%(refname)") == "refs/heads/main"


def test_a_git_that_is_too_old_is_named_with_the_one_that_is_needed(
    repository: Repository, diverged: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_with(monkeypatch, tmp_path / "bin", "version", "echo 'git version 2.37.7 (Apple Git-1)'; exit 0")
    with pytest.raises(GitVersionError, match=r"git is version 2\.37\.7, and 2\.38 or later is needed"):
        merge_trees(repository.git, *diverged)
    with pytest.raises(GitVersionError, match=r"2\.38"):
        Workspaces(repository.path, home=tmp_path / "home", run_id="r")
