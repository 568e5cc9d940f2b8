"""Worktrees: made from what was asked for, never removed with work in them."""

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.exhaustive import few
from tests.spawner.workspaces.repository import Repository, make_repository, write
from tests.warm_python import WarmPopen

from aurora_spawner import SpawnerError
from aurora_spawner.workspaces.attic import list_attic, put_away, sweep_attic
from aurora_spawner.workspaces.bases import read_base
from aurora_spawner.workspaces.delivery import blocking_files
from aurora_spawner.workspaces.entries import INITIALIZING, entries_of
from aurora_spawner.workspaces.errors import GitError, WorkspaceError, WorkspaceLockedError
from aurora_spawner.workspaces.git import Git, Output
from aurora_spawner.workspaces.isolation import MergeMode, isolation_of, with_snapshot
from aurora_spawner.workspaces.merge_queue import MergeQueue, Work
from aurora_spawner.workspaces.names import slug
from aurora_spawner.workspaces.results import commit_work
from aurora_spawner.workspaces.ticked import ticked_files
from aurora_spawner.workspaces.worktrees import Workspaces

TRAILERS = {"Aurora-Run": "run-1", "Aurora-Task": "a"}


def test_a_snapshot_holds_uncommitted_work_and_the_checkout_is_untouched(repository: Repository) -> None:
    write(repository.path, {"app.py": "changed\n", "new.txt": "new\n", "debug.log": "ignored\n"})
    repository("add", "new.txt")
    write(repository.path, {"new.txt": "newer\n", "docs/guide.md": None})
    before = repository.state()
    base = read_base(repository.git, include_dirty=True)
    assert repository.state() == before
    assert base.commit != base.head
    assert base.branch == "main"
    assert repository.shown(base.commit, "new.txt") == "newer"
    assert repository.shown(base.commit, "app.py") == "changed"
    assert repository.files(base.commit) == [".gitignore", "app.py", "new.txt"]
    assert repository("rev-parse", f"{base.commit}^") == base.head == repository("rev-parse", "HEAD")
    assert set(base.dirty) == {"app.py", "new.txt", "docs/guide.md"}


def test_a_snapshot_lacks_what_aurora_writes_itself(repository: Repository, tmp_path: Path) -> None:
    write(repository.path, {"app.py": "changed\n", "tasks.md": "- [x] 1\n", "[a]*.md": "own\n", "a.md": "mine\n"})
    files = tuple(repository.path / name for name in ("tasks.md", "[a]*.md", "gone.md"))
    before = repository.state()
    isolation, dirty = isolation_of(repository.path, home=tmp_path / "w", merge=MergeMode.ASK, own_files=files)
    base = with_snapshot(isolation).base
    assert repository.state() == before
    assert set(dirty) == {"app.py", "a.md"}
    assert repository("diff", "--name-only", isolation.head, base).split() == ["a.md", "app.py"]


@pytest.mark.parametrize(
    "moves", [("checkout", "-qb", "other"), ("commit", "-qam", "More"), ("checkout", "-q", "HEAD^0")]
)
def test_no_snapshot_is_made_of_a_checkout_that_has_moved(
    repository: Repository, tmp_path: Path, moves: tuple[str, ...]
) -> None:
    write(repository.path, {"app.py": "changed\n"})
    isolation, _ = isolation_of(repository.path, home=tmp_path / "w", merge=MergeMode.ASK)
    repository(*moves)
    with pytest.raises(WorkspaceError, match="another commit or branch is checked out by now"):
        with_snapshot(isolation)


def test_without_a_snapshot_the_base_is_the_commit(repository: Repository) -> None:
    write(repository.path, {"app.py": "changed\n"})
    base = read_base(repository.git)
    assert (base.commit, base.dirty) == (repository("rev-parse", "HEAD"), ("app.py",))


