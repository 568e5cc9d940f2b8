"""Whose a checkout is: git works in it and in no repository around it, and nobody else's is removed."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.exhaustive import few
from tests.spawner.workspaces.repository import Repository, make_repository, write

from aurora_spawner.workspaces.attic import list_attic
from aurora_spawner.workspaces.bases import read_base
from aurora_spawner.workspaces.checkouts import relink
from aurora_spawner.workspaces.errors import ForeignWorktreeError, WorkspaceError
from aurora_spawner.workspaces.forecast import Forecaster
from aurora_spawner.workspaces.git import Git
from aurora_spawner.workspaces.ours import disk_use
from aurora_spawner.workspaces.results import commit_work
from aurora_spawner.workspaces.unsaved import unsaved
from aurora_spawner.workspaces.worktrees import Workspaces, Worktree


def delete_link(worktree: Worktree) -> None:
    (worktree.path / ".git").unlink()


def replace_link(worktree: Worktree) -> None:
    (worktree.path / ".git").unlink()
    subprocess.run(["git", "init", "-q"], cwd=worktree.path, check=True)


def borrow_link(worktree: Worktree) -> None:
    shutil.copy(worktree.path.with_name("b") / ".git", worktree.path / ".git")


def link_to_the_outer_one(worktree: Worktree) -> None:
    (worktree.path / ".git").write_text(f"gitdir: {worktree.path.parents[2] / '.git'}\n")


def own_repository(worktree: Worktree) -> Path:
    """Makes a repository of the agent's own in its worktree, whose hook would run outside of a sandbox."""
    made = worktree.path / "own"
    subprocess.run(["git", "clone", "-q", "--bare", worktree.path, made], check=True)
    hook = made / "hooks" / "pre-commit"
    hook.write_text(f"#!/bin/sh\ntouch {worktree.path.parent}/ran\n")
    hook.chmod(0o755)
    return made


def claim_it(worktree: Worktree) -> None:
    own = own_repository(worktree) / "worktrees" / "a"
    shutil.copytree((worktree.path / ".git").read_text().removeprefix("gitdir: ").strip(), own)
    (worktree.path / ".git").write_text(f"gitdir: {own}\n")


def claim_its_part(worktree: Worktree) -> None:
    part = Path((worktree.path / ".git").read_text().removeprefix("gitdir: ").strip())
    (part / "commondir").write_text(f"{own_repository(worktree)}\n")


@pytest.mark.parametrize("harm", [claim_it, claim_its_part])
def test_a_repository_that_an_agent_has_made_is_not_taken_for_the_projects(
    repository: Repository, tmp_path: Path, harm: Callable[[Worktree], None]
) -> None:
    worktree = Workspaces(repository.path, home=tmp_path / "home", run_id="run-1").create("a", "HEAD")
    write(worktree.path, {"new.py": "1\n"})
    harm(worktree)
    with pytest.raises(ForeignWorktreeError, match="which is not the project's"):
        commit_work(worktree, "More", trailers={})
    assert not (worktree.path.parent / "ran").exists()


@pytest.mark.parametrize("harm", few([delete_link, replace_link, borrow_link, link_to_the_outer_one], 2))
def test_without_its_link_a_worktree_is_no_part_of_the_repository_around_it(
    repository: Repository, tmp_path: Path, harm: Callable[[Worktree], None]
) -> None:
    outer = make_repository(tmp_path / "outer", {"own.txt": "1\n"})
    workspaces = Workspaces(repository.path, home=outer.path, run_id="run-1")
    worktree, other = (workspaces.create(task, "HEAD") for task in "ab")
    write(worktree.path, {"new.py": "1\n"})
    before = (outer.state()[0], outer("for-each-ref"), repository("for-each-ref"))
    harm(worktree)
    for use in (
        lambda: commit_work(worktree, "More", trailers={}),
        lambda: unsaved(worktree.git),
        lambda: workspaces.remove(worktree),
        lambda: workspaces.create("a", "HEAD"),
    ):
        with pytest.raises(ForeignWorktreeError) as caught:
            use()
        assert "Errno" not in str(caught.value)
    assert Forecaster(repository.git).look([worktree, other]) == []
    assert (outer.state()[0], outer("for-each-ref"), repository("for-each-ref")) == before
    assert (worktree.path / "new.py").exists()


