"""The clean-up of worktrees takes nothing that is in use or that somebody wants, whoever made it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tests.spawner.workspaces.repository import Repository, write

from aurora_spawner.control.worktree_cleanup import clean_worktrees
from aurora_spawner.runs.leftovers import announced
from aurora_spawner.workspaces.attic import list_attic
from aurora_spawner.workspaces.isolation import MergeMode, isolation_of
from aurora_spawner.workspaces.results import commit_work
from aurora_spawner.workspaces.run_worktrees import RunWorktrees

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner.control.worktree_cleanup import WorktreeCleanup
    from aurora_spawner.workspaces.worktrees import Workspaces


def clean(repository: Repository, tmp_path: Path) -> WorktreeCleanup:
    """Cleans up in a project whose journal does not have the run."""
    return clean_worktrees(tmp_path / "no.db", repository.path, state_dir=tmp_path / "state")


def test_a_run_of_another_project_in_the_same_repository_is_left_alone_while_it_runs(
    repository: Repository, tmp_path: Path
) -> None:
    """Such as one in another worktree of the user's own: its agent has changed nothing yet."""
    isolation = isolation_of(repository.path, home=tmp_path / "home", merge=MergeMode.ASK)[0]
    worktrees = RunWorktrees.of(isolation, "run-1")
    made = worktrees.workspaces.create("a", "HEAD")
    newer = repository.git.run("commit-tree", "main^{tree}", "-p", "main", "-m", "merged").text
    RunWorktrees.of(isolation, "run-2").hold(newer)
    with ExitStack() as running:
        for run_id in ("run-1", "run-2"):  # one with a worktree, and one that merges what others have given it
            running.enter_context(announced(tmp_path / "state", run_id, tmp_path / "theirs.db"))
        found = clean(repository, tmp_path)
        assert not found.removed
        assert [(each.task_id, each.state) for each in found.kept] == [("a", "running")]
        assert made.path.is_dir()
        assert newer in repository("for-each-ref", "--format=%(objectname)", "refs/aurora/bases/")
    assert [each.task_id for each in clean(repository, tmp_path).removed] == ["a"]
    assert repository("for-each-ref", "refs/aurora/", "refs/heads/aurora/") == ""


def test_a_commit_that_an_agent_lost_and_a_person_took_up_again_is_not_discarded(
    repository: Repository, workspaces: Workspaces, tmp_path: Path
) -> None:
    """The attic has it, and nobody has decided against it."""
    worktree = workspaces.create("a", "HEAD")
    lost = repository.commit({"new.py": "1\n"}, folder=worktree.path)
    repository("reset", "-q", "--hard", "HEAD~1", folder=worktree.path)
    write(worktree.path, {"other.py": "1\n"})
    commit_work(worktree, "Work", trailers={})
    assert [each.commit for each in list_attic(repository.git)] == [lost]
    repository("reset", "-q", "--hard", lost, folder=worktree.path)
    (kept,) = clean(repository, tmp_path).kept
    assert (kept.state, kept.keep) == ("unmerged", f"its commits on {worktree.branch} are not on a branch of yours")
    assert repository("rev-parse", worktree.branch) == lost


def test_of_two_clean_ups_at_once_only_one_tells_what_was_removed(
    repository: Repository, workspaces: Workspaces, tmp_path: Path
) -> None:
    for name in "abc":
        workspaces.create(name, "HEAD")
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: clean(repository, tmp_path), range(2)))
    assert sorted(each.task_id for found in both for each in found.removed) == ["a", "b", "c"]
    assert not [each for found in both for each in found.kept]
