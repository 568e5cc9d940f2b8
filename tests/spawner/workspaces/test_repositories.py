"""Kinds of repositories and files: each is worked on from base to delivery, or refused with a reason."""

import os
import subprocess
from pathlib import Path

import pytest
from tests.spawner.workspaces.repository import Repository, write

from aurora_spawner.tasks.work import Delivery, MergeOutcome
from aurora_spawner.workspaces.bases import read_base
from aurora_spawner.workspaces.errors import GitError, WorkspaceError
from aurora_spawner.workspaces.git import Git
from aurora_spawner.workspaces.merge_queue import MergeQueue, Work
from aurora_spawner.workspaces.results import commit_work
from aurora_spawner.workspaces.unsaved import unsaved
from aurora_spawner.workspaces.worktrees import Workspaces, Worktree


def delivered(repository: Repository, worktree: Worktree) -> Repository:
    """Commits, merges and delivers the work, and returns the checkout."""
    result = commit_work(worktree, "More", trailers={})
    assert result.commit is not None
    merging = MergeQueue(git=repository.git, run_id="run-1", target="main", base=worktree.base)
    assert merging.merge([Work(task_id="a", commit=result.commit, branch=worktree.branch)]).is_complete
    assert merging.deliver(update_checkout=True) is Delivery.FAST_FORWARDED
    assert repository("status", "--porcelain") == ""
    return repository


NAMES = [
    "new\nline",
    "a space ",
    "tab\there",
    'quote"',
    "back\\slash",
    "ü",
    "-n",
    ":(glob)*",
    "\udcff\udcfe",
    "*",
    "[a]",
]


def test_names_of_every_kind_arrive(repository: Repository, workspaces: Workspaces) -> None:
    repository.commit({f"old/{name}": "1\n" for name in NAMES})
    worktree = workspaces.create("a", "HEAD")
    for name in NAMES:
        (worktree.path / "old" / name).write_text("2\n")
        (worktree.path / name).write_text("1\n")
    assert set(unsaved(worktree.git).changed) == {*NAMES, *(f"old/{name}" for name in NAMES)}
    delivered(repository, worktree)
    assert {path.name for path in repository.path.iterdir() if path.is_file()} >= set(NAMES)
    assert all((repository.path / "old" / name).read_text() == "2\n" for name in NAMES)
    result = commit_work(worktree, "Again", trailers={})
    assert {file.path for file in result.files} == {*NAMES, *(f"old/{name}" for name in NAMES)}


def test_a_rename_of_case_alone_arrives(repository: Repository, workspaces: Workspaces) -> None:
    worktree = workspaces.create("a", "HEAD")
    (worktree.path / "app.py").rename(worktree.path / "APP.py")
    (worktree.path / "docs").rename(worktree.path / "Docs")
    delivered(repository, worktree)
    assert repository.files("main") == [".gitignore", "APP.py", "Docs/guide.md"]
    assert not (repository.path / "app.py").exists()


def test_bytes_modes_and_links_arrive(repository: Repository, workspaces: Workspaces) -> None:
    worktree = workspaces.create("a", "HEAD")
    blob = bytes(range(256)) * 40
    (worktree.path / "blob").write_bytes(blob)
    (worktree.path / "app.py").chmod(0o755)
    (worktree.path / "link").symlink_to("/nowhere")
    (worktree.path / "docs/guide.md").unlink()
    (worktree.path / "docs").rmdir()
    (worktree.path / "docs").symlink_to("app.py")
    delivered(repository, worktree)
    assert (repository.path / "blob").read_bytes() == blob
    assert os.access(repository.path / "app.py", os.X_OK)
    assert (repository.path / "link").readlink() == Path("/nowhere")
    assert (repository.path / "docs").readlink() == Path("app.py")


def test_two_changes_of_a_binary_file_conflict(repository: Repository, workspaces: Workspaces) -> None:
    (repository.path / "blob").write_bytes(bytes(range(256)))
    repository("add", "blob")
    base = repository.commit({}, "blob")
    works = []
    for task in "ab":
        worktree = workspaces.create(task, base)
        (worktree.path / "blob").write_bytes(bytes(range(256)) + task.encode())
        commit = commit_work(worktree, "More", trailers={}).commit
        assert commit is not None
        works.append(Work(task_id=task, commit=commit, branch=worktree.branch))
    batch = MergeQueue(git=repository.git, run_id="run-1", target="main", base=base).merge(works)
    assert [(each.outcome, each.files) for each in batch.merged] == [
        (MergeOutcome.MERGED, ()),
        (MergeOutcome.CONFLICT, ("blob",)),
    ]


def test_a_shallow_clone_is_worked_on(repository: Repository, tmp_path: Path) -> None:
    for number in range(3):
        repository.commit({"app.py": f"{number}\n"})
    url = f"file://{repository.path}"
    subprocess.run(["git", "clone", "-q", "--depth=1", url, tmp_path / "shallow"], check=True)
    shallow = Repository(tmp_path / "shallow")
    workspaces = Workspaces(shallow.path, home=tmp_path / "home", run_id="run-1")
    worktree = workspaces.create("a", "HEAD")
    write(worktree.path, {"new.py": "1\n"})
    delivered(shallow, worktree)
    assert shallow("rev-list", "--count", "main") == "3"
    with pytest.raises(WorkspaceError, match="no commit HEAD~3"):
        workspaces.create("b", "HEAD~3")


