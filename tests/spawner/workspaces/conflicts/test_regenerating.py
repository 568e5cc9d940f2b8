"""Generated files at a merge: made again by their command, with both changes in them, or the task is unmerged."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.spawner.workspaces.repository import Repository, make_repository

from aurora_spawner import CommandBackend, Run, RunOptions, RunReport, SpawnTask, TaskState
from aurora_spawner.control.diffs import work_diff
from aurora_spawner.control.merging import merge_work
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import load_tasks
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.resolved import Resolver
from aurora_spawner.tasks.work import Delivery, MergeOutcome, delivery_from_text
from aurora_spawner.workspaces.conflicts.regenerating import matching
from aurora_spawner.workspaces.forecast import FinishedWork, Forecaster
from aurora_spawner.workspaces.isolation import MergeMode, isolation_of
from aurora_spawner.workspaces.preparation import Preparation
from aurora_spawner.workspaces.run_worktrees import RunWorktrees

GENERATOR = """
import hashlib, json, pathlib, sys
folder = pathlib.Path(sys.argv[1]) if sys.argv[1:] else pathlib.Path()
names = sorted((folder / "manifest.txt").read_text().split())
if "<<<<<<<" in names or not names:
    sys.exit("the manifest is not merged")
locked = [{"name": each, "hash": hashlib.sha256(each.encode()).hexdigest()} for each in names]
every = hashlib.sha256(" ".join(names).encode()).hexdigest()
(folder / "lock.json").write_text(json.dumps({"all": every, "packages": locked}, indent=1) + "\\n")
"""
"""Derives a lock file from a manifest: a hash of all that two changes never merge into."""
LOCK = f"{sys.executable} generate.py"
MANIFEST = "alpha\nbeta\n\n\ngamma\n\n\nomega\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


@pytest.fixture
def locked(tmp_path: Path) -> Repository:
    """A project with a manifest and the lock file that is made of it."""
    made = make_repository(tmp_path / "locked", {"generate.py": GENERATOR, "manifest.txt": MANIFEST})
    make_lock(made)
    made.commit({}, "lock")
    return made


def adds(name: str, after: str, *, task: str, lock: str = LOCK) -> SpawnTask:
    """A task that adds a package to the manifest and makes the lock file again."""
    edit = f"sed -i 's/^{after}$/{after}\\n{name}/' manifest.txt"
    return SpawnTask(f"{edit} && {lock} && echo done", id=task)


def run(
    repository: Repository,
    place: Path,
    *tasks: SpawnTask,
    regenerate: dict[str, str],
    checks: tuple[str, ...] = (),
) -> RunReport:
    options = RunOptions(
        default_agent="sh",
        cwd=repository.path,
        spool=place / "runs",
        isolation=isolation_of(repository.path, home=place / "worktrees", merge=MergeMode.AUTO)[0],
        preparation=Preparation(ports=0, regenerate=regenerate),
        checks=checks,
        executor=LocalExecutor(grace_s=0.3),
    )
    backends = {"sh": CommandBackend("sh", ("sh",))}
    return Run.create(place / "runs.db", tasks, backends, options).execute_sync()


def lock_is_current(repository: Repository) -> bool:
    before = (repository.path / "lock.json").read_text()
    make_lock(repository)
    return before == (repository.path / "lock.json").read_text()


def make_lock(repository: Repository) -> None:
    subprocess.run([sys.executable, "generate.py"], cwd=repository.path, check=True)


def test_two_agents_change_manifest_and_lock_and_both_arrive(locked: Repository, place: Path) -> None:
    tasks = (adds("one", "beta", task="a"), adds("two", "gamma", task="b"), adds("three", "omega", task="c"))
    check = f"cp lock.json before.json && {LOCK} && cmp lock.json before.json"
    report = run(locked, place, *tasks, regenerate={"lock.json": LOCK}, checks=(check,))
    assert report.merge is not None
    assert report.ok, report.merge
    assert report.merge.delivery.outcome is Delivery.FAST_FORWARDED
    assert {"one", "two", "three"} <= set((locked.path / "manifest.txt").read_text().split())
    assert lock_is_current(locked)
    told = report.merge.tasks["b"].resolved
    assert [(each.path, each.kind, each.by) for each in told] == [("lock.json", Resolver.COMMAND, LOCK)]
    assert report.merge.tasks["a"].resolved == ()
    with Journal(place / "runs.db") as journal:
        rows = {row.task_id: row for row in load_tasks(journal, report.run_id)}
    assert rows["b"].merge == report.merge.tasks["b"]
    # One merge commit holds the work and the lock file: no commit has a half merged state.
    parents = locked("rev-list", "--parents", "--merges", "main").splitlines()
    assert [len(each.split()) for each in parents] == [3, 3, 3]


def test_without_the_command_the_same_work_conflicts(locked: Repository, place: Path) -> None:
    report = run(locked, place, adds("one", "beta", task="a"), adds("two", "gamma", task="b"), regenerate={})
    assert report.merge is not None
    assert [(each.task_id, each.files) for each in report.merge.unmerged] == [("b", ("lock.json",))]


def test_a_lock_file_that_merges_line_by_line_is_made_again_too(locked: Repository, place: Path) -> None:
    """Git merges the two changes of it cleanly, into what no generator would make."""
    lines = "n=$(wc -w < manifest.txt); { echo $n; echo; echo; echo; sort manifest.txt; } > lock.json"
    base = locked.commit({"lock.json": "4\n\n\n\n\n\n\n\nalpha\nbeta\ngamma\nomega\n"}, "plain lock")
    tasks = [adds("aaa", "beta", task="a", lock=lines), adds("zzz", "gamma", task="b", lock=lines)]
    report = run(locked, place, *tasks, regenerate={"lock.json": lines})
    assert report.ok
    assert (locked.path / "lock.json").read_text().startswith("6\n")
    shown = work_diff(place / "runs.db", report.run_id).decode()
    assert shown.strip() == locked("diff-tree", "-r", "--patch", "--full-index", base, "main")


def test_a_command_that_fails_leaves_the_task_unmerged_with_its_output(locked: Repository, place: Path) -> None:
    command = "echo registry is away >&2; exit 3"
    tasks = (adds("one", "beta", task="a"), adds("two", "gamma", task="b"))
    report = run(locked, place, *tasks, regenerate={"lock.json": command})
    assert not report.ok
    merge = report.merge
    assert merge is not None
    [left] = merge.unmerged
    assert (left.task_id, left.outcome, left.files) == ("b", MergeOutcome.CONFLICT, ("lock.json",))
    assert "registry is away" in left.problem
    assert "exit status 3" in left.problem
    assert locked("rev-parse", f"refs/heads/{left.branch}") == left.commit
    assert "one" in (locked.path / "manifest.txt").read_text()
    assert lock_is_current(locked)
    # Later the command works, and the work arrives.
    again = merge_work(
        place / "runs.db", report.run_id, preparation=Preparation(ports=0, regenerate={"*.json": LOCK})
    )
    assert again.arrived
    assert lock_is_current(locked)
    assert "two" in (locked.path / "manifest.txt").read_text()


def user_adds(repository: Repository, name: str, after: str) -> str:
    """A command with which the user adds a package to the target, too."""
    edit = f"sed -i 's/^{after}$/{after}\\n{name}/' manifest.txt"
    return f"cd {repository.path} && {edit} && {LOCK} && git commit -qam {name}"


def test_what_made_files_again_for_a_target_that_moved_is_told(locked: Repository, place: Path) -> None:
    task = adds("one", "beta", task="a")
    task = replace(task, prompt=f"({task.prompt}) && ({user_adds(locked, 'two', 'gamma')})")
    report = run(locked, place, task, regenerate={"lock.json": LOCK})
    assert report.merge is not None
    delivery = report.merge.delivery
    assert delivery.outcome is Delivery.MERGED
    assert lock_is_current(locked)
    assert [(each.path, each.kind, each.by) for each in delivery.resolved] == [("lock.json", Resolver.COMMAND, LOCK)]
    assert delivery_from_text(json.dumps(delivery.to_json())) == delivery


def test_the_change_of_a_run_is_without_that_of_a_target_that_moved(locked: Repository, place: Path) -> None:
    one, three = adds("one", "beta", task="a"), adds("three", "omega", task="b")
    one = replace(one, prompt=f"({one.prompt}) && ({user_adds(locked, 'two', 'gamma')})")
    report = run(locked, place, one, three, regenerate={"lock.json": LOCK})
    assert report.ok, report.merge
    shown = work_diff(place / "runs.db", report.run_id)
    assert b"\n+one" in shown
    assert b"\n+three" in shown
    assert b"\n+two" not in shown, "the user's own change is none of the run"


def test_why_files_were_not_made_again_for_a_target_that_moved_is_told(locked: Repository, place: Path) -> None:
    task = adds("one", "beta", task="a")
    task = replace(task, prompt=f"({task.prompt}) && ({user_adds(locked, 'two', 'gamma')})")
    report = run(locked, place, task, regenerate={"lock.json": "echo registry is away >&2; exit 3"})
    assert report.merge is not None
    delivery = report.merge.delivery
    assert (delivery.outcome, delivery.files) == (Delivery.CONFLICT, ("lock.json",))
    assert "registry is away" in delivery.files_problem


def test_files_in_conflict_with_a_target_that_moved_are_named(locked: Repository, place: Path) -> None:
    task = adds("one", "beta", task="a")
    task = replace(task, prompt=f"({task.prompt}) && ({user_adds(locked, 'two', 'beta')})")
    report = run(locked, place, task, regenerate={"lock.json": LOCK})
    assert report.merge is not None
    assert report.merge.delivery.outcome is Delivery.CONFLICT
    assert report.merge.delivery.files == ("manifest.txt",)


def test_a_conflict_in_another_file_stays_one_and_the_command_does_not_run(locked: Repository, place: Path) -> None:
    mark = place / "ran"
    tasks = (adds("one", "beta", task="a"), adds("two", "beta", task="b"))
    report = run(locked, place, *tasks, regenerate={"lock.json": f"touch {mark}; {LOCK}"})
    assert report.merge is not None
    assert [(each.task_id, each.files) for each in report.merge.unmerged] == [("b", ("manifest.txt",))]
    assert not mark.exists()


def test_only_what_matches_the_pattern_is_taken(locked: Repository, place: Path) -> None:
    """The command also writes into the manifest and makes a file: neither is the merge's."""
    command = f"{LOCK}; echo stray >> manifest.txt; echo x > stray.txt"
    tasks = (adds("one", "beta", task="a"), adds("two", "gamma", task="b"))
    report = run(locked, place, *tasks, regenerate={"lock.json": command})
    assert report.ok
    assert "stray" not in (locked.path / "manifest.txt").read_text()
    assert not (locked.path / "stray.txt").exists()


