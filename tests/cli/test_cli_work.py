"""`aur runs show` of runs in worktrees: what each task has changed, and where it is now."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.cli.finished_runs import Shed, writes

from aurora_cli.render.merges import merge_lines
from aurora_spawner import SpawnTask
from aurora_spawner.tasks.resolved import ResolvedFile, Resolver
from aurora_spawner.tasks.work import Delivery, MergeOutcome, RunDelivery, RunMerge, TaskMerge
from aurora_spawner.workspaces.isolation import MergeMode

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    Aur = Callable[..., subprocess.CompletedProcess[str]]


def test_a_run_shows_the_commit_of_each_task_and_why_one_is_not_merged(aur: Aur, shed: Shed) -> None:
    report = shed.run(writes("a", "same.txt", "a"), writes("b", "same.txt", "b"), SpawnTask("echo x", id="c"))
    text = aur("runs", "show", report.run_id).stdout
    base = shed.repository("rev-parse", "main~1")[:9]
    branch = f"aurora/{report.run_id}"
    assert "work: on main (fast-forwarded)\n" in text
    commits = {name: result.work.head for name, result in report.results.items() if result.work}
    assert f"      {branch}/a at {commits['a'][:9]} from {base}: 1 file +1 -0; merged\n" in text
    unmerged = "not merged: it conflicts with task a in same.txt"
    assert f"      {branch}/b at {commits['b'][:9]} from {base}: 1 file +1 -0; {unmerged}\n" in text
    assert f"      {branch}/c from {base}: changed nothing\n" in text
    assert f"worktree {shed.worktree(report.run_id, 'b')}\n" in text
    assert text.count("worktree ") == 1
    document = json.loads(aur("runs", "show", report.run_id, "--json").stdout)
    assert (document["work"]["target"], document["work"]["on_target"]) == ("main", True)
    of_b = document["tasks"][1]["work"]
    assert (of_b["merge"], of_b["conflicts"], of_b["clashes_with"]) == ("conflict", ["same.txt"], "a")
    assert (of_b["commit"], of_b["insertions"]) == (commits["b"], 1)


def test_work_that_waits_on_the_integration_branch_names_the_command_that_delivers_it(aur: Aur, shed: Shed) -> None:
    report = shed.run(writes("a", "a.txt", "a"), merge=MergeMode.ASK)
    commit = shed.repository("rev-parse", f"aurora/{report.run_id}/integration")
    place = f"aurora/{report.run_id}/integration ({commit[:9]})"
    line = f"work: on {place}, not on main: deliver it with: aur merge {report.run_id}\n"
    assert line in aur("runs", "show", report.run_id).stdout
    shed.repository("merge", "--quiet", commit)
    assert "work: on main\n" in aur("runs", "show", report.run_id).stdout


def test_a_checkout_with_changes_is_named_as_the_reason(aur: Aur, shed: Shed) -> None:
    (shed.path / "app.py").write_text("mine\n")
    report = shed.run(writes("a", "a.txt", "a"))
    text = aur("runs", "show", report.run_id).stdout
    assert "not on main: it is checked out, with uncommitted changes; commit or stash them, then: aur merge" in text


def test_a_task_that_failed_keeps_its_worktree_in_sight(aur: Aur, shed: Shed) -> None:
    report = shed.run(SpawnTask("echo half > half.txt; exit 3", id="a"))
    text = aur("runs", "show", report.run_id).stdout
    assert "work: no task has finished work with changes\n" in text
    assert ": no finished work\n" in text
    assert f"worktree {shed.worktree(report.run_id, 'a')}\n" in text
    assert shed.repository("for-each-ref", "--format=%(refname)", "refs/heads/aurora") == (
        f"refs/heads/aurora/{report.run_id}/a"
    )


def test_a_repository_that_is_gone_is_said(aur: Aur, shed: Shed) -> None:
    report = shed.run(writes("a", "a.txt", "a"))
    (shed.path / ".git").rename(shed.path.parent / "moved")
    outcome = aur("runs", "show", report.run_id)
    assert outcome.returncode == 0
    assert "work: git cannot be asked: " in outcome.stdout
    assert "work: on main (fast-forwarded)" in outcome.stdout


MOVED = RunDelivery(branch="aurora/run/integration", commit="c" * 40, target="main")


def said(**changed: object) -> list[str]:
    """What the end of a run says about a target with new commits."""
    merge = TaskMerge(task_id="1", branch="aurora/run/1", commit="c" * 40, outcome=MergeOutcome.MERGED)
    delivery = replace(MOVED, **changed)  # type: ignore[arg-type]
    return list(merge_lines("run", RunMerge(tasks={"1": merge}, delivery=delivery)))


def test_what_conflicts_with_new_commits_of_the_target_is_named() -> None:
    on = "the work is on aurora/run/integration, not on main: its new commits"
    assert said(outcome=Delivery.CONFLICT, files=("a.py", "b.py")) == [
        f"{on} conflict with the work in a.py, b.py; git merge aurora/run/integration"
    ]
    assert said(outcome=Delivery.CONFLICT, files=("lock",), files_problem="make lock failed") == [
        f"{on} cannot be merged: make lock failed; aur merge run tries again"
    ]
    assert said(base_fails=True, files=("a.py",))[-1].endswith(
        "the checks fail without the work, too; its new commits conflict with the work in a.py"
    )
    resolved = (ResolvedFile(path="lock", kind=Resolver.COMMAND, by="make lock"),)
    assert said(outcome=Delivery.MERGED, resolved=resolved) == [
        "new commits of main: lock regenerated with `make lock`",
        "main has the work, merged with its new commits",
    ]
