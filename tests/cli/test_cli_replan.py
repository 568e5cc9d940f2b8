"""`aur plan replan`: what a failed run has left is planned anew, shown, agreed to, and run by `aur resume`."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.cli.terminals import on_terminal
from tests.exhaustive import few
from tests.soar.replanned_runs import make, subgoal, write_plan

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]


@pytest.fixture
def root(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a project with a task that fails, and an agent that plans."""
    root = shop / "calculator"
    make(root)
    monkeypatch.chdir(root)
    return root


def failed_run(aur: Aur) -> str:
    done = aur("spawn", "tasks.md", "--yes", "--json")
    assert done.returncode == ExitCode.NOT_REACHED, done.stderr
    return str(json.loads(done.stdout)["run_id"])


def test_a_failed_run_names_the_command_and_goes_on_after_it(aur: Aur, root: Path) -> None:
    failed = aur("spawn", "tasks.md", "--yes")
    run_id = failed.stdout.split(":")[0]
    assert f"aur plan replan {run_id} makes a new plan for the rest" in failed.stderr
    done = aur("plan", "replan", run_id, "--yes")
    assert done.returncode == ExitCode.DONE, done.stderr
    assert "failed for good: 2 Write the BROKEN parser (coder)\n    it exited with code 3: broken" in done.stdout
    assert "planned anew by coder; what is done stays done" in done.stdout
    assert " 4  Write the reader\n    coder; after 1, 2; new\n" in done.stdout
    assert " 3  Test the parser\n    coder; after 4; as it was\n" in done.stdout
    assert "no longer there: task 2: Check: `true`" in done.stdout
    assert f"go on:   aur resume {run_id}" in done.stdout
    resumed = aur("resume", run_id, "--yes")
    assert (resumed.returncode, "4 of 4 succeeded" in resumed.stdout) == (ExitCode.DONE, True), resumed.stderr
    assert "makes a new plan" not in resumed.stderr
    assert "planned anew by coder after 2 failed: 2, 4, 3 (replan-" in aur("runs", "show", run_id).stdout
    assert json.loads(aur("runs", "show", run_id, "--json").stdout)["replanned"]["failed"] == ["2"]
    again = aur("plan", "replan", run_id, "--yes")
    assert again.returncode == ExitCode.USAGE
    assert "was planned anew before, by coder" in again.stderr


def test_a_run_that_fails_after_its_replan_names_no_second_one(aur: Aur, root: Path) -> None:
    write_plan(root, subgoal("Write the lexer"), subgoal("Try the BROKEN way", 0), subgoal("test the parser.", 1))
    run_id = failed_run(aur)
    assert aur("plan", "replan", run_id, "--yes").returncode == ExitCode.DONE
    resumed = aur("resume", run_id, "--yes")
    assert "skipped" in resumed.stderr
    assert "makes a new plan" not in resumed.stderr


def test_a_run_that_is_not_kept_names_no_replan(aur: Aur, root: Path) -> None:
    del root
    failed = aur("spawn", "tasks.md", "--yes", "--no-checkpoint")
    assert (failed.returncode, "skipped" in failed.stderr) == (ExitCode.NOT_REACHED, True)
    assert "makes a new plan" not in failed.stderr


def test_new_tasks_in_worktrees_build_on_the_finished_work_and_all_of_it_is_delivered(aur: Aur, root: Path) -> None:
    git(root, "init", "-q", "-b", "work")
    git(root, "add", "tasks.md", "plan.json")
    git(root, "commit", "-qm", "First")
    run_id = failed_run(aur)
    assert aur("plan", "replan", run_id, "--yes").returncode == ExitCode.DONE
    resumed = aur("resume", run_id, "--yes")
    assert resumed.returncode == ExitCode.DONE, resumed.stderr
    assert "work has the work" in resumed.stderr
    assert {"got-1", "got-2", "got-3", "got-4"} <= set(git(root, "ls-files").split())


def git(root: Path, *words: str) -> str:
    """Run git as somebody."""
    who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.invalid"]
    return subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(("typed", "status"), few([("p\n", 0), ("a\n", 1)], 1))
def test_the_plan_is_reviewed_at_the_terminal(aur: Aur, root: Path, typed: str, status: int) -> None:
    run_id = failed_run(aur)
    before = (root / "tasks.md").read_text()
    found, output = on_terminal("plan", "replan", run_id, typed=typed)
    assert found == status, output
    assert "p = proceed, a = abort" in output
    assert ((root / "tasks.md").read_text() == before) is bool(status)
    assert "as it was" in output


def test_without_a_terminal_it_needs_a_yes_and_changes_nothing(aur: Aur, root: Path) -> None:
    run_id = failed_run(aur)
    done = aur("plan", "replan", run_id)
    assert done.returncode == ExitCode.USAGE
    assert "use --yes" in done.stderr
    assert not (root / "asked").exists()


def test_the_document_says_what_has_become_of_each_task(aur: Aur, root: Path) -> None:
    write_plan(root, subgoal("Write the reader", agent="other"))
    run_id = failed_run(aur)
    document = json.loads(aur("plan", "replan", run_id, "--yes", "--json").stdout)
    assert (document["run_id"], document["planned_by"], document["note"]) == (run_id, "coder", None)
    assert document["failed"] == [{"id": "2", "agent": "coder", "error": "it exited with code 3: broken"}]
    assert document["tasks"] == [
        {
            "id": "2",
            "description": "Write the reader",
            "agent": "other",
            "needs": ["1"],
            "is_critical": True,
            "change": "new",
        }
    ]
    assert (document["given_up"], document["lost_settings"]) == (
        ["3", "4"],
        ["task 2: Check: `true`", "task 3: Check: `test 1`"],
    )
