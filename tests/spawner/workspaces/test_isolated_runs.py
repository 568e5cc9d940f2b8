"""Runs whose tasks work in worktrees: real git, real agents, and a merge that tells the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aurora_spawner import CommandBackend, Run, RunOptions, RunReport, SpawnTask, TaskState
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.views import load_run, load_tasks
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.work import Delivery, MergeOutcome
from aurora_spawner.workspaces.isolation import MergeMode, isolation_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.spawner.workspaces.repository import Repository

BACKENDS = {"sh": CommandBackend("sh", ("sh",))}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The folder of the journal, outputs and worktrees: outside the repository."""
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


def make(repository: Repository, place: Path, *tasks: SpawnTask, merge: MergeMode = MergeMode.AUTO) -> Run:
    isolation = isolation_of(repository.path, home=place / "worktrees", merge=merge)[0]
    options = RunOptions(
        default_agent="sh",
        cwd=repository.path,
        spool=place / "runs",
        isolation=isolation,
        executor=LocalExecutor(grace_s=0.3),
    )
    return Run.create(place / "runs.db", tasks, BACKENDS, options)


def run(repository: Repository, place: Path, *tasks: SpawnTask, merge: MergeMode = MergeMode.AUTO) -> RunReport:
    report = make(repository, place, *tasks, merge=merge).execute_sync()
    with Journal(place / "runs.db") as journal:
        assert verify(journal).problem is None
    return report


def writes(file: str, text: str) -> SpawnTask:
    return SpawnTask(f"printf '%s\\n' '{text}' > '{file}'; echo done", title=f"write {file}")


def test_each_task_works_in_a_worktree_and_the_target_gets_all(repository: Repository, place: Path) -> None:
    report = run(repository, place, writes("one.txt", "1"), writes("two.txt", "2"), SpawnTask("pwd"))
    assert report.ok
    assert report.merge is not None
    assert report.merge.delivery.outcome is Delivery.FAST_FORWARDED
    assert (repository.path / "one.txt").read_text() == "1\n"
    assert (repository.path / "two.txt").read_text() == "2\n"
    assert report.results["3"].output.strip().startswith(str(place / "worktrees"))
    assert report.results["3"].work is not None
    assert report.results["3"].work.commit is None
    message = repository.git.text("log", "-1", "--format=%B", report.results["1"].work.commit)  # type: ignore[union-attr,arg-type]
    assert "write one.txt" in message
    assert f"Aurora-Run: {report.run_id}" in message
    assert repository.git.text("worktree", "list", "--porcelain").count("worktree ") == 1
    assert repository.git.text("for-each-ref", "refs/heads/aurora/", f"refs/aurora/bases/{report.run_id}/") == ""


def test_of_six_tasks_the_clashing_ones_stay_on_their_branches(repository: Repository, place: Path) -> None:
    """Three write the same line: the first is merged, the others are unmerged, and nothing of them is lost."""
    clashing = [SpawnTask(f"echo {name} > shared.txt; echo done", id=name) for name in ("a", "b", "c")]
    others = [SpawnTask(f"echo {name} > {name}.txt; echo done", id=name) for name in ("x", "y", "z")]
    report = run(repository, place, *clashing, *others)
    assert not report.ok
    assert report.succeeded == 6
    merge = report.merge
    assert merge is not None
    assert {each.task_id: each.outcome for each in merge.unmerged} == dict.fromkeys("bc", MergeOutcome.CONFLICT)
    assert [(each.files, each.clashes_with) for each in merge.unmerged] == [(("shared.txt",), "a")] * 2
    assert {name: (repository.path / f"{name}.txt").read_text() for name in "xyz"} == {n: f"{n}\n" for n in "xyz"}
    assert (repository.path / "shared.txt").read_text() == "a\n"
    for each in merge.unmerged:
        assert repository.git.text("rev-parse", f"refs/heads/{each.branch}") == each.commit
        assert list((place / "worktrees").glob(f"*/{report.run_id}/{each.task_id}/shared.txt"))
    with Journal(place / "runs.db") as journal:
        rows = {row.task_id: row for row in load_tasks(journal, report.run_id)}
        delivery = load_run(journal, report.run_id).delivery
    assert rows["b"].merge == merge.tasks["b"]
    assert rows["b"].branch == merge.tasks["b"].branch
    assert delivery == merge.delivery


