"""Results: all that an agent left is in the commit, in the attic or named, and nothing half done is a result."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.exhaustive import few
from tests.spawner.workspaces.repository import Repository, make_repository, write

from aurora_spawner.workspaces.attic import list_attic
from aurora_spawner.workspaces.bases import read_base
from aurora_spawner.workspaces.errors import UnfinishedWorkError, WorkspaceError
from aurora_spawner.workspaces.present import present_commit
from aurora_spawner.workspaces.results import WorkResult, commit_work
from aurora_spawner.workspaces.unsaved import Unsaved, unsaved
from aurora_spawner.workspaces.worktrees import Workspaces, Worktree

CONFLICT = "<<<<<<< HEAD\nours\n=======\ntheirs\n>>>>>>> other\n"


def collect(worktree: Worktree) -> WorkResult:
    return commit_work(worktree, "More", trailers={"Aurora-Task": "a"})


@pytest.fixture
def worktree(workspaces: Workspaces) -> Worktree:
    return workspaces.create("a", "HEAD")


Git = Callable[..., str]


def reset(git: Git, branch: str) -> None:
    git("reset", "-q", "--hard", "HEAD^")


def amend(git: Git, branch: str) -> None:
    git("commit", "-q", "--amend", "-m", "again")


def switch(git: Git, branch: str) -> None:
    git("checkout", "-qb", "elsewhere", "HEAD^")


def detach(git: Git, branch: str) -> None:
    git("checkout", "-q", "--detach")
    git("commit", "-q", "--allow-empty", "-m", "detached")
    git("checkout", "-q", f"{branch}^")


def delete(git: Git, branch: str) -> None:
    git("checkout", "-q", "--detach", "HEAD^")
    git("branch", "-qD", branch)


def delete_another(git: Git, branch: str) -> None:
    git("checkout", "-qb", "own")
    git("checkout", "-q", "--detach", "HEAD^")
    git("branch", "-qD", "own")
    git("update-ref", f"refs/heads/{branch}", "HEAD")


@pytest.mark.parametrize("lose", few([reset, amend, switch, detach, delete, delete_another], 2))
def test_commits_that_an_agent_made_and_lost_are_in_the_attic(
    repository: Repository, worktree: Worktree, lose: Callable[[Git, str], None]
) -> None:
    lost = repository.commit({"new.py": "1\n"}, folder=worktree.path)
    lose(lambda *arguments: repository(*arguments, folder=worktree.path), worktree.branch)
    result = collect(worktree)
    assert len(result.lost) == 1
    assert repository("merge-base", "--is-ancestor", lost, result.lost[0].commit) == ""
    assert list_attic(repository.git) == list(result.lost)
    assert result.lost[0].name.startswith(f"{worktree.branch}.lost/")
    repository("worktree", "remove", "--force", "--force", str(worktree.path))
    repository("reflog", "expire", "--expire=now", "--all")
    repository("gc", "-q", "--prune=now")
    assert repository.shown(lost, "new.py") == "1"


def test_what_is_in_the_result_or_was_put_away_is_not_lost(repository: Repository, worktree: Worktree) -> None:
    repository.commit({"new.py": "1\n"}, folder=worktree.path)
    write(worktree.path, {"more.py": "1\n"})
    assert collect(worktree).lost == ()
    repository("reset", "-q", "--hard", "HEAD^^", folder=worktree.path)
    assert len(collect(worktree).lost) == 1
    assert collect(worktree).lost == ()


def test_an_old_chain_has_one_entry(repository: Repository, worktree: Worktree) -> None:
    for number in range(3):
        repository.commit({f"{number}.py": "1\n"}, folder=worktree.path)
    repository("reset", "-q", "--hard", worktree.base, folder=worktree.path)
    assert [repository.files(each.commit) for each in collect(worktree).lost] == [
        [".gitignore", "0.py", "1.py", "2.py", "app.py", "docs/guide.md"]
    ]


def test_a_branch_without_a_commit_is_refused_and_its_past_is_kept(
    repository: Repository, workspaces: Workspaces, worktree: Worktree
) -> None:
    lost = repository.commit({"new.py": "1\n"}, folder=worktree.path)
    repository("update-ref", "-d", f"refs/heads/{worktree.branch}", folder=worktree.path)
    with pytest.raises(UnfinishedWorkError, match="branch without a commit"):
        collect(worktree)
    repository("rm", "-rq", "--cached", ".", folder=worktree.path)
    for name in ("app.py", "new.py", "docs/guide.md", ".gitignore"):
        (worktree.path / name).unlink()
    assert [entry.commit for entry in workspaces.remove(worktree)] == [lost]


def test_to_go_back_to_an_older_commit_is_no_work(repository: Repository, workspaces: Workspaces) -> None:
    repository.commit({"later.py": "1\n"})
    worktree = workspaces.create("b", "HEAD")
    repository("reset", "-q", "--hard", "HEAD^", folder=worktree.path)
    result = collect(worktree)
    assert (result.is_noop, result.files, result.lost) == (True, (), ())


def test_no_branch_but_the_tasks_moves(repository: Repository, worktree: Worktree) -> None:
    repository("branch", "users")
    before = repository("rev-parse", "users")
    repository("checkout", "-q", "users", folder=worktree.path)
    write(worktree.path, {"new.py": "1\n"})
    assert collect(worktree).commit == repository("rev-parse", worktree.branch)
    assert repository("rev-parse", "users") == before


def diverge(repository: Repository, worktree: Worktree) -> None:
    repository.commit({"app.py": "theirs\n"})
    repository.commit({"app.py": "ours\n"}, folder=worktree.path)


@pytest.mark.parametrize(
    ("begin", "named"),
    few(
        [
            (("merge", "main"), "a merge"),
            (("rebase", "main"), "a rebase"),
            (("cherry-pick", "main"), "a cherry-pick"),
            (("revert", "--no-edit", "main"), "a revert"),
        ],
        2,
    ),
)
@pytest.mark.parametrize("staged", [False, True])
def test_an_operation_in_the_middle_is_no_result(
    repository: Repository, worktree: Worktree, begin: tuple[str, ...], named: str, staged: bool
) -> None:
    diverge(repository, worktree)
    before = repository("rev-parse", worktree.branch)
    with pytest.raises(subprocess.CalledProcessError):
        repository(*begin, folder=worktree.path)
    if staged:
        repository("add", "--all", folder=worktree.path)
    with pytest.raises(UnfinishedWorkError, match=f"in the middle of {named}") as caught:
        collect(worktree)
    assert caught.value.files == (() if staged else ("app.py",))
    assert repository("rev-parse", worktree.branch) == before


def test_a_bisection_is_no_result(repository: Repository, worktree: Worktree) -> None:
    repository("bisect", "start", folder=worktree.path)
    with pytest.raises(UnfinishedWorkError, match="a bisection"):
        collect(worktree)


def test_a_stash_that_conflicts_is_no_result(repository: Repository, worktree: Worktree) -> None:
    write(worktree.path, {"app.py": "stashed\n"})
    repository("stash", folder=worktree.path)
    repository.commit({"app.py": "ours\n"}, folder=worktree.path)
    with pytest.raises(subprocess.CalledProcessError):
        repository("stash", "pop", folder=worktree.path)
    with pytest.raises(UnfinishedWorkError, match=r"files in conflict: app\.py"):
        collect(worktree)


@pytest.mark.parametrize("ending", few(["\n", "\r\n"], 1))
@pytest.mark.parametrize("committed", [False, True])
def test_conflict_markers_are_no_result(
    repository: Repository, worktree: Worktree, committed: bool, ending: str
) -> None:
    content = "a\n" + CONFLICT.replace("\n", ending)
    if committed:
        repository.commit({"app.py": content}, folder=worktree.path)
    (worktree.path / "app.py").write_text(content, newline="")
    with pytest.raises(UnfinishedWorkError, match=r"conflict markers in app\.py") as caught:
        collect(worktree)
    assert caught.value.files == ("app.py",)


def test_what_only_looks_like_conflict_markers_is_a_result(repository: Repository, workspaces: Workspaces) -> None:
    repository.commit({"test_merge.txt": CONFLICT})
    worktree = workspaces.create("a", "HEAD")
    write(
        worktree.path,
        {
            "test_merge.txt": f"# Longer\n{CONFLICT}",
            "title.rst": "Heading\n=======\n\n>>>>>>> quoted\n",
            "shift.py": "<<<<<<<<< \n=======\n>>>>>>>>>\n",
            "binary": f"\0{CONFLICT}",
            "case.diff": CONFLICT,
            ".gitattributes": "*.diff conflict-marker-size=20\n",
        },
    )
    assert len(collect(worktree).files) == 6


def test_a_repository_that_the_agent_committed_as_a_link_is_refused(
    repository: Repository, worktree: Worktree
) -> None:
    make_repository(worktree.path / "vendored", {"x.py": "1\n"})
    repository("add", "vendored", folder=worktree.path)
    repository("commit", "-qm", "link", folder=worktree.path)
    with pytest.raises(WorkspaceError, match="repository of its own in vendored"):
        collect(worktree)


def test_a_repository_without_a_commit_is_refused_in_our_words(repository: Repository, worktree: Worktree) -> None:
    (worktree.path / "it's").mkdir()
    repository("init", "--quiet", "it's/new", folder=worktree.path)
    with pytest.raises(
        WorkspaceError, match=r"repository of its own in it's/new; move that away or delete its \.git"
    ):
        collect(worktree)
    with pytest.raises(WorkspaceError, match="repository of its own in it's/new"):
        present_commit(worktree, "as it is")


def test_a_trailer_stays_one_line(repository: Repository, worktree: Worktree) -> None:
    write(worktree.path, {"new.py": "1\n"})
    commit_work(worktree, "# More\n\n#1 \udcff\n", trailers={"Aurora-Task": "a\nAurora-Run: other"})
    body = repository("show", "-s", "--format=%B", worktree.branch)
    assert body == "# More\n\n#1 ?\n\nAurora-Task: a Aurora-Run: other"


def test_what_a_hook_changed_and_what_is_ignored_keeps_the_worktree(
    repository: Repository, workspaces: Workspaces, worktree: Worktree
) -> None:
    hook = repository.path / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho formatted > new.py\n")
    hook.chmod(0o755)
    write(worktree.path, {"new.py": "1\n", "debug.log": "1\n"})
    result = collect(worktree)
    assert unsaved(worktree.git) == Unsaved(changed=("new.py",), ignored=("debug.log",))
    assert repository.shown(str(result.commit), "new.py") == "1"


SETTINGS = {
    "status.showUntrackedFiles": "no",
    "core.fileMode": "false",
    "core.ignoreCase": "true",
    "core.ignoreStat": "true",
    "core.checkStat": "minimal",
    "core.symlinks": "false",
    "core.autocrlf": "input",
    "core.fsmonitor": "true",
    "core.logAllRefUpdates": "false",
    "core.untrackedCache": "true",
    "commit.gpgsign": "true",
    "commit.cleanup": "strip",
    "commit.template": "/nowhere",
    "gpg.program": "false",
    "diff.external": "false",
    "diff.ignoreSubmodules": "all",
    "diff.orderFile": "/nowhere",
    "diff.noprefix": "true",
    "color.ui": "always",
    "status.branch": "true",
    "status.relativePaths": "true",
    "trailer.ifexists": "doNothing",
    "trailer.ifmissing": "doNothing",
    "rerere.enabled": "true",
    "rerere.autoUpdate": "true",
    "add.ignoreErrors": "true",
    "i18n.commitEncoding": "latin1",
}


def test_settings_of_the_user_hide_no_work(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some of them make git fail, others make it overlook or change what was done."""
    settings = tmp_path / "settings"
    for name, value in SETTINGS.items():
        subprocess.run(["git", "config", "--file", str(settings), name, value], check=True)
    repository("config", "--unset-all", "core.fileMode")  # git init has measured it
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    workspaces = Workspaces(repository.path, home=tmp_path / "home", run_id="run-1")
    worktree = workspaces.create("a", read_base(repository.git).commit)
    assert unsaved(worktree.git).changed == ()
    (worktree.path / "docs/guide.md").chmod(0o755)
    (worktree.path / "app.py").rename(worktree.path / "App.py")
    (worktree.path / "link").symlink_to("App.py")
    (worktree.path / "crlf.txt").write_bytes(b"1\r\n2\r\n")
    assert set(unsaved(worktree.git).changed) == {"docs/guide.md", "app.py", "App.py", "link", "crlf.txt"}
    with pytest.raises(WorkspaceError, match="no commit has"):
        workspaces.remove(worktree)
    result = commit_work(worktree, "# é\n", trailers={"Aurora-Task": "a"})
    assert {file.path: file.kind for file in result.files} == {
        "docs/guide.md": "M", "app.py": "D", "App.py": "A", "link": "A", "crlf.txt": "A",
    }  # fmt: skip
    listed = repository("ls-tree", "-r", str(result.commit))
    assert "100755 blob" in listed
    assert "120000 blob" in listed
    blob = worktree.git.run("cat-file", "blob", f"{result.commit}:crlf.txt").data
    assert blob == b"1\r\n2\r\n"
    message = worktree.git.run("cat-file", "commit", str(result.commit)).data
    assert message.endswith("\n\n# é\n\nAurora-Task: a\n".encode())
    assert b"gpgsig" not in message
    lost = repository.commit({"lost.py": "1\n"}, folder=worktree.path)
    repository("reset", "-q", "--hard", "HEAD^", folder=worktree.path)
    assert [entry.commit for entry in commit_work(worktree, "More", trailers={}).lost] == [lost]


