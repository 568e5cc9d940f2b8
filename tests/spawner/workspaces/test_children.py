"""An exit status that is lost is an error: as 0 it would make conflicts clean, and unmerged work merged."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from aurora_spawner.workspaces.checks import run_command
from aurora_spawner.workspaces.children import LOST, Child
from aurora_spawner.workspaces.errors import GitError, LostStatusError
from aurora_spawner.workspaces.merging import is_ancestor, merge_trees

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