def test_no_snapshot_is_made_of_conflicts(repository: Repository) -> None:
    repository("checkout", "-qb", "other")
    repository.commit({"app.py": "theirs\n"})
    repository("checkout", "-q", "main")
    repository.commit({"app.py": "ours\n"})
    with pytest.raises(subprocess.CalledProcessError):
        repository("merge", "other")
    with pytest.raises(WorkspaceError, match="have conflicts"):
        read_base(repository.git, include_dirty=True)


def test_no_snapshot_is_made_of_a_repository_inside_the_checkout(repository: Repository) -> None:
    make_repository(repository.path / "vendored", {"x.py": "1\n"})
    before = repository.state()
    with pytest.raises(WorkspaceError, match="vendored is a git repository of its own"):
        read_base(repository.git, include_dirty=True)
    assert repository.state() == before
    assert read_base(repository.git).commit == repository("rev-parse", "HEAD")


@pytest.mark.parametrize("taken", ["file", "link", "folder"])
def test_a_path_that_is_taken_is_left_alone(
    repository: Repository, workspaces: Workspaces, tmp_path: Path, taken: str
) -> None:
    path = workspaces.folder / "a"
    path.parent.mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    if taken == "file":
        path.touch()
    elif taken == "link":
        path.symlink_to(tmp_path / "empty")
    else:
        write(path, {"own.txt": "1\n"})
    with pytest.raises(WorkspaceError, match="move it away"):
        workspaces.create("a", "HEAD")
    assert os.path.lexists(path)
    assert (tmp_path / "empty").is_dir()


def test_an_empty_repository_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    Git(tmp_path / "empty").run("init", "--quiet")
    with pytest.raises(WorkspaceError, match="no commit yet"):
        read_base(Git(tmp_path / "empty"))


def test_a_folder_outside_git_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="no git checkout"):
        Workspaces(tmp_path, home=tmp_path / "home", run_id="r")


def test_worktrees_inside_the_project_are_refused(repository: Repository) -> None:
    with pytest.raises(WorkspaceError, match="choose a folder outside"):
        Workspaces(repository.path, home=repository.path / ".aurora", run_id="r")


