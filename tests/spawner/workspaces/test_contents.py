"""What worktrees get from the user's checkout: what is there, inside the project, and not git's already."""

import os
from pathlib import Path

import pytest
from tests.exhaustive import few
from tests.spawner.workspaces.repository import Repository, write

from aurora_spawner.workspaces import contents
from aurora_spawner.workspaces.checks import CommandRunner
from aurora_spawner.workspaces.contents import Contents, find_contents
from aurora_spawner.workspaces.errors import WorkspaceError
from aurora_spawner.workspaces.git import Git
from aurora_spawner.workspaces.preparation import Preparation
from aurora_spawner.workspaces.results import commit_work
from aurora_spawner.workspaces.setting_up import Preparer
from aurora_spawner.workspaces.unsaved import unsaved
from aurora_spawner.workspaces.worktrees import Workspaces, Worktree


def find(
    repository: Repository, folder: str = ".", *, copy: tuple[str, ...] = (), link: tuple[str, ...] = ()
) -> Contents:
    return find_contents(Git.of_checkout(repository.path), folder, Preparation(copy=copy, link=link))


def prepared(workspaces: Workspaces, preparation: Preparation, task_id: str = "a") -> Worktree:
    worktree = workspaces.create(task_id, "HEAD")
    home = workspaces.folder.parents[1]
    Preparer(workspaces.git, ".", home, preparation).prepare(
        worktree, CommandRunner(environment=os.environ, timeout_s=60)
    )
    return worktree


def test_files_and_folders_without_what_git_tracks(repository: Repository) -> None:
    write(repository.path, {"a.log": "", "docs/b.log": "", "docs/c.txt": "", "*.txt": "", "other.log": ""})
    assert find(repository, copy=("a.log", "docs", "*.txt")).copied == ("*.txt", "a.log", "docs/b.log", "docs/c.txt")
    assert find(repository, "docs", copy=("b.log", "./c.txt")).copied == ("docs/b.log", "docs/c.txt")


def test_what_is_missing_or_tracked_is_told_and_left_out(repository: Repository) -> None:
    found = find(repository, copy=("gone.log", "app.py"), link=("gone/too",))
    assert (found.copied, found.linked) == ((), ())
    assert found.notices == (
        "gone/too is not there, and is not linked",
        "gone.log is not there, and is not copied",
        "app.py is tracked by git: worktrees have it as it is in their base commit",
    )


REFUSED = (
    ("link", "docs", "docs holds files that git tracks"),
    ("link", "app.py", "app.py holds files that git tracks"),
    ("copy", "out", "out is a link out of the project"),
    ("link", "out", "out is a link out of the project"),
    ("copy", "outside/passwd", "outside/passwd leads through the link outside"),
    ("link", "outside/passwd", "outside/passwd leads through the link outside"),
    ("copy", "dangling", "dangling is a link to"),
    ("copy", "pipe", "pipe is a device, pipe or socket"),
    ("link", "pipe", "pipe is a device, pipe or socket"),
)  # fmt: skip


def test_what_no_worktree_can_have_is_refused(repository: Repository) -> None:
    (repository.path / "out").symlink_to("/etc/passwd")
    (repository.path / "outside").symlink_to("/etc")
    (repository.path / "dangling").symlink_to("nothing")
    os.mkfifo(repository.path / "pipe")
    for what, name, problem in REFUSED:
        with pytest.raises(WorkspaceError, match=problem):
            find(repository, copy=(name,) if what == "copy" else (), link=(name,) if what == "link" else ())


def test_below_a_folder_what_leads_out_is_told_and_left_out(repository: Repository) -> None:
    write(repository.path, {"own/a.log": "", "own/b.log": "", "own/n\nl.log": ""})
    (repository.path / "own" / "out").symlink_to("/etc/passwd")
    (repository.path / "own" / "in").symlink_to("a.log")
    repository("init", "--quiet", str(repository.path / "own" / "repo"))
    write(repository.path / "own" / "repo", {"x": ""})
    found = find(repository, copy=("own",))
    assert found.copied == ("own/a.log", "own/b.log", "own/in")
    assert [each.split(" ")[0] for each in found.notices] == ["'own/n\\nl.log'", "own/out", "own/repo/"]


