"""A linked worktree is recognised by its `.git` file; garbage there is no worktree, and never an error."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.exhaustive import examples

from aurora_core.checkouts import enclosing_repository, linked_worktree, linked_worktree_above

if TYPE_CHECKING:
    from pathlib import Path


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def main(tmp_path: Path) -> Path:
    repository = tmp_path / "main"
    repository.mkdir()
    git(repository, "init", "-q")
    git(repository, "commit", "-q", "--allow-empty", "-m", "one")
    return repository


@pytest.fixture
def worktree(main: Path) -> Path:
    folder = main.parent / "side"
    git(main, "worktree", "add", "-q", str(folder))
    return folder


def test_a_linked_worktree_names_its_repository_and_is_confirmed_by_it(main: Path, worktree: Path) -> None:
    found = linked_worktree(worktree)
    assert found is not None
    assert found.git_dir == main / ".git" / "worktrees" / "side"
    assert (found.common_dir, found.main_checkout, found.confirmed) == (main / ".git", main, True)


def test_folders_below_a_worktree_belong_to_it(worktree: Path) -> None:
    deep = worktree / "a" / "b"
    deep.mkdir(parents=True)
    assert linked_worktree(deep) is None
    assert linked_worktree_above(deep) == worktree
    (worktree.parent / "link").symlink_to(deep)
    assert linked_worktree_above(worktree.parent / "link") == worktree


def test_a_main_checkout_is_no_linked_worktree_but_a_repository(main: Path, worktree: Path) -> None:
    (main / "src").mkdir()
    assert linked_worktree(main) is None
    assert linked_worktree_above(main / "src") is None
    assert enclosing_repository(main / "src") == main / ".git"
    assert enclosing_repository(worktree) == main / ".git"
    assert enclosing_repository(main.parent) is None


def test_a_moved_worktree_is_not_confirmed(main: Path, worktree: Path) -> None:
    copy = worktree.parent / "copy"
    copy.mkdir()
    (copy / ".git").write_text((worktree / ".git").read_text())
    found = linked_worktree(copy)
    assert found is not None
    assert not found.confirmed, "the repository names another folder"
    assert found.main_checkout == main


def test_a_worktree_outlives_its_repository(main: Path, worktree: Path) -> None:
    main.rename(main.parent / "gone")
    found = linked_worktree(worktree)
    assert found is not None
    assert (found.common_dir, found.confirmed) == (main / ".git", False)


def test_a_worktree_of_a_bare_repository_has_no_main_checkout(main: Path) -> None:
    bare = main.parent / "bare.git"
    git(main.parent, "clone", "-q", "--bare", str(main), str(bare))
    git(bare, "worktree", "add", "-q", str(main.parent / "side"))
    found = linked_worktree(main.parent / "side")
    assert found is not None
    assert (found.common_dir, found.main_checkout, found.confirmed) == (bare, None, True)


def test_relative_paths_are_those_of_the_worktree(main: Path, worktree: Path) -> None:
    git_dir = main / ".git" / "worktrees" / "side"
    (worktree / ".git").write_text(f"gitdir: {os.path.relpath(git_dir, worktree)}\n")
    (git_dir / "gitdir").write_text(os.path.relpath(worktree / ".git", git_dir) + "\n")
    found = linked_worktree(worktree)
    assert found is not None
    assert (found.git_dir, found.confirmed) == (git_dir, True)


def test_a_submodule_is_no_worktree(main: Path) -> None:
    inner = main / "inner"
    inner.mkdir()
    (inner / ".git").write_text("gitdir: ../.git/modules/inner\n")
    assert linked_worktree(inner) is None


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["pipe", "folder", "link", "large", "binary", "empty"])
def test_odd_git_files_are_no_worktree(tmp_path: Path, kind: str) -> None:
    git_file = tmp_path / ".git"
    if kind == "pipe":
        os.mkfifo(git_file)
    elif kind == "folder":
        git_file.mkdir()
    elif kind == "link":
        git_file.symlink_to(git_file)
    else:
        content = {"large": b"gitdir: " + b"x" * 10_000, "binary": b"gitdir\0: /x/worktrees/y", "empty": b""}
        git_file.write_bytes(content[kind])
    assert linked_worktree(tmp_path) is None


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(60))
@given(content=st.binary(max_size=80) | st.binary(max_size=40).map(lambda end: b"gitdir: /x/worktrees/" + end))
def test_no_content_of_a_git_file_raises(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".git").write_bytes(content)
    found = linked_worktree(tmp_path)
    assert found is None or not found.confirmed
