"""The git program: locks that another git holds, and locks that a killed one left."""

import fcntl
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from tests.spawner.workspaces.repository import Repository, make_repository

from aurora_spawner.workspaces.delivery import fast_forward
from aurora_spawner.workspaces.errors import GitError, GitLockedError, WorkspaceLockedError
from aurora_spawner.workspaces.merge_queue import MergeQueue
from aurora_spawner.workspaces.worktrees import Workspaces

OURS = "refs/aurora/bases/run-1/a"


def leave_lock(repository: Repository, name: str) -> Path:
    lock = repository.path / ".git" / name
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    return lock


@pytest.fixture
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aurora_spawner.workspaces.git.LOCK_WAIT_S", 0.3)


def test_git_is_asked_again_while_another_process_holds_a_lock(repository: Repository) -> None:
    lock = leave_lock(repository, "refs/heads/other.lock")
    holder = subprocess.Popen([sys.executable, "-c", f"import time, os; time.sleep(0.4); os.unlink({str(lock)!r})"])
    repository.git.run("update-ref", "refs/heads/other", "HEAD")
    assert holder.wait(10) == 0
    assert repository("rev-parse", "other") == repository("rev-parse", "HEAD")


@pytest.mark.usefixtures("short_wait")
def test_a_lock_that_a_killed_git_left_on_a_ref_of_ours_is_removed(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "tess's" / "project", {"app.py": "1\n"})
    named = "refs/heads/team/bots/spawn-1796038988602/task"  # as the user's policies can have it
    for ref in (OURS, named, "refs/heads/team/users/task"):
        leave_lock(repository, f"{ref}.lock")
    for ref in (OURS, named):
        repository.git.run("update-ref", ref, "HEAD")
        assert repository("rev-parse", ref) == repository("rev-parse", "HEAD")
    with pytest.raises(GitError, match=r"task\.lock"):
        repository.git.run("update-ref", "refs/heads/team/users/task", "HEAD")


def test_a_git_that_hangs_while_files_are_read_is_ended(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "git").write_text("#!/bin/sh\necho $$ > $0.pid\nsleep 60\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("aurora_spawner.workspaces.git.TIMEOUT_S", 0.3)
    with pytest.raises(GitError, match="did not end within 0 s"):
        repository.git.beginnings(["0" * 40], 10)
    assert not psutil.pid_exists(int((tmp_path / "git.pid").read_text()))


@pytest.mark.usefixtures("short_wait")
def test_a_lock_of_ours_that_was_left_during_the_wait_is_removed_when_it_is_stale(repository: Repository) -> None:
    lock = leave_lock(repository, f"{OURS}.lock")
    os.utime(lock, (time.time() + 0.2,) * 2)
    repository.git.run("update-ref", OURS, "HEAD")
    assert repository("rev-parse", OURS) == repository("rev-parse", "HEAD")


@pytest.mark.usefixtures("short_wait")
def test_a_lock_that_goes_at_the_end_of_the_wait_is_no_error(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_lock(repository, f"{OURS}.lock")

    def removed_by_another(path: Path) -> None:
        os.unlink(path)  # noqa: PTH108 -- the method is this function
        raise FileNotFoundError(2, "No such file or directory", str(path))

    monkeypatch.setattr(Path, "unlink", removed_by_another)
    repository.git.run("update-ref", OURS, "HEAD")
    assert repository("rev-parse", OURS) == repository("rev-parse", "HEAD")


@pytest.mark.usefixtures("short_wait")
def test_a_lock_from_the_future_ends_the_wait(repository: Repository) -> None:
    lock = leave_lock(repository, f"{OURS}.lock")
    os.utime(lock, (time.time() + 3600,) * 2)
    with pytest.raises(GitError, match="is held by another git"):
        repository.git.run("update-ref", OURS, "HEAD")
    assert lock.exists()


@pytest.mark.usefixtures("short_wait")
def test_a_lock_that_cannot_be_removed_is_a_typed_error(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_lock(repository, f"{OURS}.lock")

    def refused(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", refused)
    with pytest.raises(GitError, match=r"cannot be removed: .*Permission denied"):
        repository.git.run("update-ref", OURS, "HEAD")


def test_a_git_that_takes_too_long_ends_with_its_hooks(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook holds a pipe of ours open; nobody has it open any more once its end can be read."""
    os.mkfifo(alive := tmp_path / "alive")
    hook = repository.path / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\nexec 9>'{alive}'\necho begun >&9\nsleep 60 >/dev/null 2>&1\n")
    hook.chmod(0o755)
    monkeypatch.setattr("aurora_spawner.workspaces.git.TIMEOUT_S", 1.0)
    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(alive.read_text)
        with pytest.raises(GitError, match="did not end within"):
            repository.git.run("commit", "--allow-empty", "-m", "slow")
        assert reader.result(20) == "begun\n"


@pytest.mark.usefixtures("short_wait")
@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("index.lock", ("add", "app.py")),
        ("refs/heads/users.lock", ("update-ref", "refs/heads/users", "HEAD")),
        ("config.lock", ("config", "users.word", "1")),
        ("packed-refs.lock", ("pack-refs", "--all")),
    ],
)
def test_a_lock_that_a_foreign_git_holds_is_named(
    repository: Repository, name: str, command: tuple[str, ...]
) -> None:
    repository("config", "core.packedRefsTimeout", "-1")  # git alone would wait for ever
    lock = leave_lock(repository, name)
    with pytest.raises(GitLockedError) as caught:
        repository.git.run(*command)
    assert caught.value.lock == lock
    assert lock.exists()


def test_the_turn_of_another_process_is_not_waited_for_without_end(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspaces = Workspaces(repository.path, home=tmp_path / "home", run_id="run-1")
    workspaces.create("a", "HEAD")
    monkeypatch.setattr("aurora_spawner.workspaces.turns.TURN_WAIT_S", 0.2)
    lock = workspaces.folder.parent / ".lock"
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(WorkspaceLockedError, match="held this lock") as caught:
            workspaces.create("b", "HEAD")
    assert caught.value.path == lock


@pytest.mark.usefixtures("short_wait")
def test_a_lock_on_the_target_is_not_a_target_that_moves(repository: Repository) -> None:
    head = repository("rev-parse", "main")
    merging = MergeQueue(git=repository.git, run_id="run-1", target="released", base=head)
    repository("branch", "released", "main")
    repository("update-ref", f"refs/heads/{merging.branch}", repository.commit({"new.py": "1\n"}))
    lock = leave_lock(repository, "refs/heads/released.lock")
    with pytest.raises(GitLockedError) as caught:
        merging.deliver()
    assert caught.value.lock == lock


@pytest.mark.usefixtures("short_wait")
@pytest.mark.parametrize("name", ["index.lock", "HEAD.lock"])
def test_a_lock_that_a_git_has_left_is_named_before_a_delivery(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("aurora_spawner.workspaces.ref_move._WAIT", "core.filesRefLockTimeout=300")
    head = repository("rev-parse", "main")
    newer = repository.git.run("commit-tree", "main^{tree}", "-p", "main", "-m", "new").text
    lock = leave_lock(repository, name)
    with pytest.raises(GitLockedError, match=rf"/{name} is held by another git, or was left by one") as caught:
        fast_forward(repository.path, "refs/heads/main", head, newer)
    assert caught.value.lock == lock
    lock.unlink()
    assert fast_forward(repository.path, "refs/heads/main", head, newer)