def test_too_much_is_refused(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    write(repository.path, {"own/a.log": "a", "own/b.log": "bbb"})
    with (repository.path / "own" / "huge.log").open("wb") as file:
        file.truncate(10**12)  # takes no room
    with pytest.raises(
        WorkspaceError, match=r"own/huge\.log, .*: 1000\.0 GB, and at most 1 can be; link them instead"
    ):
        find(repository, copy=("own",))
    monkeypatch.setattr(contents, "MOST_FILES", 2)
    with pytest.raises(WorkspaceError, match="3 files, and at most 2 can be; link their folder instead"):
        find(repository, copy=("own",))


def test_worktreeinclude_names_ignored_files(repository: Repository) -> None:
    """Patterns as in .gitignore; what git does not ignore, or is Aurora's or linked, is not copied."""
    include = "# ours\n.env.local\n*.log\n*.txt\n!apps/b/x.log\n"
    repository.commit({".gitignore": "*.log\n.env.local\n", ".worktreeinclude": include})
    ignored = {".env.local": "", "apps/a/.env.local": "", "apps/b/x.log": "", "lib/x.log": "", ".aurora/x.log": ""}
    write(repository.path, {**ignored, "plain.txt": ""})
    assert find(repository).copied == (".env.local", "apps/a/.env.local", "lib/x.log")
    found = find(repository, link=("lib",), copy=("plain.txt",)).copied
    assert found == ("plain.txt", ".env.local", "apps/a/.env.local")
    assert find_contents(Git.of_checkout(repository.path), ".", Preparation(include=False)) == Contents()


@pytest.mark.parametrize("kind", few(["pipe", "folder", "huge"], 1))
def test_a_worktreeinclude_that_is_no_file_is_refused(repository: Repository, kind: str) -> None:
    path = repository.path / ".worktreeinclude"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_bytes(b"x\n" * 100_000)
    with pytest.raises(WorkspaceError, match=r"\.worktreeinclude: "):
        find(repository)


def test_copies_keep_their_content_and_mode_and_links_lead_to_the_original(
    repository: Repository, workspaces: Workspaces
) -> None:
    write(repository.path, {"run.log": "#!/bin/sh\n", "deep/er/b.log": "b", "big/data": "1"})
    (repository.path / "run.log").chmod(0o750)
    (repository.path / "alias.log").symlink_to("deep/er/b.log")
    top = prepared(workspaces, Preparation(copy=("run.log", "deep", "alias.log"), link=("big",))).path
    assert (top / "run.log").stat().st_mode & 0o777 == 0o750
    assert [(top / name).read_text() for name in ("deep/er/b.log", "alias.log")] == ["b", "b"]
    assert not (top / "alias.log").is_symlink()
    assert (top / "big").readlink() == repository.path / "big"
    assert [path.name for path in top.parent.iterdir()] == ["a"]


def test_nothing_is_written_through_a_link_of_the_base_commit(
    repository: Repository, workspaces: Workspaces, tmp_path: Path
) -> None:
    (tmp_path / "victim").mkdir()
    (repository.path / "config").symlink_to(tmp_path / "victim")
    repository.commit({})
    (repository.path / "config").unlink()
    write(repository.path, {"config/a.log": "a"})
    with pytest.raises(WorkspaceError, match=r"config/a\.log cannot be put there: config is no folder"):
        prepared(workspaces, Preparation(copy=("config/a.log",)))
    assert list((tmp_path / "victim").iterdir()) == []


def test_a_clean_up_follows_no_link_that_an_agent_made(
    repository: Repository, workspaces: Workspaces, tmp_path: Path
) -> None:
    """The user's own files, and others', stay when a worktree goes."""
    write(repository.path, {"config/a.log": "a", "big/data": "1"})
    worktree = prepared(workspaces, Preparation(copy=("config",), link=("big",)))
    (worktree.path / "config" / "a.log").unlink()
    (worktree.path / "config").rmdir()
    (worktree.path / "config").symlink_to(repository.path / "config")
    with pytest.raises(WorkspaceError, match="holds files that no commit has: config"):
        workspaces.remove(worktree)
    (repository.path / ".git" / "info" / "exclude").write_text("config\n")  # git now takes it for what may go
    workspaces.remove(worktree, ignored_too=True)
    assert (repository.path / "config" / "a.log").read_text() == "a"
    assert (repository.path / "big" / "data").read_text() == "1"
    assert not worktree.path.exists()


def test_a_worktree_is_prepared_once(repository: Repository, workspaces: Workspaces) -> None:
    write(repository.path, {"a.log": "a"})
    preparation = Preparation(copy=("a.log",), setup=("echo x >> count.log",))
    worktree = prepared(workspaces, preparation)
    write(worktree.path, {"a.log": "of the agent"})
    prepared(workspaces, preparation)
    assert (worktree.path / "a.log").read_text() == "of the agent"
    assert (worktree.path / "count.log").read_text() == "x\n"


def test_a_damaged_manifest_keeps_the_worktree(repository: Repository, workspaces: Workspaces) -> None:
    write(repository.path, {"a.log": "a"})
    worktree = prepared(workspaces, Preparation(copy=("a.log",)))
    manifest = next((repository.path / ".git" / "worktrees").glob("*/aurora-preparation.json"))
    for content in ("", "[]", '{"given": 7}', "\xff", '{"given": {"a": 1}}'):
        manifest.write_text(content)
        with pytest.raises(WorkspaceError, match="is damaged"):
            workspaces.remove(worktree)
    assert (worktree.path / "a.log").read_text() == "a"


def test_what_the_user_did_after_a_failed_set_up_is_in_the_attic(
    repository: Repository, workspaces: Workspaces
) -> None:
    with pytest.raises(WorkspaceError, match="failed with exit status 1"):
        prepared(workspaces, Preparation(setup=("false",)))
    worktree = workspaces.find("a")
    write(worktree.path, {"app.py": "mended by hand\n"})
    prepared(workspaces, Preparation(setup=("true",)))
    assert "line 1\n" in (worktree.path / "app.py").read_text()
    [ref] = repository("for-each-ref", "--format=%(refname)", "refs/aurora/attic").splitlines()
    assert repository.shown(ref, "app.py") == "mended by hand"


def test_a_set_up_that_failed_is_done_again_and_what_was_put_there_meanwhile_stays(
    repository: Repository, workspaces: Workspaces
) -> None:
    """Files that set-up makes are no work, the first time and the second; what the user has added is."""
    with pytest.raises(WorkspaceError, match="failed with exit status 1"):
        prepared(workspaces, Preparation(setup=("mkdir gen; echo 1 > gen/a.py; echo 1 > own.log; git add .; false",)))
    worktree = workspaces.find("a")
    assert not unsaved(worktree.git)
    write(worktree.path, {"mine.py": "of the user"})
    prepared(workspaces, Preparation(setup=("echo 1 > gen/b.py; git add gen/b.py",)))
    assert unsaved(worktree.git).changed == ("mine.py",)
    assert [file.path for file in commit_work(worktree, "work", trailers={}).files] == ["mine.py"]
    assert [path.name for path in sorted((worktree.path / "gen").iterdir())] == ["a.py", "b.py"]
    assert not unsaved(worktree.git)
