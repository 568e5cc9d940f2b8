"""An exit status that is lost is an error: as 0 it would make conflicts clean, and unmerged work merged."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from aurora_spawner.workspaces.checks import run_command
from aurora_spawner.workspaces.children import LOST, Child
from aurora_spawner.workspaces.errors import GitError, LostStatusError
from aurora_spawner.workspaces.git import end_group
from aurora_spawner.workspaces.merging import is_ancestor, merge_trees
from aurora_spawner.workspaces.ref_move import prepared_move

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.spawner.workspaces.repository import Repository


@pytest.fixture
def _deaf() -> Iterator[None]:
    """A process that ignores SIGCHLD, as some parents leave it to the programs that they start."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGCHLD, before)


def test_a_status_is_told_once_to_each_who_asks() -> None:
    process = Child(("sh", "-c", "read _; exit 3"), stdin=subprocess.PIPE)
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    with ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(process.wait, limit) for limit in (None, 20.0, None, 20.0)]
        process.communicate(b"\n")
        assert [each.result() for each in waiting] == [3, 3, 3, 3]


def test_a_status_that_somebody_else_has_taken_is_an_error_once() -> None:
    process = Child(("sh", "-c", "exit 1"))
    os.waitpid(process.pid, 0)
    with pytest.raises(LostStatusError, match="sh: its exit status was lost"):
        process.wait()
    assert process.wait() == process.poll() == LOST


def test_no_status_is_lost_unseen_between_a_look_and_the_taking(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by a handler of SIGCHLD that waits for every child: one failure of a hundred was a success."""
    process = Child(("sh", "-c", "exit 1"))
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    look = os.waitid

    def robbed(kind: int, pid: int, options: int) -> object:
        found = look(kind, pid, options)
        os.waitpid(pid, 0)
        return found

    monkeypatch.setattr(os, "waitid", robbed)
    assert process.poll() == 1


@pytest.mark.usefixtures("_deaf")
def test_what_outlives_an_ended_process_is_ended_though_its_status_is_lost() -> None:
    stubborn = "(trap '' TERM; echo ready; exec sleep 60) & exec sleep 60"
    with Child(("sh", "-c", stubborn), stdout=subprocess.PIPE, process_group=0) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        end_group(process)
        assert select.select([process.stdout], [], [], 20)[0], "it holds the pipe, and so still runs"
        assert process.stdout.read() == b""


@pytest.mark.usefixtures("_deaf")
def test_a_process_that_ignores_its_children_learns_nothing_of_git(repository: Repository) -> None:
    one = repository.commit({"app.py": "one\n"})
    repository("checkout", "-q", "-b", "other", "HEAD~1")
    other = repository.commit({"app.py": "other\n"})
    with pytest.raises(GitError, match="SIGCHLD"):
        merge_trees(repository.git, one, other)
    with pytest.raises(GitError, match="SIGCHLD"):
        is_ancestor(repository.git, one, other)


@pytest.mark.usefixtures("_deaf")
def test_a_check_passes_only_by_a_status(tmp_path: Path) -> None:
    with pytest.raises(LostStatusError):
        run_command(
            ("sh", "-c", "exit 1"),
            tmp_path,
            environment=dict(os.environ),
            until=time.monotonic() + 20,
            stopped=lambda: False,
        )


@pytest.mark.usefixtures("_deaf")
def test_the_answers_of_git_say_whether_a_branch_has_moved_and_not_its_status(repository: Repository) -> None:
    git, old = repository.git, (repository.path / ".git" / "refs" / "heads" / "main").read_text().strip()
    with prepared_move(git, "refs/heads/moved", new=old, old="0" * 40) as move:
        move()
    assert (repository.path / ".git" / "refs" / "heads" / "moved").read_text().strip() == old
    with (
        pytest.raises(GitError, match="cannot lock ref"),
        prepared_move(git, "refs/heads/moved", new=old, old="0" * 40),
    ):
        pass
