"""The merge queue: what conflicts or fails is named and kept, the rest arrives, and nothing else moves."""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.exhaustive import examples, few
from tests.spawner.workspaces.repository import Repository, make_repository, write
from tests.warm_python import run_warm

from aurora_spawner.tasks.work import Delivery, MergeOutcome
from aurora_spawner.workspaces.errors import GitError, OverwriteError, WorkspaceError
from aurora_spawner.workspaces.forecast import FinishedWork, Forecaster
from aurora_spawner.workspaces.git import Git, Output
from aurora_spawner.workspaces.merge_queue import Check, MergeQueue, Work
from aurora_spawner.workspaces.results import commit_work
from aurora_spawner.workspaces.worktrees import Workspaces, Worktree

Edit = Callable[[Path], None]


def change(file: str, old: str, new: str) -> Edit:
    def edit(folder: Path) -> None:
        path = folder / file
        path.write_text(path.read_text().replace(old, new))

    return edit


def work(workspaces: Workspaces, task: str, edit: Edit, base: str = "HEAD") -> Work:
    worktree = workspaces.create(task, base)
    edit(worktree.path)
    result = commit_work(worktree, f"Do {task}\n", trailers={"Aurora-Task": task})
    assert result.commit is not None
    return Work(task_id=task, commit=result.commit, branch=worktree.branch, agent="tester")


def queue(repository: Repository, check: Callable[[str], Check] | None = None) -> MergeQueue:
    head = repository("rev-parse", "main")
    return MergeQueue(git=repository.git, run_id="run-1", target="main", base=head, check=check)


def checks(repository: Repository, good: Callable[[str], bool]) -> tuple[Callable[[str], Check], list[str]]:
    """A check of the file `app.py` at a commit, and the commits that it was asked about."""
    asked: list[str] = []

    def check(commit: str) -> Check:
        asked.append(commit)
        return Check.PASSED if good(repository.shown(commit, "app.py")) else Check.FAILED

    return check, asked


def test_of_three_that_clash_and_three_that_do_not_nothing_is_lost(
    repository: Repository, workspaces: Workspaces
) -> None:
    write(repository.path, {"app.py": "the user's own work\n", "untracked.txt": "mine\n"})
    before = repository.state()
    works = [work(workspaces, f"clash-{n}", change("app.py", "line 3\n", f"line {n} of {n}\n")) for n in range(3)]
    works += [work(workspaces, f"free-{n}", lambda at, n=n: write(at, {f"new-{n}.py": "1\n"})) for n in range(3)]  # type: ignore[misc]
    merging = queue(repository)
    batch = merging.merge(works)
    assert [each.outcome for each in batch.merged] == ["merged", *["conflict"] * 2, *["merged"] * 3]
    assert [(each.files, each.clashes_with) for each in batch.merged[1:3]] == [(("app.py",), "clash-0")] * 2
    assert not batch.is_complete
    assert repository.state() == before
    for each in works:
        assert repository("for-each-ref", "--contains", each.commit, "--format=%(refname)")
    assert repository.files(merging.branch) == [
        ".gitignore", "app.py", "docs/guide.md", "new-0.py", "new-1.py", "new-2.py",
    ]  # fmt: skip
    body = repository("show", "-s", "--format=%B", merging.branch)
    assert body == "Merge task free-2\n\nAurora-Run: run-1\nAurora-Task: free-2\nAurora-Agent: tester"


def test_two_that_are_good_alone_and_fail_together_are_named(repository: Repository, workspaces: Workspaces) -> None:
    works = [
        work(workspaces, "innocent", change("app.py", "line 1\n", "line one\n")),
        work(workspaces, "left", change("app.py", "line 5\n", "LEFT\n")),
        work(workspaces, "bystander", change("app.py", "line 9\n", "line nine\n")),
        work(workspaces, "right", change("app.py", "line 14\n", "RIGHT\n")),
        work(workspaces, "last", change("app.py", "line 18\n", "line eighteen\n")),
    ]
    check, _ = checks(repository, lambda text: not ("LEFT" in text and "RIGHT" in text))
    merging = queue(repository, check)
    batch = merging.merge(works)
    answers = {each.work.task_id: (each.outcome, each.clashes_with) for each in batch.merged}
    assert answers.pop("right") == (MergeOutcome.RED, "left")
    assert set(answers.values()) == {(MergeOutcome.MERGED, None)}
    text = repository.shown(merging.branch, "app.py")
    assert "LEFT" in text
    assert "RIGHT" not in text
    assert "eighteen" in text


