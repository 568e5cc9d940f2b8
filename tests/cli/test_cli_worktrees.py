"""`aur worktrees`: everything of ours is found and explained, and nothing is removed that is nowhere else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from tests.cli.finished_runs import Shed, writes
from tests.warm_python import WarmPopen, run_warm

from aurora_cli.exits import ExitCode
from aurora_spawner import SpawnTask
from aurora_spawner.workspaces.isolation import MergeMode, isolation_of, with_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    Aur = Callable[..., subprocess.CompletedProcess[str]]


def states(aur: Aur) -> dict[str, str]:
    """The state of each worktree, by task."""
    document = json.loads(aur("worktrees", "list", "--json").stdout)
    return {row["task"]: row["state"] for row in document["worktrees"]}


def cleaned(aur: Aur, *options: str) -> tuple[set[str], dict[str, str]]:
    """The tasks whose worktrees were removed, and the reasons for those that were kept."""
    document = json.loads(aur("worktrees", "clean", "--json", *options).stdout)
    return {row["task"] for row in document["removed"]}, {row["task"]: row["keep"] for row in document["kept"]}


def test_nothing_of_ours_is_an_empty_list(aur: Aur, shed: Shed) -> None:
    shed.repository("worktree", "add", "--quiet", str(shed.path.parent / "theirs"))
    outcome = aur("worktrees", "list")
    assert (outcome.returncode, outcome.stdout) == (ExitCode.DONE, "")
    assert "no worktree of a run in this repository" in outcome.stderr
    assert cleaned(aur) == (set(), {})


def test_unmerged_work_is_never_removed_and_goes_after_it_was_merged_by_hand(aur: Aur, shed: Shed) -> None:
    run_id = shed.run(writes("a", "same.txt", "a"), writes("b", "same.txt", "b")).run_id
    place = shed.worktree(run_id, "b")
    text = aur("worktrees", "list").stdout
    assert text.startswith(f"{run_id}/b  unmerged  ")
    assert f"  {place}\n" in text
    reason = f"its commits on aurora/{run_id}/b are not on main; merge them: aur merge {run_id}"
    assert cleaned(aur, "--ignored") == (set(), {"b": reason})
    assert f"kept {run_id}/b: {reason}\n" in aur("worktrees", "clean").stdout
    assert (place / "same.txt").exists()
    shed.repository("merge", "--quiet", "--strategy=ours", f"aurora/{run_id}/b")
    assert states(aur) == {"b": "merged"}
    assert cleaned(aur, "--dry-run") == ({"b"}, {})
    assert place.exists()
    outcome = aur("worktrees", "clean")
    assert f"removed {run_id}/b (merged, " in outcome.stdout
    assert not place.parent.exists()
    assert shed.repository("for-each-ref", "refs/heads/aurora/", "refs/aurora/bases/") == ""
    assert shed.repository("worktree", "list", "--porcelain").count("worktree ") == 1


@pytest.mark.parametrize("file", ["app.py", "new.txt"])
def test_uncommitted_and_untracked_files_keep_a_worktree(aur: Aur, shed: Shed, file: str) -> None:
    run_id = shed.run(SpawnTask("exit 1", id="a")).run_id
    (shed.worktree(run_id, "a") / file).write_text("mine\n")
    assert states(aur) == {"a": "uncommitted files"}
    assert cleaned(aur, "--ignored") == (set(), {"a": f"it holds uncommitted files: {file}"})
    assert (shed.worktree(run_id, "a") / file).read_text() == "mine\n"


def test_ignored_files_keep_a_worktree_unless_they_may_go(aur: Aur, shed: Shed) -> None:
    shed.run(SpawnTask("echo x > out.log; exit 1", id="a"))
    assert cleaned(aur) == (set(), {"a": "it holds ignored files, which --ignored removes: out.log"})
    assert cleaned(aur, "--ignored") == ({"a"}, {})


def test_commits_of_a_detached_head_keep_a_worktree(aur: Aur, shed: Shed) -> None:
    """The branch is merged; what is checked out is on no ref."""
    run_id = shed.run(SpawnTask("exit 1", id="a")).run_id
    place = shed.worktree(run_id, "a")
    shed.repository("checkout", "--quiet", "--detach", folder=place)
    commit = shed.repository.commit({"lost.txt": "x\n"}, folder=place)
    assert states(aur) == {"a": "unmerged"}
    assert cleaned(aur)[0] == set()
    assert shed.repository("rev-parse", "HEAD", folder=place) == commit


def test_a_folder_that_was_removed_leaves_its_commits_in_sight(aur: Aur, shed: Shed) -> None:
    run_id = shed.run(writes("a", "same.txt", "a"), writes("b", "same.txt", "b")).run_id
    subprocess.run(["rm", "-r", shed.worktree(run_id, "b")], check=True)
    assert states(aur) == {"b": "gone"}
    removed, kept = cleaned(aur)
    assert removed == set()
    assert "are not on main" in kept["b"]
    shed.repository("merge", "--quiet", "--strategy=ours", f"aurora/{run_id}/b")
    assert cleaned(aur) == ({"b"}, {})
    assert shed.repository("for-each-ref", "refs/heads/aurora/", "refs/aurora/bases/") == ""
    assert shed.repository("worktree", "list", "--porcelain").count("worktree ") == 1


def test_worktrees_of_a_run_that_no_journal_has_are_found(aur: Aur, shed: Shed) -> None:
    run_id = shed.run(writes("a", "same.txt", "a"), writes("b", "same.txt", "b")).run_id
    for file in (shed.path / ".aurora").glob("runs.db*"):
        file.unlink()
    assert states(aur) == {"b": "unmerged"}
    assert cleaned(aur) == (set(), {"b": f"its commits on aurora/{run_id}/b are not on a branch of yours"})
    shed.repository("branch", "mine", f"aurora/{run_id}/b")
    assert cleaned(aur) == ({"b"}, {})


def test_integrated_work_that_was_not_delivered_is_kept(aur: Aur, shed: Shed) -> None:
    run_id = shed.run(writes("a", "a.txt", "a"), merge=MergeMode.NEVER).run_id
    removed, kept = cleaned(aur)
    assert (removed, set(kept)) == (set(), {"a", "integration"})
    shed.repository("merge", "--quiet", f"aurora/{run_id}/integration")
    assert cleaned(aur) == ({"a", "integration"}, {})
    assert shed.repository("for-each-ref", "refs/heads/aurora/", "refs/aurora/bases/") == ""


def test_branches_and_worktrees_of_other_tools_are_left_alone(aur: Aur, shed: Shed) -> None:
    run_id = shed.run(SpawnTask("exit 1", id="a")).run_id
    others = shed.path.parent / "tool"
    shed.repository("worktree", "add", "--quiet", "-b", "aurora/tool/x", str(others / "x"))
    shed.repository("worktree", "add", "--quiet", "--detach", str(shed.home / "y"))
    shed.repository("worktree", "unlock", str(shed.worktree(run_id, "a")))
    shed.repository("worktree", "lock", "--reason", "theirs", str(shed.worktree(run_id, "a")))
    assert cleaned(aur) == (set(), {"a": "another program has locked it: theirs"})
    assert (others / "x").is_dir()
    assert (shed.home / "y").is_dir()
    shed.repository("rev-parse", "aurora/tool/x")


def test_a_folder_that_is_no_worktree_any_more_is_kept_and_explained(aur: Aur, shed: Shed) -> None:
    run_id = shed.run(SpawnTask("echo mine > mine.txt; exit 1", id="a")).run_id
    place = shed.worktree(run_id, "a")
    (place / ".git").unlink()
    removed, kept = cleaned(aur)
    assert removed == set()
    assert "is no worktree any more" in kept["a"]
    assert (place / "mine.txt").exists()


def test_the_checkout_of_a_killed_check_goes(aur: Aur, shed: Shed) -> None:
    run_id = shed.run(SpawnTask("exit 1", id="a")).run_id
    script = (
        "import os, sys; from pathlib import Path; from aurora_spawner.workspaces.worktrees import Workspaces\n"
        "with Workspaces(Path(), home=Path(sys.argv[1]), run_id=sys.argv[2]).checked_out('HEAD'): os._exit(0)\n"
    )
    run_warm([sys.executable, "-c", script, str(shed.home), run_id], check=True)
    (shed.worktree(run_id, ".check") / "built.txt").write_text("by the check\n")
    assert states(aur) == {".check": "check", "a": "unchanged"}
    assert cleaned(aur) == ({".check", "a"}, {})
    assert not list(shed.home.glob("*/*/*"))
    assert not list(shed.home.glob(f"*/{run_id}"))


def test_a_repository_that_git_cannot_look_at_keeps_everything(aur: Aur, shed: Shed) -> None:
    shed.run(SpawnTask("exit 1", id="a"))
    shed.repository("config", "core.sparseCheckout", "true")
    removed, kept = cleaned(aur)
    assert removed == set()
    assert kept["a"].startswith("git cannot look at it: ")


def test_discarded_heads_are_forgotten_after_a_month(aur: Aur, shed: Shed) -> None:
    old, new = int(time.time()) - 31 * 86_400, int(time.time()) - 29 * 86_400
    for since in (old, new):
        shed.repository("update-ref", f"refs/aurora/attic/{since}/aurora/run/a", "HEAD")
    named = f"1 discarded head older than 30 days\n  {shed.repository('rev-parse', 'HEAD')}  aurora/run/a\n"
    assert aur("worktrees", "clean", "--dry-run").stdout.endswith(f"would forget {named}")
    assert aur("worktrees", "clean").stdout.endswith(f"forgot {named}")
    assert shed.repository("for-each-ref", "--format=%(refname)", "refs/aurora/attic") == (
        f"refs/aurora/attic/{new}/aurora/run/a"
    )


def test_runs_clean_does_not_forget_a_run_with_work_that_is_not_merged(aur: Aur, shed: Shed) -> None:
    run_id = shed.run(writes("a", "same.txt", "a"), writes("b", "same.txt", "b")).run_id
    done = shed.run(writes("c", "c.txt", "c")).run_id
    outcome = aur("runs", "clean", "--older-than", "0")
    assert outcome.stdout == "removed 1 run\n"
    why = f"b: its commits on aurora/{run_id}/b are not on main; merge them: aur merge {run_id}"
    assert f"kept {run_id}: {why}\n" in outcome.stderr
    assert aur("runs", "show", run_id).returncode == ExitCode.DONE
    assert aur("runs", "show", done).returncode == ExitCode.USAGE
    shed.repository("merge", "--quiet", "--strategy=ours", f"aurora/{run_id}/b")
    document = json.loads(aur("runs", "clean", "--older-than", "0", "--json").stdout)
    assert document["removed"] == []
    assert document["kept_work"] == {run_id: "its worktrees are still there; remove them first: aur worktrees clean"}
    aur("worktrees", "clean")
    assert aur("runs", "clean", "--older-than", "0").stdout == "removed 1 run\n"


def test_runs_clean_keeps_a_run_whose_repository_is_gone_while_its_folders_are_there(aur: Aur, shed: Shed) -> None:
    run_id = shed.run(SpawnTask("echo mine > mine.txt; exit 1", id="a")).run_id
    (shed.path / ".git").rename(shed.path.parent / "moved")
    assert f"kept {run_id}: its worktrees are still in " in aur("runs", "clean", "--older-than", "0").stderr
    subprocess.run(["rm", "-r", shed.worktree(run_id, "a")], check=True)
    assert aur("runs", "clean", "--older-than", "0").stdout == "removed 1 run\n"


CRASHING = """
import sys
from pathlib import Path
from tests.cli.finished_runs import BACKENDS
from aurora_spawner import Run