def test_a_dependant_starts_from_lock_files_that_were_made_again(locked: Repository, place: Path) -> None:
    joined = SpawnTask(f"cp lock.json before; {LOCK} && cmp lock.json before && rm before && echo same; exit", id="c",
                       depends_on=("a", "b"))  # fmt: skip
    tasks = (adds("one", "beta", task="a"), adds("two", "gamma", task="b"), joined)
    report = run(locked, place, *tasks, regenerate={"lock.json": LOCK})
    assert report.results["c"].state is TaskState.SUCCEEDED, report.results["c"].error
    start = "task c starts from a merge in which git could not merge every file"
    assert f"{start}: lock.json (by `{LOCK}`)" in report.notices
    assert report.ok


def test_each_file_of_a_pattern_is_named_to_the_command(tmp_path: Path, place: Path) -> None:
    files: dict[str, str | None] = {"generate.py": GENERATOR}
    files |= {f"{name}/manifest.txt": MANIFEST for name in ("web app", "api")}
    files |= {f"{name}/lock.json": "{}\n" for name in ("web app", "api")}
    repository = make_repository(tmp_path / "many", files)
    loop = f'echo "$AURORA_FILES" | while read f; do {LOCK} "$(dirname "$f")" || exit 1; done'

    def both(name: str, after: str) -> SpawnTask:
        edits = " && ".join(
            f"sed -i 's/^{after}$/{after}\\n{name}/' '{each}/manifest.txt' && {LOCK} '{each}'"
            for each in ("web app", "api")
        )
        return SpawnTask(f"{edits} && echo done", id=name)

    report = run(repository, place, both("one", "beta"), both("two", "gamma"), regenerate={"**/lock.json": loop})
    assert report.ok, report.merge
    assert report.merge is not None
    assert sorted(each.path for each in report.merge.tasks["two"].resolved) == ["api/lock.json", "web app/lock.json"]
    for each in ("web app", "api"):
        assert (repository.path / each / "lock.json").read_text().count("one") == 1


