"""Runs in worktrees that do not go well: attempts fail, worktrees vanish, tasks are edited, users are in between."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.exhaustive import few

from aurora_spawner import CommandBackend, Run, RunOptions, RunReport, SpawnTask, TaskState
from aurora_spawner.errors import RunHeldError
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import load_run
from aurora_spawner.recovery.policy import RecoveryPolicy
from aurora_spawner.recovery.settings import RecoverySettings
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.result import RunState
from aurora_spawner.tasks.run_events import RunEnded, RunEvent, TaskEnded, TaskStarted
from aurora_spawner.tasks.work import Delivery, MergeOutcome, TaskWork
from aurora_spawner.testing import processes_of_run
from aurora_spawner.workspaces.attic import list_attic
from aurora_spawner.workspaces.checks import CommandCheck, CommandRunner
from aurora_spawner.workspaces.errors import GitLockedError, WorkspaceError
from aurora_spawner.workspaces.isolation import MergeMode, isolation_of
from aurora_spawner.workspaces.merge_queue import Batch, MergeQueue, Work
from aurora_spawner.workspaces.run_merge import merge_run
from aurora_spawner.workspaces.run_worktrees import RunWorktrees

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tests.spawner.workspaces.repository import Repository

BACKENDS = {"sh": CommandBackend("sh", ("sh",))}
TWICE = RecoverySettings(
    policy=RecoveryPolicy(max_retries=1, fallback_to_llm=False, base_delay=0.0, jitter=False), state_dir=None
)


def make(
    repository: Repository,
    place: Path,
    *tasks: SpawnTask,
    merge: MergeMode = MergeMode.AUTO,
    recovery: RecoverySettings | None = None,
    at_once: int = 4,
) -> Run:
    options = RunOptions(
        default_agent="sh",
        cwd=repository.path,
        spool=place / "runs",
        isolation=isolation_of(repository.path, home=place / "worktrees", merge=merge)[0],
        executor=LocalExecutor(grace_s=0.3),
        recovery=recovery,
        max_concurrent=at_once,
    )
    return Run.create(place / "runs.db", tasks, BACKENDS, options)


def again(
    run: Run, place: Path, tasks: Iterable[SpawnTask] | None = None, *, retry_failed: bool = False
) -> RunReport:
    executor = LocalExecutor(grace_s=0.3)
    return Run.resume(
        place / "runs.db", run.run_id, BACKENDS, tasks=tasks, retry_failed=retry_failed, executor=executor
    ).execute_sync()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The folder of the journal, outputs and worktrees: outside the repository."""
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


def worktree_of(place: Path, run: Run, task_id: str) -> Path:
    (folder,) = (place / "worktrees").iterdir()
    return folder / run.run_id / task_id


def work_of(report: RunReport, task_id: str) -> TaskWork:
    work = report.results[task_id].work
    assert work is not None
    return work


def listed(repository: Repository) -> list[str]:
    return [
        line for line in repository("worktree", "list", "--porcelain").splitlines() if line.startswith("worktree ")
    ]


def own_refs(repository: Repository) -> list[str]:
    return repository("for-each-ref", "--format=%(refname)", "refs/heads/aurora", "refs/aurora").splitlines()


# Attempts that fail.


def test_a_second_attempt_starts_from_the_files_and_commits_of_the_first(repository: Repository, place: Path) -> None:
    script = """
    if [ -e left.txt ]; then echo again >> left.txt; cat committed.txt; exit 0; fi
    echo first > left.txt; echo mine > committed.txt; git add committed.txt; git commit -qm 'by the first'; exit 3
    """
    base = repository("rev-parse", "HEAD")
    report = make(repository, place, SpawnTask(script, id="a"), recovery=TWICE).execute_sync()
    assert report.ok, report
    assert report.results["a"].retry_count == 1
    work = work_of(report, "a")
    assert work.base == base
    assert work.files == 2
    assert (repository.path / "left.txt").read_text() == "first\nagain\n"
    assert (repository.path / "committed.txt").read_text() == "mine\n"
    assert "by the first" in repository("log", "--format=%s", "main")


def test_the_work_of_a_failed_task_stays_locked_and_is_named(repository: Repository, place: Path) -> None:
    bad = SpawnTask("echo half > half.txt; exit 3", id="bad")
    nothing = SpawnTask("exit 3", id="nothing")
    run = make(repository, place, bad, nothing, SpawnTask("echo ok > ok.txt; echo done", id="good"))
    report = run.execute_sync()
    path = worktree_of(place, run, "bad")
    assert [each for each in report.notices if str(path) in each and f"aurora/{run.run_id}/bad" in each]
    assert (path / "half.txt").read_text() == "half\n"
    assert f"worktree {path}" in listed(repository)
    assert "locked aurora: " in repository("worktree", "list", "--porcelain")
    assert not any(str(worktree_of(place, run, "nothing")) in each for each in report.notices)
    assert (repository.path / "ok.txt").exists()