def test_histories_that_a_shallow_clone_does_not_join_are_no_conflict(repository: Repository) -> None:
    tree = repository("rev-parse", "main^{tree}")
    apart = repository("commit-tree", tree, "-m", "apart")
    merging = MergeQueue(git=repository.git, run_id="run-1", target="main", base="main")
    with pytest.raises(GitError, match="unrelated histories"):
        merging.merge([Work(task_id="a", commit=apart, branch="x")])


def test_a_sparse_checkout_is_refused(repository: Repository, tmp_path: Path) -> None:
    repository("sparse-checkout", "set", "docs")
    with pytest.raises(WorkspaceError, match="sparse checkout"):
        Workspaces(repository.path, home=tmp_path / "home", run_id="r")


def test_what_an_agent_leaves_out_of_its_checkout_is_not_deleted(
    repository: Repository, workspaces: Workspaces
) -> None:
    worktree = workspaces.create("a", "HEAD")
    repository("sparse-checkout", "set", "--no-cone", "/app.py", folder=worktree.path)
    assert not (worktree.path / "docs").exists()
    write(worktree.path, {"new.py": "1\n", "docs/more.md": "1\n"})
    result = commit_work(worktree, "More", trailers={})
    assert [(file.path, file.kind) for file in result.files] == [("docs/more.md", "A"), ("new.py", "A")]


@pytest.mark.parametrize("place", ["deep/down/.gitattributes", ".git/info/attributes"])
@pytest.mark.parametrize("installed", [False, True])
def test_lfs_is_refused_unless_git_filters_with_it(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, installed: bool
) -> None:
    write(repository.path, {place: "*.bin filter=lfs diff=lfs merge=lfs -text\n"})
    repository("add", "--all")
    if installed:  # the program, but `git lfs install` was never run
        write(tmp_path, {"bin/git-lfs": "#!/bin/sh\n"})
        (tmp_path / "bin/git-lfs").chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    with pytest.raises(WorkspaceError, match="Git LFS"):
        Workspaces(repository.path, home=tmp_path / "home", run_id="r")


def test_a_pointer_goes_through_the_users_filter(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with git-lfs: the repository holds a pointer, the checkout the content."""
    write(tmp_path, {"bin/git-lfs": "#!/bin/sh\n[ $1 = clean ] && exec tr a-z A-Z\nexec tr A-Z a-z\n"})
    (tmp_path / "bin/git-lfs").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    repository("config", "filter.lfs.clean", "git-lfs clean")
    repository("config", "filter.lfs.smudge", "git-lfs smudge")
    repository.commit({".gitattributes": "*.bin filter=lfs -text\n", "data.bin": "content\n"})
    worktree = Workspaces(repository.path, home=tmp_path / "home", run_id="run-1").create("a", "HEAD")
    assert (worktree.path / "data.bin").read_text() == "content\n"
    write(worktree.path, {"data.bin": "changed\n"})
    delivered(repository, worktree)
    assert repository.shown("main", "data.bin") == "CHANGED"
    assert (repository.path / "data.bin").read_text() == "changed\n"


def test_a_repository_without_a_commit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    Git(tmp_path / "empty").run("init", "--quiet")
    workspaces = Workspaces(tmp_path / "empty", home=tmp_path / "home", run_id="r")
    with pytest.raises(WorkspaceError, match="no commit HEAD"):
        workspaces.create("a", "HEAD")


def test_a_branch_without_a_commit_is_refused(repository: Repository, workspaces: Workspaces) -> None:
    repository("checkout", "-q", "--orphan", "fresh")
    with pytest.raises(WorkspaceError, match="no commit yet"):
        read_base(repository.git)
    with pytest.raises(WorkspaceError, match="no commit HEAD"):
        workspaces.create("a", "HEAD")
    assert workspaces.create("a", "main").base == repository("rev-parse", "main")


def test_a_detached_checkout_is_worked_on(repository: Repository, workspaces: Workspaces) -> None:
    repository("checkout", "-q", "--detach")
    base = read_base(repository.git)
    assert (base.branch, base.commit) == (None, repository("rev-parse", "main"))
    worktree = workspaces.create("a", base.commit)
    write(worktree.path, {"new.py": "1\n"})
    commit = commit_work(worktree, "More", trailers={}).commit
    assert commit is not None
    merging = MergeQueue(git=repository.git, run_id="run-1", target="main", base=base.commit)
    merging.merge([Work(task_id="a", commit=commit, branch=worktree.branch)])
    assert merging.deliver(update_checkout=True) is Delivery.FAST_FORWARDED
    assert not (repository.path / "new.py").exists()


@pytest.mark.parametrize("bare", [False, True])
def test_a_project_that_is_a_worktree_itself_is_worked_on(repository: Repository, tmp_path: Path, bare: bool) -> None:
    source = repository
    if bare:
        subprocess.run(["git", "clone", "-q", "--bare", repository.path, tmp_path / "bare"], check=True)
        source = Repository(tmp_path / "bare")
    else:
        repository("checkout", "-q", "--detach")
    source("worktree", "add", "-q", str(tmp_path / "checkout"), "main")
    checkout = Repository(tmp_path / "checkout")
    workspaces = Workspaces(checkout.path, home=tmp_path / "home", run_id="run-1")
    worktree = workspaces.create("a", "HEAD")
    write(worktree.path, {"new.py": "1\n"})
    delivered(checkout, worktree)
    workspaces.remove(worktree)