def test_submodules_are_refused_with_a_reason(repository: Repository, tmp_path: Path) -> None:
    other = make_repository(tmp_path / "library", {"lib.py": ""})
    repository("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.path), "libs/x")
    repository("commit", "-qm", "library")
    with pytest.raises(WorkspaceError, match="submodules \\(libs/x\\)"):
        Workspaces(repository.path, home=tmp_path / "home", run_id="r")


def test_lfs_without_its_program_is_refused(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(repository.path, {".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n"})
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(WorkspaceError, match="install git-lfs"):
        Workspaces(repository.path, home=tmp_path / "home", run_id="r")


def test_a_worktree_is_a_locked_private_checkout_of_the_base(repository: Repository, workspaces: Workspaces) -> None:
    base = read_base(repository.git).commit
    worktree = workspaces.create("fix the login", base)
    assert (worktree.path / "app.py").read_text() == (repository.path / "app.py").read_text()
    assert repository("rev-parse", worktree.branch) == base
    assert worktree.branch == f"aurora/run-1/{slug('fix the login')}"
    assert stat.S_IMODE(worktree.path.parent.stat().st_mode) == 0o700
    with pytest.raises(subprocess.CalledProcessError):
        repository("worktree", "remove", "--force", str(worktree.path))
    assert workspaces.create("fix the login", base) == worktree
    assert [each.path for each in workspaces.existing()] == [worktree.path]


def test_ten_at_once_and_two_processes(repository: Repository, workspaces: Workspaces) -> None:
    program = (
        "import sys; from pathlib import Path; from aurora_spawner.workspaces.worktrees import Workspaces\n"
        "made = Workspaces(Path(sys.argv[1]), home=Path(sys.argv[2]), run_id='run-2')\n"
        "[made.create(f'other-{number}', 'HEAD') for number in range(5)]"
    )
    home = workspaces.folder.parent.parent
    other = WarmPopen([sys.executable, "-c", program, repository.path, home])
    with ThreadPoolExecutor(10) as pool:
        made = list(pool.map(lambda number: workspaces.create(f"task-{number}", "HEAD"), range(10)))
    assert other.wait(30) == 0
    assert len({worktree.path for worktree in made}) == 10
    assert len(repository("worktree", "list").splitlines()) == 16


def test_killed_while_it_makes_one_the_next_start_makes_it(repository: Repository, workspaces: Workspaces) -> None:
    """The moments are random, and each second time git dies as well: what it left half made is made anew."""
    for number in range(400):
        write(repository.path, {f"many/{number}.txt": str(number)})
    repository("add", "--all")
    repository("commit", "-qm", "many")
    program = (
        "import sys; from pathlib import Path; from aurora_spawner.workspaces.worktrees import Workspaces\n"
        "made = Workspaces(Path(sys.argv[1]), home=Path(sys.argv[2]), run_id='run-1'); print('go', flush=True)\n"
        "made.create(sys.argv[3], 'HEAD')"
    )
    home = workspaces.folder.parent.parent
    for number in range(10):
        task = f"task-{number}"
        start: list[str | Path] = [sys.executable, "-c", program, repository.path, home, task]
        with WarmPopen(start, stdout=subprocess.PIPE) as killed:
            assert killed.stdout is not None
            killed.stdout.readline()
            time.sleep(number * 0.006)
            children: list[str] = []
            with suppress(FileNotFoundError):  # it may have made it by now
                children = Path(f"/proc/{killed.pid}/task/{killed.pid}/children").read_text().split()
            killed.kill()
            for child in children if number % 2 else ():
                with suppress(ProcessLookupError):
                    os.kill(int(child), signal.SIGKILL)
        worktree = workspaces.create(task, "HEAD")
        assert worktree.git.text("status", "--porcelain") == ""
        assert (worktree.path / "many" / "399.txt").read_text() == "399"


def test_who_fills_a_worktree_is_not_waited_for_without_a_limit(
    repository: Repository, workspaces: Workspaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook that never ends, of a git whose coordinator was killed, still has the lock."""
    worktree = workspaces.create("a", "HEAD")
    entry = entries_of(repository.path / ".git")[worktree.path]
    entry.relock(INITIALIZING)
    monkeypatch.setattr("aurora_spawner.workspaces.turns.TURN_WAIT_S", 0.05)
    with entry.being_made(), pytest.raises(WorkspaceLockedError, match="end that process, or wait"):
        workspaces.create("a", "HEAD")
    assert workspaces.create("a", "HEAD") == worktree


def test_work_is_committed_with_trailers_and_the_agents_own_commits_stay(
    repository: Repository, workspaces: Workspaces
) -> None:
    worktree = workspaces.create("a", "HEAD")
    own = repository.commit({"docs/guide.md": "# New guide\n"}, "agent's own", folder=worktree.path)
    write(worktree.path, {"app.py": None, "data.bin": "\0\1", "deep/new file.txt": "x\ny\n"})
    result = commit_work(worktree, "Do it\n\nBecause.\n", trailers=TRAILERS, scope=("docs/*", "app.py"))
    assert result.commit == repository("rev-parse", worktree.branch)
    assert repository("rev-parse", f"{result.commit}^") == own
    body = repository("show", "-s", "--format=%B", str(result.commit))
    assert body.endswith("Because.\n\nAurora-Run: run-1\nAurora-Task: a")
    changes = {change.path: (change.kind, change.insertions, change.deletions) for change in result.files}
    assert changes == {
        "app.py": ("D", 0, 20),
        "data.bin": ("A", None, None),
        "deep/new file.txt": ("A", 2, 0),
        "docs/guide.md": ("M", 1, 1),
    }
    assert result.out_of_scope == ("data.bin", "deep/new file.txt")
    assert repository("status", "--porcelain") == ""


@pytest.mark.parametrize("name", ["hooks", "my\nhooks"])
def test_a_hook_of_the_users_is_run_wherever_it_is(
    repository: Repository, workspaces: Workspaces, tmp_path: Path, name: str
) -> None:
    write(tmp_path / name, {"commit-msg": '#!/bin/sh\necho checked >> "$1"\n'})
    (tmp_path / name / "commit-msg").chmod(0o755)
    repository("config", "core.hooksPath", str(tmp_path / name))
    worktree = workspaces.create("a", "HEAD")
    write(worktree.path, {"new.py": "1\n"})
    commit_work(worktree, "Do it", trailers={})
    assert repository("log", "-1", "--format=%B", worktree.branch).endswith("checked")


def test_a_message_may_have_what_git_does_not_take(repository: Repository, workspaces: Workspaces) -> None:
    worktree = workspaces.create("a", "HEAD")
    write(worktree.path, {"new.py": "1\n"})
    commit_work(worktree, "Fix \ud800 a\0nd ü\n", trailers={})
    assert repository("log", "-1", "--format=%s", worktree.branch) == "Fix ? and ü"


def test_no_change_is_no_commit(workspaces: Workspaces) -> None:
    worktree = workspaces.create("a", "HEAD")
    write(worktree.path, {"debug.log": "ignored\n"})
    result = commit_work(worktree, "Nothing", trailers=TRAILERS)
    assert result.is_noop
    assert result.files == ()


def test_work_on_another_branch_is_found(repository: Repository, workspaces: Workspaces) -> None:
    worktree = workspaces.create("a", "HEAD")
    repository("checkout", "-qb", "my-feature", folder=worktree.path)
    commit = repository.commit({"new.py": "1\n"}, folder=worktree.path)
    result = commit_work(worktree, "More", trailers=TRAILERS)
    assert result.commit == commit == repository("rev-parse", worktree.branch)


def test_a_repository_in_the_worktree_is_refused_and_kept(workspaces: Workspaces) -> None:
    worktree = workspaces.create("a", "HEAD")
    make_repository(worktree.path / "vendored", {"x.py": "1\n"})
    with pytest.raises(WorkspaceError, match="repository of its own in vendored"):
        commit_work(worktree, "More", trailers=TRAILERS)
    assert (worktree.path / "vendored" / "x.py").exists()


def test_a_merge_that_the_agent_left_open_is_refused(repository: Repository, workspaces: Workspaces) -> None:
    worktree = workspaces.create("a", "HEAD")
    repository.commit({"app.py": "theirs\n"})
    repository.commit({"app.py": "ours\n"}, folder=worktree.path)
    with pytest.raises(subprocess.CalledProcessError):
        repository("merge", "main", folder=worktree.path)
    with pytest.raises(WorkspaceError, match="in the middle of a merge"):
        commit_work(worktree, "More", trailers=TRAILERS)


def test_a_failing_hook_is_reported_in_its_words(repository: Repository, workspaces: Workspaces) -> None:
    hook = repository.path / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'lint: 3 errors' >&2\nexit 1\n")
    hook.chmod(0o755)
    worktree = workspaces.create("a", "HEAD")
    write(worktree.path, {"new.py": "1\n"})
    with pytest.raises(GitError, match="lint: 3 errors"):
        commit_work(worktree, "More", trailers=TRAILERS)
    assert (worktree.path / "new.py").exists()


@pytest.mark.parametrize("state", few(["untracked", "changed", "ignored", "committed", "detached"], 3))
def test_a_worktree_with_work_is_never_removed(repository: Repository, workspaces: Workspaces, state: str) -> None:
    worktree = workspaces.create("a", "HEAD")
    if state == "untracked":
        write(worktree.path, {"new.py": "1\n"})
    elif state == "changed":
        write(worktree.path, {"app.py": "1\n"})
    elif state == "ignored":
        write(worktree.path, {"debug.log": "1\n"})
    else:
        if state == "detached":
            repository("checkout", "-q", "--detach", folder=worktree.path)
        repository.commit({"new.py": "1\n"}, folder=worktree.path)
    with pytest.raises(SpawnerError, match=r"no commit has|no other branch has"):
        workspaces.remove(worktree)
    assert worktree.path.is_dir()


SLOW_REMOVAL = """\
#!/bin/sh
case "$*" in *"worktree remove"*)
    for folder; do :; done
    rm "$folder/app.py"; touch "$HALF"
    sleep 0.5
esac
exec "$REAL_GIT" "$@"
"""


def test_a_removal_whose_process_was_killed_is_waited_for(
    repository: Repository, workspaces: Workspaces, tmp_path: Path
) -> None:
    """Half a worktree looks like one whose files an agent has deleted."""
    worktree = workspaces.create("a", "HEAD")
    write(tmp_path / "bin", {"git": SLOW_REMOVAL})
    (tmp_path / "bin" / "git").chmod(0o755)
    program = (
        "import sys; from pathlib import Path; from aurora_spawner.workspaces.worktrees import Workspaces\n"
        "made = Workspaces(Path(sys.argv[1]), home=Path(sys.argv[2]), run_id='run-1'); made.remove(made.find('a'))\n"
    )
    names = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "REAL_GIT": str(shutil.which("git")),
        "HALF": str(tmp_path / "half"),
    }
    start: list[str | Path] = [sys.executable, "-c", program, repository.path, workspaces.folder.parent.parent]
    with WarmPopen(start, env=os.environ | names) as killed:
        while not (tmp_path / "half").exists():
            assert killed.poll() is None
            time.sleep(0.01)
        killed.kill()
    workspaces.wait_for_others()
    workspaces.remove(worktree)
    assert not worktree.path.exists()
    assert repository("for-each-ref", "--format=%(refname)") == "refs/heads/main"


def test_merged_work_may_go_and_leaves_nothing(repository: Repository, workspaces: Workspaces) -> None:
    worktree = workspaces.create("a", "HEAD")
    repository.commit({"new.py": "1\n"}, folder=worktree.path)
    write(worktree.path, {"debug.log": "1\n"})
    repository("merge", "-q", "--no-ff", "-m", "merge", worktree.branch)
    workspaces.remove(worktree, ignored_too=True)
    assert not worktree.path.exists()
    assert repository("for-each-ref", "--format=%(refname)").splitlines() == ["refs/heads/main"]
    assert repository("worktree", "list").count("\n") == 0
    assert workspaces.create("a", "HEAD").path == worktree.path


def test_the_attic_keeps_what_was_discarded_for_a_while(repository: Repository, workspaces: Workspaces) -> None:
    worktree = workspaces.create("a", "HEAD")
    commit = repository.commit({"new.py": "1\n"}, folder=worktree.path)
    repository("checkout", "-q", "--detach", folder=worktree.path)
    entry = put_away(repository.git, worktree.branch, now=1_000_000.0)
    assert (entry.commit, entry.name) == (commit, worktree.branch)
    workspaces.remove(worktree)
    assert list_attic(repository.git) == [entry]
    assert sweep_attic(repository.git, now=1_000_000.0 + 29 * 86_400) == []
    assert sweep_attic(repository.git, now=1_000_000.0 + 31 * 86_400) == [entry]
    assert list_attic(repository.git) == []


def test_a_task_called_integration_is_no_integration_branch(repository: Repository, workspaces: Workspaces) -> None:
    worktree = workspaces.create("integration", "HEAD")
    write(worktree.path, {"new.py": "1\n"})
    commit = commit_work(worktree, "More", trailers=TRAILERS).commit
    merging = MergeQueue(git=repository.git, run_id="run-1", target="main", base="HEAD")
    assert worktree.branch != merging.branch
    assert commit is not None
    assert merging.merge([Work(task_id="integration", commit=commit, branch=worktree.branch)]).is_complete
    assert repository("rev-parse", worktree.branch) == commit


@pytest.mark.parametrize(
    "names",
    [
        ("a b", "a-b"),
        ("A", "a"),
        ("ü" * 80, "ü" * 81),
        ("..", "..."),
        ("a/b", "a-b"),
        ("", "task"),
        ("x.lock", "x-lock"),
        ("@{-1}", "HEAD"),
        ("-f", "f"),
        ("a\nb", "a\0b"),
        ("\udcff", "\udcfe"),
        ("a b", slug("a b")),
        ("integration", slug("integration")),
    ],
)
def test_different_tasks_have_different_slugs(names: tuple[str, str]) -> None:
    one, other = map(slug, names)
    assert one != other
    for name in (one, other):
        assert re.fullmatch(r"[a-z0-9][a-z0-9-]*", name)
        assert Git(Path.cwd()).succeeds("check-ref-format", f"refs/heads/aurora/run/{name}")


def test_an_entry_that_git_was_killed_in_is_made_again(repository: Repository, workspaces: Workspaces) -> None:
    """Git writes its lock and the folder's name first, and then opens this file; it cannot list what it left so."""
    workspaces.create("b", "HEAD")
    worktree = workspaces.create("a", "HEAD")
    (entry,) = (link.parent for link in repository.path.glob(".git/worktrees/*/gitdir") if "/a/" in link.read_text())
    (entry / "commondir").write_text("")
    (entry / "locked").write_text("initializing\n")
    for file in worktree.path.iterdir():
        if file.name != ".git":
            (shutil.rmtree if file.is_dir() else os.unlink)(file)
    with pytest.raises(subprocess.CalledProcessError):
        repository("worktree", "list")
    assert workspaces.create("a", "HEAD").path == worktree.path
    assert (worktree.path / "app.py").exists()
    assert repository("worktree", "list").count("\n") == 2


@pytest.mark.parametrize(
    ("name", "text", "ticked"),
    few(
        [
            ("tasks.md", "# A\n- [x] 1\n  - [ ] 2\n", True),
            ("tasks.md", "# A\n- [x] 1\n  - [x] 2\n", True),
            ("tasks.md", "# A\n- [x] 1 more\n  - [ ] 2\n", False),
            ("tasks.md", "# A\n- [X] 1\n  - [ ] 2\n", False),
            ("tasks.md", "# A\n- [x] 1\n  - [ ] 2\n\n", False),
            ("tasks.md", None, False),
            ("tasks.txt", "# A\n- [x] 1\n  - [ ] 2\n", False),
            ("new.md", "- [x] 1\n", False),
        ],
        4,
    ),
)
def test_only_boxes_that_were_ticked_make_a_change_aurora_s_own(
    repository: Repository, name: str, text: str | None, ticked: bool
) -> None:
    before = "# A\n- [ ] 1\n  - [ ] 2\n"
    repository.commit({"tasks.md": before, "tasks.txt": before})
    write(repository.path, {name: text})
    assert ticked_files(repository.git, [name]) == (frozenset({name}) if ticked else frozenset())
    if name != "new.md":
        assert blocking_files(repository.git, "HEAD", "HEAD", own_files=()) == (set() if ticked else {name})
        assert blocking_files(repository.git, "HEAD", "HEAD^", own_files=()) == {name}, "the update changes it too"


def test_a_change_in_the_second_of_the_checkout_is_seen_whatever_clock_the_index_has(
    workspaces: Workspaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with worktrees on a server whose clock is behind; the size of the file stays."""
    run = Git.run

    def with_another_clock(git: Git, *arguments: str, **more: Any) -> Output:
        output = run(git, *arguments, **more)
        if arguments[0] == "reset" and git.git_dir is not None:
            later = time.time() + 5
            os.utime(git.git_dir / "index", (later, later))
        return output

    monkeypatch.setattr(Git, "run", with_another_clock)
    time.sleep(1.0 - time.time() % 1.0)  # the checkout and the change are in one second
    worktree = workspaces.create("a", "HEAD")
    monkeypatch.undo()
    file = worktree.path / "app.py"
    file.write_text(file.read_text().replace("line 3\n", "LINE 3\n"))
    work = commit_work(worktree, "Work", trailers={})
    assert [each.path for each in work.files] == ["app.py"]