def test_retry_failed_goes_on_where_the_task_had_failed(repository: Repository, place: Path) -> None:
    script = "if [ -e half.txt ]; then cat half.txt; echo whole > whole.txt; exit 0; fi; echo half > half.txt; exit 3"
    run = make(repository, place, SpawnTask(script, id="a"))
    assert not run.execute_sync().ok
    assert again(run, place, retry_failed=True).ok
    assert (repository.path / "half.txt").exists()
    assert (repository.path / "whole.txt").exists()
    assert len(listed(repository)) == 1
    assert own_refs(repository) == []


def test_a_no_op_on_joined_work_leaves_nothing(repository: Repository, place: Path) -> None:
    tasks = [SpawnTask(f"echo {name} > {name}.txt; echo done", id=name) for name in ("a", "b")]
    run = make(repository, place, *tasks, SpawnTask("cat a.txt b.txt; exit", id="c", depends_on=("a", "b")))
    report = run.execute_sync()
    assert report.ok
    assert report.notices == ()
    assert len(listed(repository)) == 1
    assert own_refs(repository) == []


# Tasks that are edited.


def test_an_edited_task_starts_from_a_fresh_base_and_its_old_work_is_in_the_attic(
    repository: Repository, place: Path
) -> None:
    old = "echo old > old.txt; git add old.txt; git commit -qm old; echo left > left.txt; exit 3"
    run = make(repository, place, SpawnTask(old, id="a"))
    run.execute_sync()
    report = again(run, place, [SpawnTask("ls; echo new > new.txt", id="a")])
    assert report.ok, report
    assert "old.txt" not in report.results["a"].output
    assert sorted(repository.files("main")) == [".gitignore", "app.py", "docs/guide.md", "new.txt"]
    (entry,) = list_attic(repository.git)
    assert entry.name == f"aurora/{run.run_id}/a"
    assert repository.shown(entry.commit, "old.txt") == "old"
    assert repository.shown(entry.commit, "left.txt") == "left"
    assert len(listed(repository)) == 1


def test_ignored_files_of_an_edited_task_are_set_aside(repository: Repository, place: Path) -> None:
    run = make(repository, place, SpawnTask("echo precious > data.log; exit 3", id="a"))
    run.execute_sync()
    report = again(run, place, [SpawnTask("ls; echo new > new.txt", id="a")])
    assert report.ok, report
    assert "data.log" not in report.results["a"].output
    (kept,) = worktree_of(place, run, "a").parent.glob("a.*/data.log")
    assert kept.read_text() == "precious\n"
    assert [each for each in report.notices if str(kept.parent) in each]


def test_a_task_that_was_merged_and_then_edited_is_merged_without_its_old_work(
    repository: Repository, place: Path
) -> None:
    tasks = [SpawnTask(f"echo {name} > {name}.txt; echo done", id=name) for name in ("a", "b")]
    run = make(repository, place, *tasks, merge=MergeMode.NEVER)
    assert run.execute_sync().ok
    report = again(run, place, [SpawnTask("echo other > other.txt; echo done", id="a"), tasks[1]])
    assert report.ok, report
    assert report.merge is not None
    integrated = repository.files(report.merge.delivery.branch)
    assert "other.txt" in integrated
    assert "b.txt" in integrated
    assert "a.txt" not in integrated
    assert {entry.name.rpartition("/")[2] for entry in list_attic(repository.git)} == {"a", "integration"}


class _StopsHereError(Exception):
    pass


def test_a_task_that_is_edited_while_it_is_cut_off_loses_nothing(repository: Repository, place: Path) -> None:
    run = make(repository, place, SpawnTask("echo old > old.txt; touch begun; sleep 60", id="a"))

    def stop(event: RunEvent) -> None:
        if isinstance(event, TaskStarted):
            while not (worktree_of(place, run, "a") / "begun").exists():
                time.sleep(0.01)
            raise _StopsHereError

    with pytest.raises(_StopsHereError):
        run.execute_sync(stop)
    assert again(run, place, [SpawnTask("ls; echo new > new.txt", id="a")]).ok
    (entry,) = list_attic(repository.git)
    assert repository.shown(entry.commit, "old.txt") == "old"
    assert "old.txt" not in repository.files("main")


