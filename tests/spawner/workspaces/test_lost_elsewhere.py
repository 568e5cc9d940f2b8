"""What public reports of 2026 say other tools lost, where no other module is about it: each with real git."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.exhaustive import few
from tests.spawner.workspaces.repository import make_repository

from aurora_spawner.workspaces.merge_queue import MergeQueue, Work
from aurora_spawner.workspaces.results import commit_work
from aurora_spawner.workspaces.worktrees import Workspaces

if TYPE_CHECKING:
    from pathlib import Path

    from tests.spawner.workspaces.repository import Repository

    from aurora_spawner.workspaces.worktrees import Worktree


def finish(repository: Repository, run_id: str, worktrees: list[Worktree]) -> list[str]:
    """Commits and delivers the work; returns the outcomes."""
    queue = MergeQueue(git=repository.git, run_id=run_id, target="main", base="main")
    works = []
    for each in worktrees:
        done = commit_work(each, "More", trailers={"Aurora-Task": each.task_id})
        works.append(Work(task_id=each.task_id, commit=str(done.commit), branch=each.branch))
    batch = queue.merge(works)
    assert queue.deliver(update_checkout=True).arrived
    return [str(each.outcome) for each in batch.merged]


def test_two_rounds_of_parallel_agents_leave_the_repository_whole(repository: Repository, tmp_path: Path) -> None:
    """Another tool's clean-up deleted the main `.git` after the second round."""
    for number in range(2):
        workspaces = Workspaces(repository.path, home=tmp_path / "home", run_id=f"run-{number}")
        with ThreadPoolExecutor(4) as threads:
            made = [threads.submit(workspaces.create, name, "main") for name in "abcd"]
            worktrees = [each.result() for each in made]
            for each in worktrees:
                (each.path / f"{number}{each.task_id}.txt").write_text("new\n")
            assert finish(repository, f"run-{number}", worktrees) == ["merged"] * 4
            list(threads.map(workspaces.remove, worktrees))
    assert (repository.path / ".git").is_dir()
    assert repository("fsck", "--no-dangling", "--no-progress") == ""
    assert len(repository("worktree", "list").splitlines()) == 1
    assert {f"{number}{name}.txt" for number in range(2) for name in "abcd"} <= set(repository.files("main"))


def test_a_rename_in_one_branch_meets_edits_in_another(repository: Repository, workspaces: Workspaces) -> None:
    moved, edited = workspaces.create("moved", "HEAD"), workspaces.create("edited", "HEAD")
    (moved.path / "app.py").rename(moved.path / "main.py")
    (edited.path / "app.py").write_text((edited.path / "app.py").read_text() + "last = True\n")
    assert finish(repository, "run-1", [moved, edited]) == ["merged", "merged"]
    assert (repository.path / "main.py").read_text().endswith("last = True\n")
    assert not (repository.path / "app.py").exists()


@pytest.mark.parametrize("has_hook", [False, True])
def test_no_commit_waits_for_an_editor_or_a_signing_touch(
    repository: Repository, workspaces: Workspaces, tmp_path: Path, has_hook: bool
) -> None:
    """With a hook `git commit` makes the commit, without one its parts do."""
    waits = tmp_path / "waits"
    waits.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\nexit 1\n")
    waits.chmod(0o700)
    for name, value in {
        "core.editor": waits,
        "sequence.editor": waits,
        "gpg.program": waits,
        "commit.gpgSign": "true",
        "user.signingKey": "A",
    }.items():
        repository("config", name, str(value))
    if has_hook:
        hook = repository.path / ".git/hooks/commit-msg"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hooked\n")
        hook.chmod(0o700)
    one, other = workspaces.create("one", "HEAD"), workspaces.create("other", "HEAD")
    (one.path / "one.txt").write_text("1\n")
    (other.path / "other.txt").write_text("1\n")
    assert finish(repository, "run-1", [one, other]) == ["merged", "merged"]
    assert not (tmp_path / "asked").exists()
    assert (tmp_path / "hooked").exists() is has_hook
    assert "Aurora-Task: one" in repository("log", "--format=%(trailers)", one.branch, "-1")


def test_the_hook_of_a_checkout_runs_in_a_new_worktree(repository: Repository, workspaces: Workspaces) -> None:
    hook = repository.path / ".git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\necho "$@" > hooked.log; test -e app.py\n')
    hook.chmod(0o700)
    worktree = workspaces.create("a", "HEAD")
    assert (worktree.path / "hooked.log").read_text() == f"{'0' * 40} {worktree.base} 1\n"


@pytest.mark.parametrize("name", few(["new\nline", "my project", "straße-日本"], 1))
def test_a_project_with_an_odd_path_is_worked_on(tmp_path: Path, name: str) -> None:
    repository = make_repository(tmp_path / name, {"app.py": "1\n"})
    workspaces = Workspaces(repository.path, home=tmp_path / f"home of {name}", run_id="run-1")
    worktree = workspaces.create("a", "HEAD")
    (worktree.path / "new.txt").write_text("1\n")
    assert finish(repository, "run-1", [worktree]) == ["merged"]
    workspaces.remove(workspaces.find("a"))
    assert repository.files("main") == ["app.py", "new.txt"]


def test_only_a_worktree_with_nothing_but_its_commits_is_given_back(
    repository: Repository, workspaces: Workspaces
) -> None:
    clean, ignored, elsewhere = (workspaces.create(name, "HEAD") for name in ("clean", "ignored", "elsewhere"))
    for each in (clean, ignored, elsewhere):
        (each.path / "new.txt").write_text(each.task_id)
        commit_work(each, "More", trailers={})
    (ignored.path / "key.log").write_text("mine")
    repository("-C", str(elsewhere.path), "checkout", "-q", "--detach")
    assert [workspaces.give_back(each) for each in (clean, ignored, elsewhere)] == [True, False, False]
    assert not clean.path.exists()
    assert repository.shown(clean.branch, "new.txt") == "clean"
    assert (ignored.path / "key.log").exists()
