"""`aur merge`: what is not merged yet arrives, or it is said where it is and why."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.cli.finished_runs import Shed, writes
from tests.exhaustive import few
from tests.warm_python import WarmPopen, run_warm

from aurora_cli.exits import ExitCode
from aurora_spawner import SpawnTask
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.views import load_run, load_tasks
from aurora_spawner.tasks.result import RunState
from aurora_spawner.tasks.work import MergeOutcome
from aurora_spawner.workspaces.isolation import MergeMode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Aur = Callable[..., subprocess.CompletedProcess[str]]


def state_of(shed: Shed, run_id: str) -> RunState:
    with Journal(shed.journal) as journal:
        assert verify(journal).problem is None
        return load_run(journal, run_id).state


def test_waiting_work_is_delivered_and_its_worktrees_go(aur: Aur, shed: Shed) -> None:
    run_id = shed.run(writes("a", "a.txt", "a"), writes("b", "b.txt", "b"), merge=MergeMode.ASK).run_id
    outcome = aur("merge", run_id, "--yes")
    assert outcome.returncode == ExitCode.DONE
    assert outcome.stdout == "a  merged\nb  merged\nmain has the work\n"
    assert (shed.path / "a.txt").read_text() == "a\n"
    assert shed.repository("status", "--porcelain") == ""
    assert shed.repository("for-each-ref", "refs/heads/aurora/", "refs/aurora/bases/") == ""
    assert state_of(shed, run_id) is RunState.SUCCEEDED
    before = shed.repository("rev-parse", "main")
    again = aur("merge", run_id, "--yes")
    assert again.returncode == ExitCode.DONE
    assert again.stdout == "a  merged\nb  merged\nmain has the work already\n"
    assert shed.repository("rev-parse", "main") == before
    assert shed.repository("for-each-ref", "refs/heads/aurora/") == ""


def test_without_a_terminal_it_wants_yes_and_changes_nothing(aur: Aur, shed: Shed) -> None:
    run_id = shed.run(writes("a", "a.txt", "a"), merge=MergeMode.ASK).run_id
    refs = shed.repository("for-each-ref")
    outcome = aur("merge", run_id)
    assert outcome.returncode == ExitCode.USAGE
    assert "use --yes" in outcome.stderr
    assert aur("merge", run_id, "--json").returncode == ExitCode.USAGE
    assert shed.repository("for-each-ref") == refs


@pytest.mark.parametrize("answer", few(["y", "n"], 1))
def test_at_a_terminal_it_asks_before_the_target_moves(
    aur: Aur, shed: Shed, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    asked: list[str] = []

    def confirm(question: str, _answered: object) -> bool:
        asked.append(question)
        return answer == "y"

    monkeypatch.setattr("aurora_cli.user_prompts.is_interactive", lambda: True)
    monkeypatch.setattr("aurora_cli.delivery_prompts.confirm_unless", confirm)
    run_id = shed.run(writes("a", "a.txt", "a"), merge=MergeMode.ASK).run_id
    outcome = aur("merge", run_id)
    assert asked == ["Deliver the merged work to main?"]
    if answer == "y":
        assert outcome.returncode == ExitCode.DONE
        assert outcome.stdout.endswith("main has the work\n")
    else:
        assert outcome.returncode == ExitCode.NOT_REACHED
        where = f"the work is on aurora/{run_id}/integration, not on main"
        assert outcome.stdout.endswith(f"{where}: deliver it with: aur merge {run_id}\n")
        assert not (shed.path / "a.txt").exists()


def test_the_delivery_after_the_question_does_not_check_again(
    aur: Aur, shed: Shed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = shed.run(writes("a", "a.txt", "a"), merge=MergeMode.NEVER).run_id
    shed.repository("branch", "-D", f"aurora/{run_id}/integration")
    folder = tmp_path / "own" / "aurora"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(f'check: ["echo x >> {tmp_path}/looked"]\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "own"))
    monkeypatch.setattr("aurora_cli.user_prompts.is_interactive", lambda: True)
    monkeypatch.setattr("aurora_cli.delivery_prompts.confirm_unless", lambda *_words: True)
    outcome = aur("merge", run_id)
    assert outcome.returncode == ExitCode.DONE, outcome.stdout
    assert (tmp_path / "looked").read_text() == "x\n"


def test_a_conflict_that_a_person_resolved_in_the_worktree_is_merged(aur: Aur, shed: Shed) -> None:
    run_id = shed.run(writes("a", "same.txt", "a"), writes("b", "same.txt", "b")).run_id
    place = shed.worktree(run_id, "b")
    outcome = aur("merge", run_id, "--yes")
    assert outcome.returncode == ExitCode.NOT_REACHED
    assert "b  not merged: it conflicts with task a in same.txt\n" in outcome.stdout
    hint = f"in its worktree, `git merge main`, resolve and commit; then: aur merge {run_id}"
    assert f"to resolve the conflict of b: {hint}\n" in outcome.stdout
    with pytest.raises(subprocess.CalledProcessError):
        shed.repository("merge", "main", folder=place)
    (place / "same.txt").write_text("both\n")
    assert "b  has uncommitted files in its worktree" in aur("merge", run_id, "--yes").stdout
    shed.repository("commit", "--all", "--quiet", "-m", "Resolve", folder=place)
    outcome = aur("merge", run_id, "--yes")
    assert (outcome.returncode, outcome.stdout) == (ExitCode.DONE, "a  merged\nb  merged\nmain has the work\n")
    assert (shed.path / "same.txt").read_text() == "both\n"
    assert shed.repository("log", "--format=%s", "main").count("Merge task a") == 1
    assert not place.exists()
    assert state_of(shed, run_id) is RunState.SUCCEEDED


def test_one_task_is_merged_with_what_it_depends_on_and_the_rest_waits(aur: Aur, shed: Shed) -> None:
    on_a = SpawnTask("echo b > b.txt; echo done", id="b", depends_on=("a",))
    run = shed.create(writes("a", "a.txt", "a"), on_a, writes("c", "c.txt", "c"), merge=MergeMode.ASK)
    run.execute_sync()
    shed.repository("update-ref", "-d", f"refs/heads/aurora/{run.run_id}/integration")
    outcome = aur("merge", run.run_id, "--task", "b", "--yes")
    assert outcome.returncode == ExitCode.DONE
    assert (shed.path / "a.txt").exists()
    assert (shed.path / "b.txt").exists()


def test_a_dirty_checkout_stays_and_its_files_are_named(aur: Aur, shed: Shed) -> None:
    run_id = shed.run(writes("a", "a.txt", "a"), merge=MergeMode.ASK).run_id
    (shed.path / "app.py").write_text("mine\n")
    before = shed.users_files()
    outcome = aur("merge", run_id, "--yes")
    assert outcome.returncode == ExitCode.NOT_REACHED
    assert "not on main: it is checked out, with uncommitted changes (app.py); commit or stash them" in outcome.stdout
    assert shed.users_files() == before
    shed.repository("checkout", "--quiet", "app.py")
    assert aur("merge", run_id, "--yes").returncode == ExitCode.DONE


def test_the_target_is_the_branch_of_the_start_and_not_the_one_that_is_checked_out_now(aur: Aur, shed: Shed) -> None:
    run_id = shed.run(writes("a", "a.txt", "a"), merge=MergeMode.ASK).run_id
    shed.repository("checkout", "--quiet", "-b", "other")
    assert aur("merge", run_id, "--yes").returncode == ExitCode.DONE
    assert shed.repository.shown("main", "a.txt") == "a"
    assert not (shed.path / "a.txt").exists()


def test_work_of_a_detached_checkout_has_no_target(aur: Aur, shed: Shed) -> None:
    shed.repository("checkout", "--quiet", "--detach")
    run_id = shed.run(writes("a", "a.txt", "a")).run_id
    outcome = aur("merge", run_id, "--yes")
    assert outcome.returncode == ExitCode.NOT_REACHED
    assert f"no branch was checked out when the run was made: git merge aurora/{run_id}/integration" in outcome.stdout


def test_a_failed_task_is_merged_if_it_is_named(aur: Aur, shed: Shed) -> None:
    halves = (SpawnTask("echo half > half.txt; exit 3", id="a"), SpawnTask("echo > other.txt; exit 4", id="b"))
    run_id = shed.run(*halves).run_id
    assert aur("merge", run_id, "--yes").stdout == "nothing to merge\n"
    told = aur("merge", run_id, "--task", "a", "--yes").stdout.splitlines()
    assert told[:2] == ["a  merged", "  although it did not succeed: it exited with code 3"]
    document = json.loads(aur("merge", run_id, "--task", "b", "--yes", "--json").stdout)
    assert document["arrived"] is True
    assert document["unaccepted"] == {"b": "it exited with code 4"}
    assert (shed.path / "half.txt").read_text() == "half\n"
    assert state_of(shed, run_id) is RunState.FAILED


def test_a_run_that_another_process_works_on_is_refused(aur: Aur, shed: Shed) -> None:
    run_id = shed.run(writes("a", "a.txt", "a"), merge=MergeMode.ASK).run_id
    holder = (
        "import sys; from pathlib import Path; from aurora_spawner.journal.store import Journal\n"
        "from aurora_spawner.attempts.process_identity import own_identity\n"
        "with Journal(Path(sys.argv[1])) as j, j.hold(sys.argv[2], holder=own_identity()):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", holder, str(shed.journal), run_id]
    with WarmPopen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        outcome = aur("merge", run_id, "--yes")
        process.kill()
    assert outcome.returncode == ExitCode.ENVIRONMENT
    assert f"run {run_id} is held by " in outcome.stderr
    assert not (shed.path / "a.txt").exists()
    assert aur("merge", run_id, "--yes").returncode == ExitCode.DONE


def test_a_run_without_worktrees_and_an_unknown_task_are_usage_errors(aur: Aur, shed: Shed) -> None:
    run_id = shed.run(writes("first", "a.txt", "a")).run_id
    outcome = aur("merge", run_id, "--task", "frist", "--yes")
    assert outcome.returncode == ExitCode.USAGE
    assert "did you mean 'first'?" in outcome.stderr


CONFIG = """\
backends:
  same: {kind: command, command: ["sh", "-c", "cat > same.txt; echo done"]}
  other: {kind: command, command: ["sh", "-c", "cat > other.txt; echo done"]}
