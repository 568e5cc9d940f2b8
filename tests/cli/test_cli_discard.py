"""`aur discard`: the work is gone from sight, and all of it can be got back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.cli.finished_runs import BACKENDS, Shed, writes
from tests.exhaustive import few
from tests.warm_python import run_warm

from aurora_cli.exits import ExitCode
from aurora_spawner import Run, SpawnTask
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.views import load_tasks
from aurora_spawner.workspaces.isolation import MergeMode

if TYPE_CHECKING:
    from collections.abc import Callable

    Aur = Callable[..., subprocess.CompletedProcess[str]]


def clashing(shed: Shed) -> str:
    return shed.run(writes("a", "same.txt", "a"), writes("b", "same.txt", "b")).run_id


def test_discarded_work_is_in_the_attic_with_its_uncommitted_files(aur: Aur, shed: Shed) -> None:
    run_id = clashing(shed)
    place = shed.worktree(run_id, "b")
    (place / "more.txt").write_text("untracked\n")
    (place / "app.py").write_text("edited\n")
    outcome = aur("discard", run_id, "b", "--yes")
    assert outcome.returncode == ExitCode.DONE
    assert not place.exists()
    assert shed.repository("for-each-ref", "refs/heads/aurora/", "refs/aurora/bases/") == ""
    assert shed.repository("worktree", "list", "--porcelain").count("worktree ") == 1
    ref = shed.repository("for-each-ref", "--format=%(refname)", "refs/aurora/attic/")
    assert ref.endswith(f"/aurora/{run_id}/b")
    back = f"git branch restored/{run_id}/b {ref}"
    assert outcome.stdout == f"the work of task b is {ref} for 30 days\nto get it back: {back}\n"
    shed.repository(*back.split()[1:])
    files = {name: shed.repository.shown(f"restored/{run_id}/b", name) for name in ("same.txt", "more.txt", "app.py")}
    assert files == {"same.txt": "b", "more.txt": "untracked", "app.py": "edited"}
    with Journal(shed.journal) as journal:
        assert verify(journal).problem is None
        merges = {row.task_id: row.merge for row in load_tasks(journal, run_id)}
    assert merges["b"]
    assert merges["b"].attic == ref
    assert f"discarded; it is {ref}\n" in aur("runs", "show", run_id).stdout


def test_of_a_task_that_has_changed_nothing_no_work_is_told(aur: Aur, shed: Shed) -> None:
    run_id = shed.run(SpawnTask("exit 1", id="a")).run_id
    place = shed.worktree(run_id, "a")
    outcome = aur("discard", run_id, "a", "--yes")
    assert outcome.stdout == "task a had changed nothing; its worktree is removed\n"
    assert not place.exists()


def test_it_asks_first_and_wants_yes_without_a_terminal(
    aur: Aur, shed: Shed, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = clashing(shed)
    assert aur("discard", run_id, "b").returncode == ExitCode.USAGE
    monkeypatch.setattr("aurora_cli.user_prompts.is_interactive", lambda: True)
    monkeypatch.setattr("click.confirm", lambda *_words, **_options: False)
    outcome = aur("discard", run_id, "b")
    assert (outcome.returncode, outcome.stderr) == (ExitCode.NOT_REACHED, "nothing was discarded\n")
    assert shed.worktree(run_id, "b").exists()


def test_work_in_the_middle_of_a_merge_can_be_discarded(aur: Aur, shed: Shed) -> None:
    run_id = clashing(shed)
    place = shed.worktree(run_id, "b")
    with pytest.raises(subprocess.CalledProcessError):
        shed.repository("merge", "main", folder=place)
    document = json.loads(aur("discard", run_id, "b", "--yes", "--json").stdout)
    assert not place.exists()
    assert "<<<<<<<" in shed.repository.shown(document["attic"], "same.txt")
    assert document["restore"][:2] == ["git", "branch"]


def test_commits_that_the_agent_left_are_kept_too(aur: Aur, shed: Shed) -> None:
    run_id = clashing(shed)
    place = shed.worktree(run_id, "b")
    branch = shed.repository("rev-parse", f"aurora/{run_id}/b")
    shed.repository("checkout", "--quiet", "--detach", "main", folder=place)
    detached = shed.repository.commit({"aside.txt": "x\n"}, folder=place)
    document = json.loads(aur("discard", run_id, "b", "--yes", "--json").stdout)
    assert document["commit"] == detached
    assert [each["commit"] for each in document["lost"]] == [branch]


@pytest.mark.parametrize("how", few(["merged", "inner repository", "never started"], 1))
def test_what_cannot_be_discarded_stays_and_is_said(aur: Aur, shed: Shed, how: str) -> None:
    if how == "merged":
        run_id, task, why = clashing(shed), "a", "its work is on main already; revert it there"
    elif how == "never started":
        run_id = shed.create(writes("a", "a.txt", "a")).run_id
        task, why = "a", "it never had a worktree"
    else:
        run_id, task = shed.run(SpawnTask("git init -q inner; touch inner/x; git -C inner add x", id="a")).run_id, "a"
        inner = shed.worktree(run_id, "a") / "inner"
        shed.repository("-c", "user.name=x", "-c", "user.email=x", "commit", "--quiet", "-m", "x", folder=inner)
        why = "holds a git repository of its own in inner"
    outcome = aur("discard", run_id, task, "--yes")
    assert outcome.returncode in (ExitCode.USAGE, ExitCode.ENVIRONMENT)
    assert why in outcome.stderr
    assert shed.repository("for-each-ref", "refs/aurora/attic/") == ""
    if how == "inner repository":
        assert (shed.worktree(run_id, "a") / "inner" / "x").exists()


def test_work_that_waits_for_its_delivery_is_taken_out_of_it(aur: Aur, shed: Shed) -> None:
    """One looks at the work before it is merged, and does not want all of it."""
    run_id = shed.run(writes("a", "a.txt", "a"), writes("b", "b.txt", "b"), merge=MergeMode.NEVER).run_id
    assert aur("discard", run_id, "a", "--yes").returncode == ExitCode.DONE
    assert "aurora/" in shed.repository("for-each-ref", "--format=%(refname)", "refs/aurora/attic/")
    assert aur("merge", run_id, "--yes").returncode == ExitCode.DONE
    assert not (shed.path / "a.txt").exists()
    assert (shed.path / "b.txt").exists()


def test_a_resume_does_not_merge_discarded_work(aur: Aur, shed: Shed) -> None:
    tasks = (writes("a", "same.txt", "a"), writes("b", "same.txt", "b"))
    run_id = shed.run(*tasks, merge=MergeMode.NEVER).run_id
    assert aur("discard", run_id, "b", "--yes").returncode == ExitCode.DONE
    report = Run.resume(shed.journal, run_id, BACKENDS).execute_sync()
    assert report.merge
    assert set(report.merge.tasks) == {"a"}
    assert aur("merge", run_id, "--yes").stdout == "a  merged\nmain has the work\n"
    named = aur("merge", run_id, "--task", "b", "--yes")
    assert named.returncode == ExitCode.NOT_REACHED
    assert "b  not merged: it was discarded; `git merge refs/aurora/attic/" in named.stdout


KILLED = """
import os, signal, sys
from pathlib import Path
from aurora_spawner.control.discarding import discard_work
from aurora_spawner.workspaces import git