def test_old_work_that_cannot_be_put_away_stops_the_resume_and_stays(repository: Repository, place: Path) -> None:
    run = make(
        repository, place, SpawnTask("git init -q inner; echo x > inner/x; git -C inner add x; exit 3", id="a")
    )
    run.execute_sync()
    edited = [SpawnTask("echo new > new.txt; echo done", id="a")]
    with pytest.raises(WorkspaceError, match="inner"):
        again(run, place, edited)
    path = worktree_of(place, run, "a")
    assert (path / "inner").exists()
    (path / "inner").rename(place / "inner")
    assert again(run, place, edited).ok


def test_a_dependant_whose_dependency_ran_again_starts_from_its_new_work(repository: Repository, place: Path) -> None:
    first = SpawnTask("echo old > one.txt; echo done", id="first")
    second = SpawnTask("cat one.txt > two.txt; exit 3", id="second", depends_on=("first",))
    run = make(repository, place, first, second, merge=MergeMode.NEVER)
    run.execute_sync()
    new = SpawnTask("echo new > one.txt; echo done", id="first")
    report = again(run, place, [new, SpawnTask("cat one.txt; exit", id="second", depends_on=("first",))])
    assert report.ok, report
    assert report.results["second"].output == "new\n"


def test_a_retry_of_a_dependant_whose_dependency_ran_again_starts_anew(repository: Repository, place: Path) -> None:
    first = SpawnTask("echo old > one.txt; echo done", id="first")
    second = SpawnTask(
        "if [ -e retry ]; then exit 4; fi; cat one.txt; touch retry; [ $(cat one.txt) = new ]; exit",
        id="second",
        depends_on=("first",),
    )
    run = make(repository, place, first, second, merge=MergeMode.NEVER)
    run.execute_sync()
    new = SpawnTask("echo new > one.txt; echo done", id="first")
    report = again(run, place, [new, second], retry_failed=True)
    assert report.ok, report
    assert report.results["second"].output == "new\n"


# Worktrees that vanish.


@pytest.mark.parametrize(
    "loss", ['rm -rf "$PWD"', "rm .git", 'mv "$PWD" "$PWD.moved"'], ids=["removed", "unlinked", "moved"]
)
def test_an_agent_whose_worktree_goes_is_ended(repository: Repository, place: Path, loss: str) -> None:
    (repository.path / "mine.txt").write_text("mine\n")
    before = repository.state()
    script = f"echo x > x.txt; git add x.txt; git commit -qm 'is on the branch'; {loss}; sleep 60; echo done"
    run = make(repository, place, SpawnTask(script, id="a"), recovery=TWICE)
    began = time.monotonic()
    report = run.execute_sync()
    assert time.monotonic() - began < 30
    result = report.results["a"]
    assert result.state is TaskState.FAILED
    assert result.termination_reason == "worktree_gone"
    assert result.retry_count == 0
    assert str(worktree_of(place, run, "a")) in str(result.error)
    assert processes_of_run(run.run_id, within_s=5.0) == []
    assert repository.state() == before
    assert repository("log", "-1", "--format=%s", f"aurora/{run.run_id}/a") == "is on the branch"


def test_an_agent_that_ends_without_its_worktree_has_failed(repository: Repository, place: Path) -> None:
    """In the user's checkout the declared file is there; that is not what the agent has made.

    The loss may be seen before the process has ended, or after.
    """
    before = repository.state()
    report = make(repository, place, SpawnTask("rm .git; echo done", files=("app.py",))).execute_sync()
    assert report.results["1"].state is TaskState.FAILED
    error = str(report.results["1"].error)
    assert "its work cannot be committed" in error or "was removed or moved while it ran" in error
    assert repository.state() == before


@pytest.mark.parametrize("loss", ["rm .git", 'rm -rf "$PWD"'])
@pytest.mark.parametrize("edited", few([False, True], 1))
def test_a_retry_goes_on_in_a_worktree_that_was_removed_or_unlinked(
    repository: Repository, place: Path, loss: str, edited: bool
) -> None:
    """An edited task starts over; what it had is in the attic."""
    last = "git log -1 --format=%s > subject; echo done; exit"
    script = f"test -e {place}/go && {{ {last}; }}; git commit -q --allow-empty -m mine; {loss}; echo done"
    run = make(repository, place, SpawnTask(script, id="a"))
    assert not run.execute_sync().ok
    (place / "go").touch()
    report = again(run, place, [SpawnTask(last, id="a")] if edited else None, retry_failed=True)
    assert report.ok, report
    assert repository.shown("main", "subject") == ("first" if edited else "mine")
    assert [each.name for each in list_attic(repository.git)] == ([f"aurora/{run.run_id}/a"] if edited else [])