@pytest.mark.parametrize("setting", few(SETTINGS, 2))
def test_no_setting_of_the_user_alone_hides_a_change(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    settings = tmp_path / "settings"
    subprocess.run(["git", "config", "--file", str(settings), setting, SETTINGS[setting]], check=True)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    worktree = Workspaces(repository.path, home=tmp_path / "home", run_id="run-1").create("a", "HEAD")
    write(worktree.path, {"app.py": "changed\n", "new.py": "1\n"})
    result = commit_work(worktree, "# More\n", trailers={"Aurora-Task": "a"})
    assert [file.path for file in result.files] == ["app.py", "new.py"]


def test_ignored_by_the_user_is_left_out_and_keeps_the_worktree(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's own rules keep keys and notes out of commits, so they hold."""
    write(tmp_path, {"ignore": "*.key\n", "settings": f"[core]\n\texcludesFile = {tmp_path / 'ignore'}\n"})
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "settings"))
    workspaces = Workspaces(repository.path, home=tmp_path / "home", run_id="run-1")
    worktree = workspaces.create("a", "HEAD")
    write(worktree.path, {"new.key": "1\n", "new.py": "1\n"})
    result = collect(worktree)
    assert [file.path for file in result.files] == ["new.py"]
    with pytest.raises(WorkspaceError, match=r"new\.key"):
        workspaces.remove(worktree)


@pytest.mark.parametrize("hide", ["--assume-unchanged", "--skip-worktree"])
def test_what_an_agent_hid_from_git_is_in_the_result(repository: Repository, worktree: Worktree, hide: str) -> None:
    write(worktree.path, {"app.py": "changed\n", "docs/guide.md": "changed\n"})
    repository("update-index", hide, "app.py", "docs/guide.md", folder=worktree.path)
    assert [file.path for file in collect(worktree).files] == ["app.py", "docs/guide.md"]