def test_one_that_fails_alone_blames_nobody_else(repository: Repository, workspaces: Workspaces) -> None:
    works = [
        work(workspaces, "good", change("app.py", "line 1\n", "line one\n")),
        work(workspaces, "bad", change("app.py", "line 9\n", "BROKEN\n")),
    ]
    check, _ = checks(repository, lambda text: "BROKEN" not in text)
    batch = queue(repository, check).merge(works)
    assert [(each.outcome, each.clashes_with) for each in batch.merged] == [
        (MergeOutcome.MERGED, None),
        (MergeOutcome.RED, None),
    ]


def test_what_stands_on_failing_work_is_left_out_with_it(repository: Repository, workspaces: Workspaces) -> None:
    bad = work(workspaces, "bad", change("app.py", "line 9\n", "BROKEN\n"))
    after = work(workspaces, "after", change("app.py", "line 18\n", "line eighteen\n"), base=bad.commit)
    check, _ = checks(repository, lambda text: "BROKEN" not in text)
    merging = queue(repository, check)
    batch = merging.merge([bad, after])
    assert [(each.outcome, each.clashes_with) for each in batch.merged] == [("red", None), ("red", "bad")]
    assert merging.head == repository("rev-parse", "main")


def test_a_resolution_that_is_no_merge_is_none(repository: Repository, workspaces: Workspaces) -> None:
    works = [work(workspaces, name, lambda at, name=name: write(at, {name: "1\n"})) for name in "ab"]  # type: ignore[misc]
    batch = queue(repository).merge([works[0], replace(works[1], resolution=works[0].commit)])
    assert batch.is_complete


def test_a_flaky_check_blames_nobody(repository: Repository, workspaces: Workspaces) -> None:
    answers = iter([Check.FAILED, Check.PASSED])
    batch = queue(repository, lambda _: next(answers)).merge(
        [work(workspaces, "a", lambda at: write(at, {"a": "1"}))]
    )
    assert batch.flaky
    assert batch.is_complete


def test_a_check_that_fails_on_the_base_blames_nobody(repository: Repository, workspaces: Workspaces) -> None:
    batch = queue(repository, lambda _: Check.FAILED).merge([work(workspaces, "a", lambda at: write(at, {"a": "1"}))])
    assert batch.base_fails
    assert [each.outcome for each in batch.merged] == [MergeOutcome.UNCHECKED]


def test_a_queue_that_was_killed_goes_on_where_it_was(repository: Repository, workspaces: Workspaces) -> None:
    first = work(workspaces, "first", lambda at: write(at, {"a": "1"}))
    second = work(workspaces, "second", lambda at: write(at, {"b": "1"}))
    queue(repository).merge([first])
    later = queue(repository)
    head = later.head
    assert later.merge([first]).is_complete
    assert later.head == head
    later.merge([first, second])
    assert repository("rev-list", "--count", "--merges", later.branch) == "2"


def test_another_process_that_moves_the_branch_is_noticed(repository: Repository, workspaces: Workspaces) -> None:
    works = [work(workspaces, "a", lambda at: write(at, {"a": "1"}))]

    def meanwhile(_: str) -> Check:
        repository("update-ref", f"refs/heads/{merging.branch}", works[0].commit)
        return Check.PASSED

    merging = queue(repository, meanwhile)
    with pytest.raises(WorkspaceError, match="another process moved"):
        merging.merge(works)


def _merged_queue(
    repository: Repository, workspaces: Workspaces, check: Callable[[str], Check] | None = None
) -> MergeQueue:
    merging = queue(repository, check)
    assert merging.merge([work(workspaces, "a", change("app.py", "line 1\n", "line one\n"))]).is_complete
    return merging


def test_a_target_that_is_not_checked_out_is_moved(repository: Repository, workspaces: Workspaces) -> None:
    merging = _merged_queue(repository, workspaces)
    repository("checkout", "-qb", "elsewhere")
    assert merging.deliver() is Delivery.FAST_FORWARDED
    assert merging.deliver() is Delivery.UP_TO_DATE
    assert repository("rev-parse", "main") == merging.head