# Others in between.


def test_a_second_coordinator_is_refused_and_touches_no_worktree(repository: Repository, place: Path) -> None:
    run = make(repository, place, SpawnTask("echo a > a.txt; sleep 0.3; echo done", id="a"))
    refused: list[RunHeldError] = []

    def try_to_take(event: RunEvent) -> None:
        if isinstance(event, RunEnded):
            return
        other = Run.resume(place / "runs.db", run.run_id, BACKENDS)
        with pytest.raises(RunHeldError) as caught, ThreadPoolExecutor() as threads:
            threads.submit(other.execute_sync).result()
        refused.append(caught.value)

    assert run.execute_sync(try_to_take).ok
    assert refused
    assert repository.shown("main", "a.txt") == "a"


def test_two_runs_at_once_both_arrive(repository: Repository, place: Path) -> None:
    runs = [
        make(repository, place, *(SpawnTask(f"echo {n} > {n}.txt; echo done") for n in (first, first + 1)))
        for first in (1, 3)
    ]
    with ThreadPoolExecutor() as threads:
        reports = list(threads.map(Run.execute_sync, runs))
    assert [report.ok for report in reports] == [True, True], reports
    assert {f"{n}.txt" for n in (1, 2, 3, 4)} <= set(repository.files("main"))
    assert repository("status", "--porcelain") == ""
    assert own_refs(repository) == []


def test_gc_by_the_user_during_the_run_loses_nothing(repository: Repository, place: Path) -> None:
    """The base is amended away, and what two tasks made together is on no branch."""
    sweep = f"git -C {repository.path} reflog expire --expire=now --all; git -C {repository.path} gc -q --prune=now"
    away = f"git -C {repository.path} commit -q --amend --allow-empty -m amended"
    tasks = [
        SpawnTask(f"{away}; {sweep}; echo a > a.txt; echo done", id="a"),
        SpawnTask(f"{sweep}; echo b > b.txt; echo done", id="b"),
        SpawnTask(f"{sweep}; cat a.txt b.txt > c.txt; echo done; exit", id="c", depends_on=("a", "b")),
    ]
    report = make(repository, place, *tasks, merge=MergeMode.NEVER, at_once=1).execute_sync()
    assert report.ok, report
    assert report.merge is not None
    assert repository.shown(report.merge.delivery.branch, "c.txt") == "a\nb"
    assert repository("fsck", "--no-dangling") == ""


def test_gc_during_the_check_of_a_merge_loses_nothing(repository: Repository, place: Path) -> None:
    tasks = [SpawnTask(f"echo {name} > {name}.txt; echo done", id=name) for name in ("a", "b", "c")]
    run = make(repository, place, *tasks, merge=MergeMode.NEVER)
    report = run.execute_sync()
    works = {task_id: work_of(report, task_id) for task_id in ("a", "b", "c")}
    repository("update-ref", "-d", f"refs/heads/aurora/{run.run_id}/integration")
    assert run.options.isolation is not None
    worktrees = RunWorktrees.of(run.options.isolation, run.run_id)
    swept = f"git -C {repository.path} gc -q --prune=now; ! (test -e a.txt && test -e c.txt)"
    runner = CommandRunner(environment=os.environ, timeout_s=60)
    check = CommandCheck(workspaces=worktrees.workspaces, commands=(swept,), runner=runner)
    merge = merge_run(worktrees, works, deliver=False, agents={}, check=check)
    assert {task_id: each.outcome for task_id, each in merge.tasks.items()} == {
        "a": MergeOutcome.MERGED,
        "b": MergeOutcome.MERGED,
        "c": MergeOutcome.RED,
    }
    worktrees.release()
    assert [ref for ref in own_refs(repository) if "/bases/" in ref and "integration" in ref] == []


# The end of a run during its merge.


def _slow_merge(monkeypatch: pytest.MonkeyPatch, interrupt: list[bool]) -> None:
    original = MergeQueue.merge

    def merge(self: MergeQueue, works: Sequence[Work]) -> Batch:
        batch = original(self, works)
        if interrupt:
            interrupt.clear()
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.3)
        return batch

    monkeypatch.setattr(MergeQueue, "merge", merge)