def test_the_forecast_does_not_count_generated_files(locked: Repository, place: Path) -> None:
    report = run(
        locked, place, adds("one", "beta", task="a"), adds("two", "gamma", task="b"), adds("x", "beta", task="c"),
        regenerate={"lock.json": "exit 1"},
    )  # fmt: skip
    isolation = isolation_of(locked.path, home=place / "worktrees", merge=MergeMode.AUTO)[0]
    preparation = Preparation(regenerate={"lock.json": LOCK})
    worktrees = RunWorktrees.of(isolation, report.run_id, preparation)
    works = {
        name: FinishedWork(task_id=name, base=result.work.base, commit=result.work.head)
        for name, result in report.results.items()
        if result.work is not None
    }
    running = worktrees.workspaces.find("b")
    found = Forecaster(locked.git, worktrees.merger()).look([works["a"], running, works["c"]])
    assert found == []
    without = Forecaster(locked.git).look([works["a"], running, works["c"]])
    assert [each.files for each in without] == [("lock.json",)] * 2


@pytest.mark.parametrize(
    ("pattern", "folder", "found"),
    [
        ("lock.json", ".", ["lock.json"]),
        ("**/lock.json", ".", ["lock.json", "web/lock.json", "web/a/lock.json"]),
        ("*/lock.json", ".", ["web/lock.json", "web/a/lock.json"]),
        ("lock.json", "web", ["web/lock.json"]),
        ("a/*", "web", ["web/a/lock.json"]),
        ("lock.json", "we", []),
    ],
)
def test_a_pattern_is_relative_to_the_folder_of_the_project(pattern: str, folder: str, found: list[str]) -> None:
    names = ["lock.json", "web/lock.json", "web/a/lock.json", "lock.json.bak"]
    assert list(matching(names, [pattern], folder=folder)) == found