def test_a_checked_out_target_is_updated_only_when_clean_and_asked(
    repository: Repository, workspaces: Workspaces
) -> None:
    merging = _merged_queue(repository, workspaces)
    before = repository("rev-parse", "main")
    assert merging.deliver() is Delivery.CHECKED_OUT
    write(repository.path, {"docs/guide.md": "mine\n", "untracked.txt": "mine\n"})
    assert merging.deliver(update_checkout=True) is Delivery.CHECKED_OUT
    assert repository("rev-parse", "main") == before
    repository("checkout", "-q", "docs/guide.md")
    assert merging.deliver(update_checkout=True) is Delivery.FAST_FORWARDED
    assert "line one" in (repository.path / "app.py").read_text()
    assert repository("status", "--porcelain") == "?? untracked.txt"
    assert (repository.path / "untracked.txt").read_text() == "mine\n"


def test_what_the_user_saves_while_git_looks_is_not_put_back(
    repository: Repository, workspaces: Workspaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git refuses to merge over it; only what git itself has begun to write is undone then."""
    merging = _merged_queue(repository, workspaces)
    run = Git.run

    def saved_meanwhile(git: Git, *arguments: str, **more: Any) -> Output:
        if arguments[0] == "read-tree":
            write(repository.path, {"app.py": "saved just now\n"})
        return run(git, *arguments, **more)

    monkeypatch.setattr(Git, "run", saved_meanwhile)
    with pytest.raises(GitError, match=r"'app\.py' not uptodate"):
        merging.deliver(update_checkout=True)
    assert (repository.path / "app.py").read_text() == "saved just now\n"


@pytest.mark.parametrize("switch", [("checkout", "-qb", "mine"), ("checkout", "-q", "--detach")])
@pytest.mark.parametrize("just_before", few(["update-index", "read-tree"], 1))
def test_a_branch_that_the_user_switches_to_meanwhile_does_not_get_the_work(
    repository: Repository,
    workspaces: Workspaces,
    monkeypatch: pytest.MonkeyPatch,
    just_before: str,
    switch: tuple[str, ...],
) -> None:
    """Until the files are written the target moves without them; from then on git refuses to switch."""
    merging, run, switched = _merged_queue(repository, workspaces), Git.run, list[bool]()

    def switch_meanwhile(git: Git, *arguments: str, **more: Any) -> Output:
        if arguments[0] == just_before and not switched:
            done = subprocess.run(["git", *switch], cwd=repository.path, check=False, capture_output=True)
            switched.append(done.returncode == 0)
        return run(git, *arguments, **more)

    monkeypatch.setattr(Git, "run", switch_meanwhile)
    before = repository("rev-parse", "main")
    assert merging.deliver(update_checkout=True) is Delivery.FAST_FORWARDED
    assert repository("rev-parse", "main") == merging.head
    assert repository("status", "--porcelain") == ""
    assert switched == [just_before == "update-index"]
    assert repository("rev-parse", "HEAD") == (before if switched[0] else merging.head)
    assert repository("for-each-ref", "--format=%(objectname)", "refs/heads/mine") in ("", before)
    assert [*(repository.path / ".git").rglob("*.lock")] == []


@pytest.mark.parametrize("just_before", ["ls-files", "update-index"])
def test_what_the_user_commits_meanwhile_stays_on_the_branch(
    repository: Repository, workspaces: Workspaces, monkeypatch: pytest.MonkeyPatch, just_before: str
) -> None:
    merging, run, commits = _merged_queue(repository, workspaces), Git.run, list[str]()

    def commit_meanwhile(git: Git, *arguments: str, **more: Any) -> Output:
        if arguments[0] == just_before and not commits:
            write(repository.path, {"mine.py": "1\n"})
            repository("add", "mine.py")
            repository("commit", "-qm", "mine")
            commits.append(repository("rev-parse", "main"))
        return run(git, *arguments, **more)

    monkeypatch.setattr(Git, "run", commit_meanwhile)
    assert merging.deliver(update_checkout=True) is Delivery.MERGED
    assert repository("rev-parse", "main") == merging.head
    assert repository("merge-base", "--is-ancestor", commits[0], "main") == ""
    assert ((repository.path / "mine.py").read_text(), repository("status", "--porcelain")) == ("1\n", "")


def test_a_delivery_that_is_killed_after_the_files_is_completed_by_the_next(
    repository: Repository, workspaces: Workspaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    merging, run = _merged_queue(repository, workspaces), Git.run

    def stop_after_the_files(git: Git, *arguments: str, **more: Any) -> Output:
        done = run(git, *arguments, **more)
        if arguments[0] == "read-tree":
            raise KeyboardInterrupt
        return done

    with monkeypatch.context() as patch:
        patch.setattr(Git, "run", stop_after_the_files)
        with pytest.raises(KeyboardInterrupt):
            merging.deliver(update_checkout=True)
    assert repository("rev-parse", "main") != merging.head
    assert [*(repository.path / ".git").rglob("*.lock")] == []
    assert merging.deliver(update_checkout=True) is Delivery.FAST_FORWARDED
    assert (repository("rev-parse", "main"), repository("status", "--porcelain")) == (merging.head, "")
    assert repository("reflog", "--format=%gs", "-1").strip() == "aurora: deliver finished work"


def test_a_file_that_was_only_touched_is_no_change(repository: Repository, workspaces: Workspaces) -> None:
    merging = _merged_queue(repository, workspaces)
    os.utime(repository.path / "app.py", (0, 0))
    assert merging.deliver(update_checkout=True) is Delivery.FAST_FORWARDED
    assert repository("status", "--porcelain") == ""


def test_a_hook_that_refuses_the_move_leaves_all_as_it_is(repository: Repository, workspaces: Workspaces) -> None:
    merging = _merged_queue(repository, workspaces)
    hook = repository.path / ".git/hooks/reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ntest $1 != prepared || { echo not today >&2; exit 1; }\n")
    hook.chmod(0o755)
    before = repository.state()
    with pytest.raises(GitError, match="not today"):
        merging.deliver(update_checkout=True)
    assert repository.state() == before
    assert repository("rev-parse", "main") != merging.head
    assert [*(repository.path / ".git").rglob("*.lock")] == []


def test_the_users_hook_follows_a_delivery(repository: Repository, workspaces: Workspaces) -> None:
    merging = _merged_queue(repository, workspaces)
    hook = repository.path / ".git/hooks/post-merge"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ngit rev-parse HEAD > .git/seen; exit 3\n")
    hook.chmod(0o755)
    assert merging.deliver(update_checkout=True) is Delivery.FAST_FORWARDED
    assert (repository.path / ".git/seen").read_text().strip() == merging.head
    assert repository("rev-parse", "ORIG_HEAD") != merging.head


def test_a_hook_that_hangs_after_the_move_makes_no_failed_delivery(
    repository: Repository, workspaces: Workspaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Git.run

    def hanging(git: Git, *arguments: str, **more: Any) -> Output:
        if arguments[0] == "hook":
            raise GitError(git.folder, arguments, "did not end within 300 s")
        return run(git, *arguments, **more)

    merging = _merged_queue(repository, workspaces)
    monkeypatch.setattr(Git, "run", hanging)
    assert merging.deliver(update_checkout=True) is Delivery.FAST_FORWARDED
    assert repository("rev-parse", "main") == merging.head


@pytest.mark.parametrize(
    ("own", "new", "named"),
    few(
        [
            ("debug.log", "debug.log", "debug.log"),
            ("notes.txt", "notes.txt", "notes.txt"),
            ("deep.log", "deep.log/new.py", "deep.log"),
            ("new/debug.log", "new", "new/debug.log"),
            ("new/of the user/a.log", "new", "new/of the user/a.log"),
        ],
        2,
    ),
)
def test_a_file_of_the_user_is_not_overwritten(
    repository: Repository, workspaces: Workspaces, own: str, new: str, named: str
) -> None:
    merging = queue(repository)
    worktree = workspaces.create("a", "HEAD")
    write(worktree.path, {new: "the agent's\n", "app.py": "the agent's\n"})
    repository("add", "--force", "--all", folder=worktree.path)
    result = commit_work(worktree, "More", trailers={})
    assert result.commit is not None
    assert merging.merge([Work(task_id="a", commit=result.commit, branch=worktree.branch)]).is_complete
    write(repository.path, {own: "the user's\n"})
    before = (repository.state(), repository("rev-parse", "main"))
    with pytest.raises(OverwriteError, match="files of yours") as caught:
        merging.deliver(update_checkout=True)
    assert caught.value.files == (named,)
    assert (repository.state(), repository("rev-parse", "main")) == before
    (repository.path / own).unlink()
    assert merging.deliver(update_checkout=True) is Delivery.FAST_FORWARDED
    assert (repository.path / new).read_text() == "the agent's\n"


def test_a_link_of_the_user_is_not_followed(repository: Repository, workspaces: Workspaces, tmp_path: Path) -> None:
    merging = queue(repository)
    worktree = workspaces.create("b", "HEAD")
    write(worktree.path, {"out.log/new.py": "1\n"})
    repository("add", "--force", "--all", folder=worktree.path)
    commit = commit_work(worktree, "More", trailers={}).commit
    assert commit is not None
    merging.merge([Work(task_id="b", commit=commit, branch=worktree.branch)])
    (tmp_path / "outside").mkdir()
    (repository.path / "out.log").symlink_to(tmp_path / "outside")
    with pytest.raises(OverwriteError) as caught:
        merging.deliver(update_checkout=True)
    assert caught.value.files == ("out.log",)
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize("hide", ["--assume-unchanged", "--skip-worktree"])
def test_a_change_that_the_user_hid_from_git_is_not_overwritten(
    repository: Repository, workspaces: Workspaces, hide: str
) -> None:
    merging = _merged_queue(repository, workspaces)
    repository("update-index", hide, "app.py")
    write(repository.path, {"app.py": "the user's\n"})
    with pytest.raises(OverwriteError) as caught:
        merging.deliver(update_checkout=True)
    assert caught.value.files == ("app.py",)
    assert (repository.path / "app.py").read_text() == "the user's\n"


def test_settings_of_the_user_do_not_hide_work_from_a_delivery(
    repository: Repository, workspaces: Workspaces
) -> None:
    merging = _merged_queue(repository, workspaces)
    settings = {
        "merge.ff": "false",
        "merge.autoStash": "true",
        "core.fsmonitor": "true",
        "branch.main.mergeOptions": "--no-ff",
    }
    for name, value in settings.items():
        repository("config", name, value)
    write(repository.path, {"docs/guide.md": "mine\n"})
    assert merging.deliver(update_checkout=True) is Delivery.CHECKED_OUT
    repository("checkout", "-q", "docs/guide.md")
    assert merging.deliver(update_checkout=True) is Delivery.FAST_FORWARDED


@pytest.mark.parametrize("operation", ["rebase", "bisect", "merge"])
def test_a_target_on_which_git_works_stays(repository: Repository, workspaces: Workspaces, operation: str) -> None:
    merging = _merged_queue(repository, workspaces)
    before = repository("rev-parse", "main")
    if operation == "bisect":
        repository("bisect", "start")
        repository("checkout", "-q", "--detach")
    elif operation == "rebase":
        with pytest.raises(subprocess.CalledProcessError):
            repository("rebase", "--exec", "false", "--root")
    else:
        tree = repository("rev-parse", "main^{tree}")
        other = repository("commit-tree", tree, "-p", "main", "-m", "same")
        repository("merge", "-q", "--no-ff", "--no-commit", other)
    assert merging.deliver(update_checkout=True) is Delivery.CHECKED_OUT
    assert repository("rev-parse", "main") == before


def test_a_target_that_is_checked_out_twice_stays(
    repository: Repository, workspaces: Workspaces, tmp_path: Path
) -> None:
    merging = _merged_queue(repository, workspaces)
    repository("worktree", "add", "-q", "--force", str(tmp_path / "second"), "main")
    assert merging.deliver(update_checkout=True) is Delivery.CHECKED_OUT
    repository("checkout", "-q", "--detach")
    (tmp_path / "second").rename(tmp_path / "away")
    assert merging.deliver(update_checkout=True) is Delivery.CHECKED_OUT


def test_a_base_that_is_a_branch_does_not_move_with_it(repository: Repository, workspaces: Workspaces) -> None:
    merging = MergeQueue(git=repository.git, run_id="run-1", target="main", base="main")
    works = [work(workspaces, "a", lambda at: write(at, {"a": "1"}))]
    moved = repository.commit({"later.py": "1\n"})
    assert merging.merge(works).is_complete
    with pytest.raises(subprocess.CalledProcessError):
        repository("merge-base", "--is-ancestor", moved, merging.head)


def test_the_same_tree_is_checked_once(repository: Repository, workspaces: Workspaces) -> None:
    works = [
        work(workspaces, f"t{number}", change("app.py", f"line {number * 3 + 1}\n", f"{text}\n"))
        for number, text in enumerate(["one", "BROKEN", "three", "four", "BROKEN too"])
    ]
    check, asked = checks(repository, lambda text: "BROKEN" not in text)
    merging = queue(repository, check)
    merging.merge(works)
    merging.merge([*works[:1], works[2]])
    trees = [repository("rev-parse", f"{commit}^{{tree}}") for commit in asked]
    again = trees.pop(1)  # a failure is checked twice
    assert again == trees[0]
    assert len(set(trees)) == len(trees)


def test_a_base_that_fails_is_checked_again_with_the_targets_new_commits(
    repository: Repository, workspaces: Workspaces
) -> None:
    text = (repository.path / "app.py").read_text()
    broken = repository.commit({"app.py": text.replace("line 20\n", "BROKEN\n")})
    works = [
        work(workspaces, "good", change("app.py", "line 1\n", "line one\n")),
        work(workspaces, "bad", change("app.py", "line 9\n", "BROKEN again\n")),
    ]
    check, _ = checks(repository, lambda text: "BROKEN" not in text)
    merging = MergeQueue(git=repository.git, run_id="run-1", target="main", base=broken, check=check)
    mended = repository.commit({"app.py": text})
    batch = merging.merge(works)
    assert not batch.base_fails
    assert [each.outcome for each in batch.merged] == [MergeOutcome.MERGED, MergeOutcome.RED]
    assert repository("merge-base", "--is-ancestor", mended, merging.head) == ""
    assert "BROKEN" not in repository.shown(merging.head, "app.py")
    assert merging.deliver(update_checkout=True) is Delivery.FAST_FORWARDED


@pytest.mark.parametrize("later", ["still BROKEN\n", None])
def test_a_base_that_fails_with_the_targets_new_commits_too_blames_nobody(
    repository: Repository, workspaces: Workspaces, later: str | None
) -> None:
    """Also if the new commits cannot be merged with what is integrated already."""
    broken = repository.commit({"app.py": "BROKEN\n"})
    works = [work(workspaces, name, lambda at, name=name: write(at, {name: "1\n"})) for name in "ab"]  # type: ignore[misc]
    check, _ = checks(repository, lambda text: "BROKEN" not in text)
    merging = MergeQueue(git=repository.git, run_id="run-1", target="main", base=broken, check=check)
    assert merging.merge(works[:1]).base_fails
    repository.commit({"app.py": later} if later else {"a": "another\n"})
    for _ in range(2):
        batch = merging.merge(works)
        assert batch.base_fails
        assert {each.outcome for each in batch.merged} == {MergeOutcome.UNCHECKED}
        assert merging.head == broken


def test_a_check_that_is_cancelled_or_answers_nonsense_moves_nothing(
    repository: Repository, workspaces: Workspaces
) -> None:
    works = [work(workspaces, "a", lambda at: write(at, {"a": "1"}))]

    def cancelled(_: str) -> Check:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        queue(repository, cancelled).merge(works)
    with pytest.raises(ValueError, match="False is not a valid Check"):
        queue(repository, lambda _: False).merge(works)  # type: ignore[arg-type, return-value]
    with pytest.raises(ValueError, match="two works of one task"):
        queue(repository).merge(works * 2)
    assert queue(repository).head == repository("rev-parse", "main")
    assert queue(repository).merge(works).is_complete


def test_a_target_that_moved_is_merged_and_checked_again(repository: Repository, workspaces: Workspaces) -> None:
    check, asked = checks(repository, lambda text: "BROKEN" not in text)
    merging = _merged_queue(repository, workspaces, check)
    repository.commit({"other.py": "1\n"}, "the user's commit")
    repository("checkout", "-qb", "elsewhere")
    assert merging.deliver() is Delivery.MERGED
    assert repository("rev-parse", "main") == asked[-1] == merging.head
    assert {"other.py", "app.py"} < set(repository.files("main"))


def test_a_target_whose_new_commits_fail_with_the_work_stays(repository: Repository, workspaces: Workspaces) -> None:
    check, _ = checks(repository, lambda text: "BROKEN" not in text)
    merging = _merged_queue(repository, workspaces, check)
    moved = repository.commit({"app.py": (repository.path / "app.py").read_text() + "BROKEN\n"})
    repository("checkout", "-qb", "elsewhere")
    assert merging.deliver() is Delivery.RED
    assert repository("rev-parse", "main") == moved


def test_a_target_whose_new_commits_conflict_stays(repository: Repository, workspaces: Workspaces) -> None:
    merging = _merged_queue(repository, workspaces)
    moved = repository.commit({"app.py": "all new\n"})
    repository("checkout", "-qb", "elsewhere")
    assert merging.deliver() is Delivery.CONFLICT
    assert repository("rev-parse", "main") == moved


def test_a_target_that_never_rests_is_left(repository: Repository, workspaces: Workspaces) -> None:
    numbers = count()

    def moving(_: str) -> Check:
        listing = (
            f"{repository('ls-tree', 'main')}\n100644 blob {repository('rev-parse', 'main:app.py')}\t{next(numbers)}"
        )
        tree = repository.git.run("mktree", stdin=listing.encode()).text
        repository("update-ref", "refs/heads/main", repository("commit-tree", tree, "-p", "main", "-m", "again"))
        return Check.PASSED

    merging = _merged_queue(repository, workspaces, moving)
    repository("checkout", "-qb", "elsewhere")
    assert merging.deliver() is Delivery.MOVING


def test_without_the_target_the_work_stays_on_its_branch(repository: Repository, workspaces: Workspaces) -> None:
    merging = _merged_queue(repository, workspaces)
    repository("checkout", "-qb", "elsewhere")
    repository("branch", "-qD", "main")
    with pytest.raises(WorkspaceError, match=f"no branch main; the work is on {merging.branch}"):
        merging.deliver()


def test_a_forecast_sees_conflicts_of_unsaved_work_and_changes_nothing(
    repository: Repository, workspaces: Workspaces
) -> None:
    one, two, three, four = (workspaces.create(f"t{number}", "HEAD") for number in range(4))
    change("app.py", "line 3\n", "mine\n")(one.path)
    change("app.py", "line 3\n", "yours\n")(two.path)
    change("app.py", "line 18\n", "elsewhere\n")(three.path)
    repository("mv", "docs", "manual", folder=four.path)
    write(three.path, {"docs/more.md": "1\n"})
    indexes = [repository("ls-files", "--stage", folder=each.path) for each in (one, two, three, four)]
    looked = Forecaster(repository.git).look([one, two, three, four])
    found = {(each.first, each.second): each.files for each in looked}
    assert found.pop(("t0", "t1")) == ("app.py",)
    assert list(found) == [("t2", "t3")]  # a file was added to a folder that the other renamed
    ended = commit_work(one, "Mine", trailers={}).commit
    finished = FinishedWork(task_id="t0", base=one.base, commit=str(ended))
    assert [(each.first, each.second) for each in Forecaster(repository.git).look([finished, two])] == [("t0", "t1")]
    assert Forecaster(repository.git).look([finished]) == []
    indexes[0] = repository("ls-files", "--stage", folder=one.path)
    assert indexes == [repository("ls-files", "--stage", folder=each.path) for each in (one, two, three, four)]


FILES = ("a.py", "b.py", "lib/c.py", "lib/d.py")


@st.composite
def edits(draw: st.DrawFn) -> list[tuple[str, str, int]]:
    kinds = st.sampled_from(["edit", "add", "delete", "rename", "mode", "binary"])
    return draw(st.lists(st.tuples(kinds, st.sampled_from(FILES), st.integers(0, 9)), min_size=1, max_size=3))


def apply(worktree: Worktree, changes: list[tuple[str, str, int]], task: str) -> None:
    for kind, name, number in changes:
        path = worktree.path / name
        if kind == "add":
            write(worktree.path, {f"{path.parent.name}-{number}.txt": task})
        elif kind == "binary":
            (worktree.path / f"blob-{number}").write_bytes(random.Random(number).randbytes(200))
        elif path.exists():
            if kind == "edit":
                lines = path.read_text().splitlines(keepends=True)
                lines[number] = f"{task} {number}\n"
                path.write_text("".join(lines))
            elif kind == "delete":
                path.unlink()
            elif kind == "rename":
                path.rename(path.with_name(f"moved-{number}.py"))
            else:
                path.chmod(0o755)


@settings(max_examples=examples(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(edits(), min_size=2, max_size=6))
def test_whatever_agents_do_each_commit_is_merged_or_named(
    tmp_path_factory: pytest.TempPathFactory, plans: list[list[tuple[str, str, int]]]
) -> None:
    folder = tmp_path_factory.mktemp("merge")
    repository = make_repository(
        folder / "project", {name: "".join(f"{name} {n}\n" for n in range(10)) for name in FILES}
    )
    write(repository.path, {"a.py": "dirty\n", "untracked": "mine"})
    before = repository.state()
    workspaces = Workspaces(repository.path, home=folder / "home", run_id="run-1")
    works = []
    for number, plan in enumerate(plans):
        task = f"task-{number}"
        worktree = workspaces.create(task, "main")
        apply(worktree, plan, task)
        result = commit_work(worktree, task, trailers={"Aurora-Task": task})
        if result.commit is not None:
            works.append(Work(task_id=task, commit=result.commit, branch=result.branch))
    merging = queue(repository)
    batch = merging.merge(works)
    reference = folder / "reference"
    repository("worktree", "add", "-q", "--detach", str(reference), "main")
    for answer in batch.merged:
        arrived = subprocess.run(
            ["git", "merge", "-q", "--no-ff", "-m", "m", answer.work.commit],
            cwd=reference,
            capture_output=True,
            check=False,
        )
        assert (arrived.returncode == 0) == (answer.outcome is MergeOutcome.MERGED)
        if arrived.returncode:
            repository("merge", "--abort", folder=reference)
            assert answer.files
    tree = repository("rev-parse", f"{merging.head}^{{tree}}")
    assert tree == repository("rev-parse", "HEAD^{tree}", folder=reference)
    assert repository.state() == before
    assert not list(repository.path.rglob("*.lock"))


def test_killed_at_any_moment_the_next_queue_ends_the_same_way(
    repository: Repository, workspaces: Workspaces
) -> None:
    """SIGKILL between any two commands of git: what is merged stays, what is not is merged by the next one."""
    works = [work(workspaces, f"t{n}", lambda at, n=n: write(at, {f"new-{n}.py": "1\n"})) for n in range(2)]  # type: ignore[misc]
    works.append(work(workspaces, "clash", lambda at: write(at, {"new-0.py": "2\n"})))
    program = f"""
import sys; from pathlib import Path
from aurora_spawner.workspaces.git import Git
from aurora_spawner.workspaces.merge_queue import MergeQueue, Work
calls, limit, run = 0, int(sys.argv[1]), Git.run
def dying(self, *arguments, **more):
    global calls
    calls += 1
    if calls > limit:
        import os, signal; os.kill(os.getpid(), signal.SIGKILL)
    return run(self, *arguments, **more)
Git.run = dying
works = [Work(task_id=t, commit=c, branch=b) for t, c, b in {[(w.task_id, w.commit, w.branch) for w in works]!r}]
merging = MergeQueue(git=Git(Path({str(repository.path)!r})), run_id="run-1", target="main", base="main")
for each in works:
    merging.merge([each])
"""
    for limit in range(2, 60, 6):
        killed = run_warm([sys.executable, "-c", program, str(limit)], capture_output=True)
        if killed.returncode == 0:
            break
        assert killed.returncode == -9, killed.stderr
        batch = queue(repository).merge(works)
        assert [each.outcome for each in batch.merged] == ["merged", "merged", "conflict"]
        assert repository("rev-list", "--count", "--merges", "aurora/run-1/integration") == "2"
        repository("update-ref", "-d", "refs/heads/aurora/run-1/integration")
    else:
        raise AssertionError("it was never left alive")