def test_a_dependant_starts_from_the_work_of_its_dependencies(repository: Repository, place: Path) -> None:
    first = SpawnTask("echo 1 > one.txt; echo done", id="first")
    second = SpawnTask("echo 2 > two.txt; echo done", id="second")
    third = SpawnTask(
        "cat one.txt two.txt > both.txt; cat both.txt; exit", id="third", depends_on=("first", "second")
    )
    fourth = SpawnTask("cat both.txt; exit", id="fourth", depends_on=("third",))
    report = run(repository, place, first, second, third, fourth)
    assert report.ok
    assert report.results["fourth"].output == "1\n2\n"
    assert (repository.path / "both.txt").read_text() == "1\n2\n"


def test_a_dependant_of_work_that_conflicts_fails_and_says_why(repository: Repository, place: Path) -> None:
    tasks = [SpawnTask(f"echo {name} > same.txt; echo done", id=name) for name in ("a", "b")]
    report = run(repository, place, *tasks, SpawnTask("echo x", id="c", depends_on=("a", "b")))
    assert report.results["c"].state is TaskState.FAILED
    assert "the work of task b conflicts with that of a in same.txt" in str(report.results["c"].error)


def test_without_a_merge_the_target_and_the_checkout_stay(repository: Repository, place: Path) -> None:
    before = repository.git.text("rev-parse", "HEAD")
    report = run(repository, place, writes("one.txt", "1"), merge=MergeMode.NEVER)
    assert report.ok
    assert report.merge is not None
    assert report.merge.delivery.outcome is None
    assert repository.git.text("rev-parse", "HEAD") == before
    assert not (repository.path / "one.txt").exists()
    assert repository.git.text("show", f"{report.merge.delivery.branch}:one.txt") == "1"


def test_a_dirty_checkout_stays_as_it_is(repository: Repository, place: Path) -> None:
    (repository.path / "app.py").write_text("mine\n")
    report = run(repository, place, writes("one.txt", "1"))
    assert not report.ok
    assert report.merge is not None
    assert report.merge.delivery.outcome is Delivery.CHECKED_OUT
    assert (repository.path / "app.py").read_text() == "mine\n"
    assert not (repository.path / "one.txt").exists()


def test_work_that_cannot_be_committed_fails_the_task_and_stays(repository: Repository, place: Path) -> None:
    report = run(repository, place, SpawnTask("git init -q inner; echo x > inner/x; git -C inner add x; echo done"))
    assert report.results["1"].state is TaskState.FAILED
    assert "its work cannot be committed" in str(report.results["1"].error)
    assert next((place / "worktrees").glob("*/*/*/inner/x")).read_text() == "x\n"


def test_files_that_a_task_does_not_declare_are_reported(repository: Repository, place: Path) -> None:
    task = SpawnTask("echo 1 > one.txt; echo 2 > two.txt; echo done", files=("one.txt",))
    report = run(repository, place, task)
    assert report.results["1"].success
    assert "task 1 changed files that it does not declare: two.txt" in report.notices


def test_a_run_in_a_folder_of_the_repository_works_in_that_folder(repository: Repository, place: Path) -> None:
    (repository.path / "pkg").mkdir()
    (repository.path / "pkg" / "a.txt").write_text("a\n")
    repository.git.run("add", "--all")
    repository.git.run("commit", "-qm", "pkg")
    isolation = isolation_of(repository.path / "pkg", home=place / "worktrees", merge=MergeMode.AUTO)[0]
    options = RunOptions(default_agent="sh", cwd=repository.path / "pkg", spool=place / "runs", isolation=isolation)
    task = SpawnTask("cat a.txt; echo b > b.txt", files=("b.txt",))
    report = Run.create(place / "runs.db", [task], BACKENDS, options).execute_sync()
    assert report.ok, report
    assert report.notices == ()
    assert (repository.path / "pkg" / "b.txt").read_text() == "b\n"


def test_the_target_is_the_branch_of_the_start_whatever_the_user_has_checked_out_since(
    repository: Repository, place: Path
) -> None:
    """The user switches to another branch while the agent works."""
    base, project = repository("rev-parse", "main"), repository.path
    script = f"git -C {project} checkout -qb feature; echo a > a.txt; echo done; exit"
    report = run(repository, place, SpawnTask(script, id="a"))
    assert report.ok, report
    assert repository.shown("main", "a.txt") == "a"
    assert (repository("rev-parse", "feature"), repository("branch", "--show-current")) == (base, "feature")
    assert repository("status", "--porcelain") == ""
    assert not (project / "a.txt").exists()
