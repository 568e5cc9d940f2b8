"""A project is found where one stands, and never in a place that somebody else could have prepared."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aurora_core import Memory, Project, ProjectError, load_config
from aurora_core.project import SAFE_DIRECTORY

as_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
NOBODY = 65534


def git(root: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.invalid")
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def main(tmp_path: Path) -> Path:
    """A repository with a project and a commit."""
    root = tmp_path / "p"
    root.mkdir()
    git(root, "init", "-q")
    (root / "a.py").write_text("def wombat():\n    return 1\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "Start")
    Project.init(root)
    return root


@pytest.mark.parametrize("place", [".claude/worktrees/three", "../beside"])
def test_a_linked_worktree_is_a_project_of_its_own(main: Path, place: str) -> None:
    git(main, "worktree", "add", "-q", place)
    worktree = (main / place).resolve()
    (worktree / "sub").mkdir()
    assert Project.find(worktree) is None
    assert Project.find(worktree / "sub") is None
    assert Project.uninitialised(worktree / "sub").root == worktree
    Project.init(worktree)
    assert Project.find(worktree / "sub") == Project(root=worktree)
    assert Project.find(main) == Project(root=main)


def test_the_worktree_of_a_relative_link_is_one_too(main: Path) -> None:
    git(main, "worktree", "add", "-q", "w")
    (main / "w" / ".git").write_text("gitdir: ../.git/worktrees/w\n")
    assert Project.find(main / "w") is None


def test_submodules_and_clones_belong_to_the_project_around_them(main: Path) -> None:
    git(main, "clone", "-q", ".", "clone")
    git(main, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(main), "module")
    for inner in ("clone", "module"):
        assert Project.find(main / inner) == Project(root=main)


def test_a_worktree_without_settings_follows_those_of_the_main_checkout(main: Path) -> None:
    (main / ".aurora" / "config.yaml").write_text("spawner:\n  max_concurrent: 3\n")
    (main / ".aurora" / "policies.yaml").write_text("destructive:\n  drop_table: {action: deny}\n")
    git(main, "worktree", "add", "-q", "w")
    project = Project.uninitialised(main / "w")
    assert load_config(project, environ={}).max_concurrent == 3
    assert project.policies_file == main / ".aurora" / "policies.yaml"
    (main / "w" / ".aurora").mkdir()
    (main / "w" / ".aurora" / "config.yaml").write_text("spawner:\n  max_concurrent: 5\n")
    assert load_config(project, environ={}).max_concurrent == 5
    assert Project(root=main).config_file == main / ".aurora" / "config.yaml"


def test_a_folder_that_only_claims_to_be_a_worktree_gets_no_settings(main: Path, tmp_path: Path) -> None:
    (main / ".aurora" / "config.yaml").write_text("tool: local\n")
    git(main, "worktree", "add", "-q", "w")
    claims = tmp_path / "claims"
    claims.mkdir()
    shutil.copy(main / "w" / ".git", claims / ".git")
    assert Project.uninitialised(claims).config_file == claims / ".aurora" / "config.yaml"


@pytest.mark.parametrize("content", [b"", b"gitdir:", b"gitdir: \xff\x00/worktrees/x", b"gitdir: " + b"a/" * 50_000])
def test_an_odd_git_file_is_no_worktree(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".git").write_bytes(content)
    Project.init(tmp_path)
    (tmp_path / "sub").mkdir()
    assert Project.find(tmp_path / "sub") == Project(root=tmp_path)


def test_a_git_file_that_is_a_pipe_blocks_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".git")
    assert Project.find(tmp_path) is None


@contextmanager
def being(user: int) -> Iterator[None]:
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def shared_temporary_folder() -> Iterator[Path]:
    """A folder that everybody may write to; pytest's own are for their owner alone."""
    folder = Path(tempfile.mkdtemp(prefix="aurora-shared-")).resolve()
    folder.chmod(0o1777)
    yield folder
    shutil.rmtree(folder)


@as_root
def test_the_project_of_a_stranger_is_refused_and_the_message_says_what_to_do(
    shared_temporary_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = shared_temporary_folder / "mine"
    mine.mkdir(mode=0o755)
    with being(NOBODY):
        (shared_temporary_folder / ".aurora").mkdir()
    with pytest.raises(ProjectError, match=rf"another user \({NOBODY}\).*{SAFE_DIRECTORY}="):
        Project.find(mine)
    with pytest.raises(ProjectError, match="another user"):
        Memory.open(shared_temporary_folder)
    monkeypatch.setenv(SAFE_DIRECTORY, f"/elsewhere{os.pathsep}{shared_temporary_folder}")
    assert Project.find(mine) == Project(root=shared_temporary_folder)
    monkeypatch.setenv(SAFE_DIRECTORY, "*")
    assert Project.find(mine) == Project(root=shared_temporary_folder)
    monkeypatch.delenv(SAFE_DIRECTORY)
    with being(NOBODY):
        assert Project.find(mine) == Project(root=shared_temporary_folder)
    monkeypatch.setenv("SUDO_UID", str(NOBODY))
    assert Project.find(mine) == Project(root=shared_temporary_folder)


@as_root
def test_sudo_to_somebody_else_opens_nothing(shared_temporary_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with being(1):
        (shared_temporary_folder / ".aurora").mkdir()
    monkeypatch.setenv("SUDO_UID", "1")
    with being(NOBODY), pytest.raises(ProjectError, match="another user"):
        Project.find(shared_temporary_folder)


def test_a_link_out_of_the_project_is_refused_and_one_inside_is_not(tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / ".aurora").mkdir(parents=True)
    root = tmp_path / "clone"
    (root / "kept").mkdir(parents=True)
    (root / ".aurora").symlink_to(tmp_path / "elsewhere" / ".aurora")
    for refused in (Project.find, Project.init):
        with pytest.raises(ProjectError, match="is a link to"):
            refused(root)
    (root / ".aurora").unlink()
    (root / ".aurora").symlink_to("kept")
    assert Project.find(root) == Project(root=root)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_what_a_project_keeps_is_private_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        with Memory.open(tmp_path) as memory:
            (tmp_path / "a.py").write_text("def alpha():\n    return 1\n")
            memory.index()
            beside = list((tmp_path / ".aurora").glob("memory.db*"))
            assert [oct(file.stat().st_mode & 0o777) for file in beside] == ["0o600"] * 3
        Memory.rebuild(tmp_path)
    finally:
        os.umask(before)
    assert oct((tmp_path / ".aurora").stat().st_mode & 0o777) == "0o700"
    assert oct((tmp_path / ".aurora" / "memory.db").stat().st_mode & 0o777) == "0o600"


def test_what_an_earlier_version_left_open_to_all_is_closed(tmp_path: Path) -> None:
    Memory.open(tmp_path).close()
    (tmp_path / ".aurora").chmod(0o755)
    (tmp_path / ".aurora" / "memory.db").chmod(0o644)
    Memory.open(tmp_path).close()
    assert oct((tmp_path / ".aurora").stat().st_mode & 0o777) == "0o700"
    assert oct((tmp_path / ".aurora" / "memory.db").stat().st_mode & 0o777) == "0o600"