def test_ctrl_c_during_the_merge_is_completed_by_a_resume(
    repository: Repository, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _slow_merge(monkeypatch, [True])
    run = make(repository, place, *(SpawnTask(f"echo {n} > {n}.txt; echo done") for n in (1, 2)))
    report = run.execute_sync()
    assert report.interrupted
    assert report.succeeded == 2
    assert report.merge is not None
    assert "interrupted" in str(report.merge.delivery.problem)
    assert "1.txt" not in repository.files("main")
    report = again(run, place)
    assert report.ok, report
    assert report.merge is not None
    assert report.merge.delivery.outcome is Delivery.FAST_FORWARDED
    assert (repository.path / "2.txt").exists()
    assert repository("log", "--format=%s", "--merges", "main").count("Merge task 1") == 1
    assert own_refs(repository) == []


def test_a_cancelled_caller_waits_for_the_step_of_the_merge(
    repository: Repository, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else git would go on after the run's lease is gone."""
    original, merging, done = MergeQueue.merge, asyncio.Event(), list[bool]()
    run = make(repository, place, SpawnTask("echo 1 > 1.txt; echo done"))

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def merge(self: MergeQueue, works: Sequence[Work]) -> Batch:
            loop.call_soon_threadsafe(merging.set)
            time.sleep(0.3)
            batch = original(self, works)
            done.append(True)
            return batch

        monkeypatch.setattr(MergeQueue, "merge", merge)
        running = asyncio.create_task(run.execute())
        await merging.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert done == [True]

    asyncio.run(main())
    monkeypatch.setattr(MergeQueue, "merge", original)
    assert "1.txt" not in repository.files("main")
    assert again(run, place).ok
    assert repository.shown("main", "1.txt") == "1"


def test_what_is_left_of_an_ended_task_is_told_as_it_was(repository: Repository, place: Path) -> None:
    """A watcher of the run sees the end of a task before its work is merged; then the worktree still is there."""
    run = make(repository, place, SpawnTask("echo 1 > 1.txt; echo done", id="a"))
    seen: list[bool] = []

    def watch(event: RunEvent) -> None:
        if isinstance(event, TaskEnded):
            seen.append((worktree_of(place, run, "a") / "1.txt").exists())

    assert run.execute_sync(watch).ok
    assert seen == [True]


# What a second reading has found.


def test_a_lock_of_the_user_at_the_end_takes_no_last_word(
    repository: Repository, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work has arrived by then; only what is left could not be looked at."""
    run = make(repository, place, SpawnTask("echo a > a.txt; echo done", id="a"))

    def locked(_worktrees: RunWorktrees) -> None:
        raise GitLockedError(repository.path, ("update-ref",), "packed-refs.lock exists", lock=None)

    monkeypatch.setattr(RunWorktrees, "release", locked)
    report = run.execute_sync()
    assert report.ok
    assert any("packed-refs.lock" in notice for notice in report.notices)
    with Journal(place / "runs.db") as journal:
        assert load_run(journal, run.run_id).state is RunState.SUCCEEDED


def test_commits_that_an_agent_left_are_named(repository: Repository, place: Path) -> None:
    lose = "echo a > a.txt; git add a.txt; git commit -qm a; git reset -q --hard HEAD~1; echo b > b.txt; echo done"
    report = make(repository, place, SpawnTask(lose, id="a")).execute_sync()
    (notice,) = [each for each in report.notices if "left commits" in each]
    ref = notice.rpartition(" ")[2]
    assert repository.shown(ref, "a.txt") == "a"


def test_work_that_an_agent_left_in_the_stash_of_all_worktrees_is_named(repository: Repository, place: Path) -> None:
    stash = "echo a > a.txt; git add a.txt; git stash -q; echo done"
    (repository.path / "app.py").write_text("mine\n")
    repository("stash", "-q")  # the user's own is no work of a task
    report = make(repository, place, SpawnTask(stash, id="a"), SpawnTask("echo done", id="b")).execute_sync()
    (notice,) = [each for each in report.notices if "stash" in each]
    assert notice.startswith("task a left work in git's stash")
    assert repository.shown(notice.rpartition(" ")[2], "a.txt") == "a"


def test_an_agent_that_commits_on_the_branch_of_the_user_is_named(repository: Repository, place: Path) -> None:
    commit = "git add a.txt; git commit -qm a; echo done"
    there = SpawnTask(f"git checkout -q --ignore-other-worktrees main; echo a > a.txt; {commit}", id="a")
    own = SpawnTask(f"git checkout -qb feature; echo a > a.txt; {commit}", id="b")
    report = make(repository, place, there, own).execute_sync()
    (notice,) = [each for each in report.notices if "committed on the branch" in each]
    assert notice.startswith(f"task a committed on the branch that is checked out in {repository.path}")