Run.resume(Path(sys.argv[1]), sys.argv[2], BACKENDS).execute_sync()
"""


def test_a_worktree_of_a_running_and_of_a_crashed_run_is_kept(aur: Aur, shed: Shed) -> None:
    run = shed.create(SpawnTask("echo begun > begun.txt; until [ -e go ]; do sleep 0.05; done", id="a"))
    place = [*sys.path]
    command = [sys.executable, "-c", CRASHING, str(shed.journal), run.run_id]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(place)}
    with WarmPopen(command, env=environ) as process:
        until = time.monotonic() + 30
        while not list(shed.home.glob("*/*/a/begun.txt")):
            assert time.monotonic() < until
            time.sleep(0.05)
        assert states(aur) == {"a": "running"}
        process.send_signal(signal.SIGKILL)
    assert states(aur) == {"a": "running"}  # its agent goes on without a coordinator
    removed, kept = cleaned(aur)
    assert (removed, set(kept)) == (set(), {"a"})
    with suppress(FileNotFoundError):
        (shed.worktree(run.run_id, "a") / "go").touch()
    until = time.monotonic() + 30
    while states(aur) == {"a": "running"}:
        assert time.monotonic() < until
        time.sleep(0.1)
    assert states(aur) == {"a": "uncommitted files"}
    aur("cancel", run.run_id)


def test_a_worktree_on_a_base_of_no_branch_that_nobody_touched_goes(aur: Aur, shed: Shed) -> None:
    (shed.path / "app.py").write_text("mine\n")
    isolation = isolation_of(shed.path, home=shed.home, merge=MergeMode.NEVER)[0]
    made = shed.create(SpawnTask("exit 3", id="a"), isolation=with_snapshot(isolation))
    made.execute_sync()
    assert states(aur) == {"a": "unchanged"}
    assert cleaned(aur) == ({"a"}, {})
    assert shed.repository("for-each-ref", "refs/aurora/", "refs/heads/aurora/") == ""


def test_a_worktree_whose_making_was_killed_hides_no_other(aur: Aur, shed: Shed) -> None:
    """Git lists nothing while a file of its entry is empty."""
    run_id = shed.run(writes("a", "same.txt", "a"), writes("b", "same.txt", "b")).run_id
    shed.repository("update-ref", f"refs/aurora/bases/{run_id}/c", "main")
    entry = shed.path / ".git" / "worktrees" / "c"
    entry.mkdir()
    (entry / "locked").write_text("initializing\n")
    (entry / "gitdir").write_text(f"{shed.home}/x/{run_id}/c/.git\n")
    (entry / "commondir").touch()
    with pytest.raises(subprocess.CalledProcessError):
        shed.repository("worktree", "list")
    assert states(aur)["b"] == "unmerged"
    assert not entry.exists()


def test_an_entry_of_another_tool_that_git_cannot_read_is_an_error_and_stays(aur: Aur, shed: Shed) -> None:
    entry = shed.path / ".git" / "worktrees" / "theirs"
    entry.mkdir(parents=True)
    (entry / "locked").write_text("initializing\n")
    (entry / "gitdir").write_text("/elsewhere/theirs/.git\n")
    (entry / "commondir").touch()
    outcome = aur("worktrees", "list")
    assert outcome.returncode != ExitCode.DONE
    assert "commondir" in outcome.stderr
    assert entry.exists()


def test_commits_that_a_crashed_run_kept_for_its_merge_are_let_go_when_nothing_is_left(aur: Aur, shed: Shed) -> None:
    head = shed.repository("rev-parse", "main")
    shed.repository("update-ref", f"refs/aurora/bases/spawn-1/integration.{head}", head)
    resumable = shed.create(writes("a", "a.txt", "a"))
    shed.repository("update-ref", f"refs/aurora/bases/{resumable.run_id}/integration.{head}", head)
    aur("worktrees", "clean")
    kept = shed.repository("for-each-ref", "--format=%(refname)", "refs/aurora/bases/")
    assert kept == f"refs/aurora/bases/{resumable.run_id}/integration.{head}"