journal, run_id, fatal = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
run, calls = git.Git.run, 0

def counted(self, *arguments, **options):
    global calls
    calls += 1
    if calls == fatal:
        os.kill(os.getpid(), signal.SIGKILL)
    return run(self, *arguments, **options)

git.Git.run = counted
discard_work(journal, run_id, "b")
"""


@pytest.mark.parametrize("fatal", few(range(12, 50), 1))
def test_a_discard_that_is_killed_is_finished_by_the_next(aur: Aur, shed: Shed, fatal: int) -> None:
    run_id = clashing(shed)
    (shed.worktree(run_id, "b") / "more.txt").write_text("untracked\n")
    command = [sys.executable, "-c", KILLED, str(shed.journal), run_id, str(fatal)]
    status = run_warm(command, env=dict(os.environ)).returncode
    assert status in (0, -signal.SIGKILL)
    outcome = aur("discard", run_id, "b", "--yes")
    assert outcome.returncode == ExitCode.DONE, outcome
    ref = outcome.stdout.split()[6]
    assert {name: shed.repository.shown(ref, name) for name in ("same.txt", "more.txt")} == {
        "same.txt": "b",
        "more.txt": "untracked",
    }
    assert shed.repository("for-each-ref", "refs/heads/aurora/", "refs/aurora/bases/") == ""
    assert shed.repository("worktree", "list", "--porcelain").count("worktree ") == 1


def test_work_that_a_killed_merge_has_integrated_is_left_out_by_the_next(aur: Aur, shed: Shed) -> None:
    """The journal does not know of that merge."""
    run = shed.create(writes("a", "a.txt", "a"), writes("b", "b.txt", "b"), merge=MergeMode.NEVER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aurora_spawner.runs.work_merge.merge_entries", lambda *_given: [])
        run.execute_sync()
    assert shed.repository.shown(f"aurora/{run.run_id}/integration", "b.txt") == "b"
    assert aur("discard", run.run_id, "b", "--yes").returncode == ExitCode.DONE
    aur("merge", run.run_id, "--yes")
    assert (shed.path / "a.txt").exists()
    assert not (shed.path / "b.txt").exists()