"""


@pytest.mark.parametrize("tracked", few([True, False], 1))
def test_the_boxes_that_aurora_ticks_do_not_keep_work_from_the_checkout(aur: Aur, shed: Shed, tracked: bool) -> None:
    (shed.path / ".aurora" / "config.yaml").write_text(CONFIG)
    file = shed.path / "tasks.md"
    file.write_text("- [ ] 1 One\n  - Agent: same\n- [ ] 2 Two\n  - Agent: same\n- [ ] 3 Three\n  - Agent: other\n")
    if tracked:
        shed.repository.commit({})
    run_id = json.loads(aur("spawn", "tasks.md", "--isolation", "worktree", "--json").stdout)["run_id"]
    assert "[x] 1" in file.read_text()
    assert "[ ] 2" in file.read_text()
    outcome = aur("merge", run_id, "--yes")
    assert "main has the work\n" in outcome.stdout
    assert (shed.path / "other.txt").exists()
    place = json.loads(aur("runs", "show", run_id, "--json").stdout)["tasks"][1]["work"]["worktree"]
    with pytest.raises(subprocess.CalledProcessError):
        shed.repository("merge", "main", folder=place)
    shed.repository("checkout", "--ours", "same.txt", folder=place)
    shed.repository("commit", "--all", "--quiet", "-m", "Resolve", folder=place)
    assert aur("merge", run_id, "--yes").returncode == ExitCode.DONE
    assert "[x] 2" in file.read_text()
    assert "nothing to run" in aur("spawn", "tasks.md").stderr


def test_a_task_file_that_the_work_changes_too_is_not_overwritten(aur: Aur, shed: Shed) -> None:
    config = 'backends:\n  sh: {kind: command, command: ["sh", "-c", "echo - theirs >> tasks.md; echo done"]}\n'
    (shed.path / ".aurora" / "config.yaml").write_text(config)
    (shed.path / "tasks.md").write_text("- [ ] 1 One\n  - Agent: sh\n")
    shed.repository.commit({})
    run_id = json.loads(aur("spawn", "tasks.md", "--isolation", "worktree", "--json").stdout)["run_id"]
    outcome = aur("merge", run_id, "--yes")
    assert outcome.returncode == ExitCode.NOT_REACHED
    assert "not on main: it is checked out, with uncommitted changes" in outcome.stdout
    assert (shed.path / "tasks.md").read_text().startswith("- [x] 1 One")


KILLED = """
import os, signal, sys
from pathlib import Path
from aurora_spawner.control.merging import merge_work
from aurora_spawner.workspaces import git