def test_settings_of_an_agent_do_not_move_the_worktree_elsewhere(
    repository: Repository, workspaces: Workspaces, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    write(elsewhere, {"theirs.txt": "1\n"})
    worktree = workspaces.create("a", "HEAD")
    repository("config", "core.worktree", str(elsewhere), folder=worktree.path)
    write(worktree.path, {"new.py": "1\n"})
    assert [file.path for file in commit_work(worktree, "More", trailers={}).files] == ["new.py"]


def test_git_for_a_checkout_uses_no_repository_around_it(repository: Repository) -> None:
    inner = make_repository(repository.path / "inner", {"own.txt": "1\n"})
    git = Git.of_checkout(inner.path)
    assert git.folder == inner.path
    shutil.rmtree(inner.path / ".git")
    with pytest.raises(WorkspaceError, match="not a git repository"):
        git.run("status")


@pytest.mark.parametrize("linked", ["home", "project"])
def test_a_worktree_is_found_again_through_a_symbolic_link(
    repository: Repository, tmp_path: Path, linked: str
) -> None:
    (tmp_path / "real home").mkdir()
    (tmp_path / "home").symlink_to("real home")
    (tmp_path / "alias").symlink_to(repository.path)
    real = Workspaces(repository.path, home=tmp_path / "real home", run_id="run-1")
    project = tmp_path / "alias" if linked == "project" else repository.path
    alias = Workspaces(project, home=tmp_path / "home", run_id="run-1")
    worktree = alias.create("a", "HEAD")
    assert real.existing() == alias.existing() == [worktree]
    assert real.create("a", "HEAD") == alias.create("a", "HEAD") == worktree
    named_by_the_link = Worktree(
        path=tmp_path / "home" / worktree.path.relative_to(tmp_path / "real home"),
        branch=worktree.branch,
        base=worktree.base,
        run_id="run-1",
        task_id="a",
    )
    write(worktree.path, {"new.py": "1\n"})
    assert commit_work(named_by_the_link, "More", trailers={}).files
    repository("merge", "-q", worktree.branch)
    real.remove(named_by_the_link)
    assert real.existing() == []
    assert not worktree.path.exists()


def test_a_home_inside_the_project_is_seen_through_a_symbolic_link(repository: Repository, tmp_path: Path) -> None:
    (repository.path / "inside").mkdir()
    (tmp_path / "home").symlink_to(repository.path / "inside")
    with pytest.raises(WorkspaceError, match="choose a folder outside"):
        Workspaces(repository.path, home=tmp_path / "home", run_id="r")


@pytest.mark.parametrize("place", [".git/home", "../second/home"])
def test_a_home_inside_any_part_of_the_repository_is_refused(repository: Repository, place: str) -> None:
    repository("worktree", "add", "-q", str(repository.path.parent / "second"))
    with pytest.raises(WorkspaceError, match="choose a folder outside"):
        Workspaces(repository.path, home=repository.path / place, run_id="r")


def test_a_worktree_that_another_program_locked_stays(repository: Repository, workspaces: Workspaces) -> None:
    worktree = workspaces.create("a", "HEAD")
    for reason in ("a backup reads it", ""):
        repository("worktree", "unlock", str(worktree.path))
        repository("worktree", "lock", *(("--reason", reason) if reason else ()), str(worktree.path))
        with pytest.raises(ForeignWorktreeError, match="locked by another program"):
            workspaces.remove(worktree)
    assert worktree.path.is_dir()
    assert repository("rev-parse", worktree.branch)


def test_nothing_but_a_worktree_of_the_run_is_removed(repository: Repository, workspaces: Workspaces) -> None:
    users = repository.path.parent / "users"
    repository("worktree", "add", "-q", "-b", "users", str(users))
    worktree = workspaces.create("a", "HEAD")
    other_run = Workspaces(repository.path, home=workspaces.folder.parents[1], run_id="run-2").create("a", "HEAD")
    for path, branch in ((repository.path, "main"), (users, "users"), (other_run.path, other_run.branch)):
        named = Worktree(path=path, branch=branch, base=worktree.base, run_id="run-1", task_id="a")
        with pytest.raises(ForeignWorktreeError, match="no worktree of run run-1"):
            workspaces.remove(named, ignored_too=True)
        assert path.is_dir()
        assert repository("rev-parse", branch)
    workspaces.remove(worktree)
    worktree.path.symlink_to(repository.path)
    with pytest.raises(ForeignWorktreeError):
        workspaces.remove(worktree, ignored_too=True)
    with pytest.raises(WorkspaceError):
        workspaces.create("a", "HEAD")
    assert (repository.path / "app.py").exists()


def test_worktrees_of_the_user_on_a_drive_that_is_away_stay_known(
    repository: Repository, workspaces: Workspaces, tmp_path: Path
) -> None:
    repository("worktree", "add", "-q", "-b", "users", str(tmp_path / "drive" / "users"))
    (tmp_path / "drive").rename(tmp_path / "away")
    worktree = workspaces.create("a", "HEAD")
    shutil.rmtree(worktree.path)
    workspaces.remove(worktree)
    half_made = workspaces.folder / "b"
    half_made.mkdir(parents=True)
    workspaces.create("b", "HEAD")
    (tmp_path / "away").rename(tmp_path / "drive")
    assert repository("status", "--porcelain", folder=tmp_path / "drive" / "users") == ""
    assert [each.task_id for each in workspaces.existing()] == ["b"]


def test_a_branch_that_the_user_looks_at_is_not_deleted(repository: Repository, workspaces: Workspaces) -> None:
    worktree = workspaces.create("a", "HEAD")
    repository("worktree", "add", "-q", "--force", str(repository.path.parent / "look"), worktree.branch)
    with pytest.raises(WorkspaceError, match="checked out in"):
        workspaces.remove(worktree)
    assert repository("rev-parse", worktree.branch)


@pytest.mark.parametrize("hide", ["--assume-unchanged", "--skip-worktree"])
def test_hidden_changes_are_no_reason_to_remove_a_worktree(
    repository: Repository, workspaces: Workspaces, hide: str
) -> None:
    worktree = workspaces.create("a", "HEAD")
    write(worktree.path, {"app.py": "changed\n"})
    repository("update-index", hide, "app.py", folder=worktree.path)
    with pytest.raises(WorkspaceError, match=r"no commit has: app\.py"):
        workspaces.remove(worktree)


def test_only_ignored_files_are_work_too_and_named(workspaces: Workspaces) -> None:
    worktree = workspaces.create("a", "HEAD")
    write(worktree.path, {"build/.gitignore": "*\n", "build/out.o": "1\n", "notes.log": "1\n"})
    assert set(unsaved(worktree.git).ignored) == {"build/", "notes.log"}
    with pytest.raises(WorkspaceError, match=r"no commit has: .*notes\.log"):
        workspaces.remove(worktree)
    assert (worktree.path / "notes.log").exists()


def test_a_worktree_on_another_branch_is_still_the_tasks(repository: Repository, workspaces: Workspaces) -> None:
    worktree = workspaces.create("a", "HEAD")
    repository("checkout", "-q", "--detach", folder=worktree.path)
    repository.commit({"later.py": "1\n"}, "the user's")
    assert workspaces.existing() == [worktree]
    assert workspaces.create("a", "HEAD") == worktree  # with the base that it was made from


@pytest.mark.parametrize("gone", [False, True])
def test_commits_that_an_agent_lost_are_in_the_attic_when_its_worktree_goes(
    repository: Repository, workspaces: Workspaces, gone: bool
) -> None:
    worktree = workspaces.create("a", "HEAD")
    lost = repository.commit({"new.py": "1\n"}, folder=worktree.path)
    repository("reset", "-q", "--hard", "HEAD^", folder=worktree.path)
    if gone:
        shutil.rmtree(worktree.path)
    assert [entry.commit for entry in workspaces.remove(worktree)] == [lost]
    assert [entry.commit for entry in list_attic(repository.git)] == [lost]


def test_a_commit_on_no_branch_keeps_a_worktree_whose_folder_is_gone(
    repository: Repository, workspaces: Workspaces
) -> None:
    worktree = workspaces.create("a", "HEAD")
    repository("checkout", "-q", "--detach", folder=worktree.path)
    repository.commit({"new.py": "1\n"}, folder=worktree.path)
    shutil.rmtree(worktree.path)
    with pytest.raises(WorkspaceError, match="no other branch has"):
        workspaces.remove(worktree)


@pytest.mark.parametrize("behind", ["the user's checkout", "the worktree of another task"])
def test_a_link_in_the_place_of_a_worktree_is_followed_by_nothing(
    repository: Repository, tmp_path: Path, behind: str
) -> None:
    """Linking it again would replace the `.git` of the user's checkout; working in it would change another's work."""
    workspaces = Workspaces(repository.path, home=tmp_path / "home", run_id="run-1")
    worktree, other = (workspaces.create(task, "HEAD") for task in "ab")
    place = repository.path if behind == "the user's checkout" else other.path
    before = sorted((place / ".git").iterdir()) if (place / ".git").is_dir() else (place / ".git").read_bytes()
    worktree.path.rename(tmp_path / "moved")
    worktree.path.symlink_to(place)
    for use in (
        lambda: worktree.git,
        lambda: relink(worktree.path, repository.git),
        lambda: workspaces.create("a", "HEAD"),
        lambda: workspaces.remove(worktree),
    ):
        with pytest.raises(ForeignWorktreeError):
            use()
    after = sorted((place / ".git").iterdir()) if (place / ".git").is_dir() else (place / ".git").read_bytes()
    assert before == after
    assert disk_use(worktree.path) < 10_000


def test_a_bare_repository_is_told_with_its_worktrees(repository: Repository, tmp_path: Path) -> None:
    """The usual layout: the repository in a folder of its own, a `.git` file beside it, and one worktree a branch."""
    top = tmp_path / "top"
    repository("clone", "-q", "--bare", str(repository.path), str(top / ".bare"))
    (top / ".git").write_text("gitdir: ./.bare\n")
    with pytest.raises(WorkspaceError, match="it is a bare repository"):
        Workspaces(top, home=tmp_path / "home", run_id="run-1")
    repository("worktree", "add", "-q", "main", "main", folder=top)
    with pytest.raises(WorkspaceError) as told:
        Workspaces(top, home=tmp_path / "home", run_id="run-1")
    assert f"it is a bare repository; its worktrees are {top / 'main'}" in str(told.value)
    made = Workspaces(top / "main", home=tmp_path / "home", run_id="run-1").create("a", "HEAD")
    write(made.path, {"new.py": "1\n"})
    assert commit_work(made, "Work", trailers={}).files


def test_a_split_index_leaves_no_part_of_it_behind_at_each_look(
    repository: Repository, workspaces: Workspaces
) -> None:
    repository("config", "core.splitIndex", "true")
    repository("update-index", "--split-index")
    write(repository.path, {"app.py": "dirty\n"})
    parts = sorted((repository.path / ".git").glob("sharedindex.*"))
    index = (repository.path / ".git" / "index").read_bytes()
    assert parts
    assert read_base(repository.git, include_dirty=True).commit
    worktrees = [workspaces.create(name, "HEAD") for name in "ab"]
    forecaster = Forecaster(workspaces.git)
    for number in range(3):
        for each in worktrees:
            write(each.path, {"app.py": f"{each.task_id} {number}\n"})
        assert len(forecaster.look(worktrees)) == 1
    assert sorted((repository.path / ".git").rglob("sharedindex.*")) == parts
    assert (repository.path / ".git" / "index").read_bytes() == index