journal, run_id, fatal, count = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
run, calls = git.Git.run, 0

def counted(self, *arguments, **options):
    global calls
    calls += " ".join(arguments).startswith(fatal)
    if calls == count:
        os.kill(os.getpid(), signal.SIGKILL)
    return run(self, *arguments, **options)

git.Git.run = counted
merge_work(journal, run_id)
"""


WRITING = [
    ("read-tree -m", 1),
    ("hook run", 1),
    *((command, count) for count in (1, 2) for command in ("worktree remove", "update-ref --stdin")),
    ("update-ref -d refs/heads/aurora/", 1),
    ("for-each-ref --format=delete", 1),
    ("cat-file", 1),
]
"""The start of each command that changes the repository in a merge of two tasks, and the first one after them."""


@pytest.mark.parametrize(("fatal", "count"), few(WRITING, 1))
def test_a_merge_that_is_killed_between_two_steps_of_git_is_finished_by_the_next(
    aur: Aur, shed: Shed, fatal: str, count: int
) -> None:
    run_id = shed.run(writes("a", "a.txt", "a"), writes("b", "b.txt", "b"), merge=MergeMode.ASK).run_id
    command = [sys.executable, "-c", KILLED, str(shed.journal), run_id, fatal, str(count)]
    status = run_warm(command, env=dict(os.environ)).returncode
    assert status == -signal.SIGKILL
    outcome = aur("merge", run_id, "--yes")
    assert outcome.returncode == ExitCode.DONE, outcome
    assert shed.repository("status", "--porcelain") == ""
    assert (shed.path / "a.txt").exists()
    assert (shed.path / "b.txt").exists()
    assert shed.repository("log", "--format=%s", "main").count("Merge task a") == 1
    assert shed.repository("for-each-ref", "refs/heads/aurora/", "refs/aurora/bases/") == ""
    assert shed.repository("worktree", "list", "--porcelain").count("worktree ") == 1
    assert state_of(shed, run_id) is RunState.SUCCEEDED
    with Journal(shed.journal) as journal:
        merges = [row.merge for row in load_tasks(journal, run_id)]
    assert [merge.outcome for merge in merges if merge] == [MergeOutcome.MERGED] * 2


def test_where_everything_conflicts_nothing_is_said_to_have_arrived(aur: Aur, shed: Shed) -> None:
    run = shed.create(writes("a", "app.py", "a"), merge=MergeMode.NEVER)
    shed.repository.commit({"app.py": "another\n"})
    shed.repository("branch", "-f", f"aurora/{run.run_id}/integration", "main")
    run.execute_sync()
    outcome = aur("merge", run.run_id, "--yes")
    assert outcome.returncode == ExitCode.NOT_REACHED
    assert "a  not merged: it conflicts with other work in app.py" in outcome.stdout
    assert "has the work" not in outcome.stdout


def test_a_merge_that_changes_nothing_leaves_the_state_of_the_run(aur: Aur, shed: Shed) -> None:
    run_id = shed.run(writes("a", "a.txt", "a")).run_id
    assert aur("merge", run_id, "--task", "nope", "--yes").returncode == ExitCode.USAGE
    with Journal(shed.journal) as journal:
        assert load_run(journal, run_id).state is RunState.SUCCEEDED
