"""Checks of single tasks: done is what a command has proven, and a failure goes back to the agent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.exhaustive import few
from tests.spawner.workspaces.checked_agent import agent, make_run, prompts
from tests.spawner.workspaces.repository import write
from tests.warm_python import WarmPopen

from aurora_spawner import Run, RunReport, SpawnTask
from aurora_spawner.control.steering import cancel_run
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import load_attempts, load_tasks
from aurora_spawner.recovery.policy import RecoveryPolicy
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.checked import CheckOutcome
from aurora_spawner.tasks.result import RunState, TaskState
from aurora_spawner.tasks.run_events import RunEvent, TaskSentBack
from aurora_spawner.tasks.verification import Verified
from aurora_spawner.testing import processes_of_run
from aurora_spawner.workspaces.attic import list_attic
from aurora_spawner.workspaces.git import Git

if TYPE_CHECKING:
    from tests.spawner.workspaces.repository import Repository

    from aurora_spawner import SpawnResult

ROOT = Path(__file__).parents[3]
SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55"
HELLO = 'test "$(cat hello.txt)" = hello || { echo "hello.txt says $(cat hello.txt)"; exit 1; }'


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The folder of the journal, outputs and worktrees: outside the repository."""
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


def run(
    repository: Repository, place: Path, scripts: dict[str, str], *checks: str, **options: Any
) -> tuple[RunReport, SpawnResult]:
    task = SpawnTask("Write hello.txt", id="t", checks=checks)
    report = make_run(repository.path, place, [task], scripts, **options).execute_sync()
    return report, report.results["t"]


def test_work_that_passes_its_checks_is_merged(repository: Repository, place: Path) -> None:
    report, result = run(repository, place, {"t.1": "echo hello > hello.txt"}, HELLO, "echo fine; test -e app.py")
    assert report.ok
    assert result.work is not None
    assert result.checked is not None
    assert result.checked.outcome is CheckOutcome.PASSED
    assert result.checked.commit == result.work.commit
    assert [(each.command, each.status, each.output) for each in result.checked.runs] == [
        (HELLO, 0, ""),
        ("echo fine; test -e app.py", 0, "fine\n"),
    ]
    assert (repository.path / "hello.txt").read_text() == "hello\n"


def test_a_failure_goes_back_to_the_agent_with_the_end_of_the_output(repository: Repository, place: Path) -> None:
    events: list[RunEvent] = []
    task = SpawnTask("Write hello.txt", id="t", checks=(HELLO,))
    scripts = {"t.1": "echo hallo > hello.txt", "t.2": "echo hello > hello.txt"}
    report = make_run(repository.path, place, [task], scripts).execute_sync(events.append)
    assert report.ok
    assert report.results["t"].retry_count == 0
    asked = prompts(place)["t.2"]
    assert asked.startswith("Write hello.txt")
    assert "hello.txt says hallo" in asked
    assert f"`{HELLO}` failed (exit status 1)" in asked
    sent_back = [each for each in events if isinstance(each, TaskSentBack)]
    assert [each.message.partition(": ")[0] for each in sent_back] == ["round 1 of 2"]
    assert repository("log", "--format=%s", "main", "--", "hello.txt").splitlines() == ["Write hello.txt"] * 2


def test_the_rounds_are_counted_and_then_the_task_fails(repository: Repository, place: Path) -> None:
    scripts = {f"t.{n}": f"echo wrong {'x' * n} > hello.txt" for n in range(1, 9)}
    report, result = run(repository, place, scripts, HELLO, check_rounds=3)
    assert (result.state, report.ok) == (TaskState.FAILED, False)
    assert len(prompts(place)) == 4
    assert result.error is not None
    assert result.error.startswith(f"the check `{HELLO}` failed (exit status 1) after ")
    assert report.merge is not None
    assert report.merge.tasks == {}
    assert not (repository.path / "hello.txt").exists()
    assert repository.shown(f"aurora/{report.run_id}/t", "hello.txt") == "wrong xxxx"  # nothing is lost


def test_recovery_follows_the_rounds_and_tells_the_next_attempt_what_failed(
    repository: Repository, place: Path
) -> None:
    scripts = {f"t.{n}": f"echo wrong {'x' * n} > hello.txt" for n in range(1, 4)}
    scripts["t.4"] = "echo hello > hello.txt"
    policy = RecoveryPolicy(max_retries=2, base_delay=0.01, jitter=False)
    report, result = run(repository, place, scripts, HELLO, check_rounds=1, recovery=policy)
    assert report.ok
    assert result.retry_count == 2
    assert "hello.txt says wrong xxx" in prompts(place)["t.4"]


def test_failed_checks_open_no_circuit(repository: Repository, place: Path) -> None:
    tasks = [SpawnTask("Write", id=name, checks=(f"cat {name}.txt; test -e good",)) for name in "abcd"]
    scripts = {f"{name}.1": f"echo {name} > {name}.txt" for name in "abcd"}
    made = make_run(
        repository.path,
        place,
        tasks,
        scripts,
        check_rounds=0,
        recovery=RecoveryPolicy(max_retries=0),
        max_concurrent=1,
    )
    report = made.execute_sync()
    assert {result.state for result in report.results.values()} == {TaskState.FAILED}
    assert set(prompts(place)) == {"a.1", "b.1", "c.1", "d.1"}


def test_a_check_that_fails_alike_on_the_base_is_not_blamed_on_the_agent(repository: Repository, place: Path) -> None:
    check = 'echo "3 failed in 0.$$ s, at $(pwd)/app.py"; exit 1'
    report, result = run(
        repository, place, {"t.1": "echo hello > hello.txt"}, check, recovery=RecoveryPolicy(base_delay=0.01)
    )
    assert not report.ok
    assert set(prompts(place)) == {"t.1"}
    assert result.checked is not None
    assert result.checked.outcome is CheckOutcome.SAME_AS_BASE
    assert str(result.error).endswith("in the same way as on the commit that the task started from")


def test_a_check_that_prints_nothing_is_asked_again_and_the_base_is_told(repository: Repository, place: Path) -> None:
    """Such a check fails alike whatever is wrong: `test -e` of a file that the task is to write."""
    scripts = {"t.1": "echo > helo.txt", "t.2": "mv helo.txt hello.txt"}
    report, _ = run(repository, place, scripts, "test -e hello.txt")
    assert report.ok
    _, result = run(repository, place / "again", {f"t.{n}": f"echo {n} > f" for n in (1, 2, 3)}, "test -e never")
    assert str(result.error).endswith("; it fails on the commit that the task started from, too")


def test_a_quiet_check_that_fails_on_the_base_is_asked_once_more_of_no_work(
    repository: Repository, place: Path
) -> None:
    _, result = run(repository, place, {}, "false", check_rounds=5, recovery=RecoveryPolicy(base_delay=0.01))
    assert set(prompts(place)) == {"t.1", "t.2"}
    assert result.checked is not None
    assert result.checked.outcome is CheckOutcome.SAME_AS_BASE


def test_a_check_whose_program_is_missing_is_an_error_of_the_environment(repository: Repository, place: Path) -> None:
    missing = "no-such-program-here --all"
    tasks = [SpawnTask("Write", id="t", checks=(missing,)), SpawnTask("Write", id="goal", until=missing)]
    scripts = {f"{each.id}.1": f"echo hello > {each.id}.txt" for each in tasks}
    report = make_run(repository.path, place, tasks, scripts).execute_sync()
    assert set(prompts(place)) == {"t.1", "goal.1"}
    for result in report.results.values():
        assert result.checked is not None
        assert result.checked.outcome is CheckOutcome.CANNOT_RUN
        assert str(result.error).startswith(f"the check `{missing}` cannot run here (exit status 127): ")


def test_a_program_that_the_agent_has_removed_is_its_fault(repository: Repository, place: Path) -> None:
    repository.commit({"check.sh": "grep -q hello hello.txt\n"})
    (repository.path / "check.sh").chmod(0o755)
    scripts = {"t.1": "echo hello > hello.txt; rm check.sh", "t.2": "git checkout main -- check.sh"}
    report, result = run(repository, place, scripts, "sh check.sh", "./check.sh || exit $?")
    assert set(prompts(place)) >= {"t.1", "t.2"}
    assert result.checked is not None
    assert not report.ok  # it is not executable in git; the first check passes again
    assert result.checked.runs[0].passed


def test_the_same_failure_without_a_change_ends_the_rounds(repository: Repository, place: Path) -> None:
    _, result = run(repository, place, {"t.1": "echo hallo > hello.txt"}, HELLO, check_rounds=10)
    assert set(prompts(place)) == {"t.1", "t.2"}
    assert result.checked is not None
    assert result.checked.outcome is CheckOutcome.UNCHANGED
    assert "as before, and nothing was changed since" in str(result.error)


def test_what_a_check_changes_is_put_back(repository: Repository, place: Path) -> None:
    check = "echo spoilt > app.py; echo new > new.txt; git checkout -q -b elsewhere; git commit -qam mess"
    report, result = run(
        repository, place, {"t.1": "echo hello > hello.txt"}, check, "grep -q 'line 20' app.py", HELLO
    )
    assert report.ok, result.error
    assert result.checked is not None
    assert set(result.checked.runs[0].changed) == {"HEAD", "new.txt"}
    assert repository.files("main") == [".gitignore", "app.py", "docs/guide.md", "hello.txt"]
    assert repository("show", "main:app.py").splitlines()[0] == "line 1"
    assert any("that was put back" in each for each in report.notices)
    assert result.verification.level is Verified.PARTLY


@pytest.mark.parametrize(
    ("agent", "checks"),
    few(
        [
            ("mkdir ign; touch ign/CACHEDIR.TAG; echo x > ign/answer.log; echo x > x", ("test -e ign/answer.log",)),
            (
                "echo '*.txt text eol=crlf' > .gitattributes; echo x > x.txt",
                ("! grep -q \"$(printf '\\015')\" x.txt",),
            ),
            (
                "echo x > x",
                ("setsid sh -c 'sleep 0.3; echo spoilt > x' >/dev/null 2>&1 & true", "sleep 0.6; grep spoilt x"),
            ),
            ("echo x > x", ("git update-index --assume-unchanged x; echo spoilt > x", "grep spoilt x")),
        ],
        2,
    ),
    ids=["a folder that only looks like a cache", "line ends", "a daemon of the check before", "a hidden edit"],
)
def test_what_the_commit_has_not_passes_no_check(
    repository: Repository, place: Path, agent: str, checks: tuple[str, ...]
) -> None:
    report, result = run(repository, place, {"t.1": agent}, *checks, check_rounds=0)
    assert not report.ok, result.checked
    assert result.verification.level is Verified.NOT


def test_a_check_that_hangs_is_ended_with_all_that_it_started(repository: Repository, place: Path) -> None:
    check = "setsid sleep 27.1828 & sleep 27.1828"
    report, result = run(
        repository, place, {"t.1": "echo hello > hello.txt"}, check, check_timeout_s=0.5, check_rounds=0
    )
    assert result.checked is not None
    assert result.checked.runs[0].status is None
    assert "did not end in time" in str(result.error)
    assert processes_of_run(report.run_id, within_s=5.0) == []


def test_a_check_that_leaves_a_daemon_leaves_nothing(repository: Repository, place: Path) -> None:
    report, _ = run(repository, place, {"t.1": "echo x > x"}, "setsid sleep 27.1828 >/dev/null 2>&1 & true")
    assert report.ok
    assert processes_of_run(report.run_id, within_s=5.0) == []


def test_work_that_needs_ignored_files_does_not_pass(repository: Repository, place: Path) -> None:
    scripts = {"t.1": "echo hello > hello.txt; echo built > build.log", "t.2": "echo built > build.txt"}
    report, result = run(repository, place, scripts, "test -e build.log || test -e build.txt")
    assert report.ok, result.error
    assert "passes with files that git ignores, and fails without them: build.log" in prompts(place)["t.2"]


def test_caches_are_no_reason_to_check_twice(repository: Repository, place: Path) -> None:
    repository.commit({".gitignore": "*.log\n.cache/\n__pycache__/\n"})
    script = (
        f"mkdir .cache __pycache__; echo '{SIGNATURE}' > .cache/CACHEDIR.TAG; echo x > __pycache__/x.pyc; echo x > x"
    )
    report, _ = run(repository, place, {"t.1": f"{script}; echo x > x"}, f"echo ran >> {place}/count")
    assert report.ok
    assert (place / "count").read_text() == "ran\n"


def test_a_changed_test_is_reported(repository: Repository, place: Path) -> None:
    repository.commit({"tests/test_app.py": "assert False\n"})
    report, result = run(
        repository, place, {"t.1": "echo > tests/test_app.py"}, "true", check_protect=("tests/*", "*.cfg")
    )
    assert result.work is not None
    assert result.work.protected == ("tests/test_app.py",)
    assert "task t changed files that checks rest on: tests/test_app.py" in report.notices


@pytest.mark.parametrize("check", ["rm -rf .git; git init -q", "rm -rf .git * .gitignore; cd /"])
def test_a_check_that_removes_the_link_of_the_worktree_is_told_and_the_task_goes_on(
    repository: Repository, place: Path, check: str
) -> None:
    once = f"test -e {place}/once && exit; touch {place}/once; {check}; exit 1"
    scripts = {"t.1": "echo hello > hello.txt", "t.2": "git log -1 --format=%s > subject"}
    report, result = run(repository, place, scripts, once)
    assert report.ok, result.error
    assert repository.shown("main", "subject") == "Write hello.txt"
    assert repository.shown("main", "hello.txt") == "hello"
    assert any("changed .git" in each and "was put back" in each for each in report.notices)


@pytest.mark.parametrize("harm", few(['rm -rf "$PWD"', 'mv "$PWD" "$PWD.moved"', 'rm -rf "$PWD"; touch "$PWD"'], 1))
def test_a_check_that_removes_the_worktree_loses_nothing_and_a_retry_goes_on(
    repository: Repository, place: Path, harm: str
) -> None:
    check = f"test -e {place}/once && exit; touch {place}/once; {harm}"
    scripts = {"t.1": "echo hello > hello.txt", "t.2": "cp hello.txt again.txt", "o.1": "echo other > other.txt"}
    tasks = [SpawnTask("Write hello.txt", id="t", checks=(check,)), SpawnTask("Write other.txt", id="o")]
    before = make_run(repository.path, place, tasks, scripts)
    report = before.execute_sync()
    error, branch = str(report.results["t"].error), f"aurora/{before.run_id}/t"
    assert "the check 'test -e" in error
    assert f"has removed it; its commits are on {branch}" in error
    assert repository.shown(branch, "hello.txt") == "hello"
    assert repository.shown("main", "other.txt") == "other"
    if harm.endswith('touch "$PWD"'):  # a person's own file, for all that Aurora knows
        return
    executor = LocalExecutor(grace_s=0.3)
    again = Run.resume(place / "runs.db", before.run_id, agent(place, scripts), executor=executor, retry_failed=True)
    assert again.execute_sync().ok
    assert repository.shown("main", "again.txt") == "hello"


def test_a_check_that_puts_a_link_in_the_place_of_the_worktree_touches_nothing_behind_it(
    repository: Repository, place: Path
) -> None:
    """Git would take the user's checkout for the worktree, and put back what is uncommitted there."""
    write(repository.path, {"mine.txt": "mine\n"})
    before = repository.state()
    harm = f'rm -rf "$PWD"; ln -s {repository.path} "$PWD"'
    report, result = run(repository, place, {"t.1": "echo hello > hello.txt"}, harm)
    assert "has removed it" in str(result.error)
    assert repository.state() == before
    assert repository.shown(f"aurora/{report.run_id}/t", "hello.txt") == "hello"


def test_a_goal_is_pursued_until_it_is_reached(repository: Repository, place: Path) -> None:
    task = SpawnTask("Count", id="t", until="n=$(cat n); echo $n of 4; test $n = 4", max_turns=6)
    report = make_run(
        repository.path, place, [task], {f"t.{n}": f"echo {n} > n" for n in range(1, 6)}, check_rounds=0
    ).execute_sync()
    assert report.ok
    assert set(prompts(place)) == {"t.1", "t.2", "t.3", "t.4"}


@pytest.mark.parametrize(("says", "attempts"), [("$n of 9", 4), ("no", 3)])
def test_a_goal_is_given_up(repository: Repository, place: Path, says: str, attempts: int) -> None:
    """After the most turns, or as soon as three in a row fail with the same output."""
    task = SpawnTask("Count", id="t", until=f'n=$(cat n); echo "{says}"; test $n = 9', max_turns=4)
    scripts = {f"t.{n}": f"echo {n} > n" for n in range(1, 9)}
    report = make_run(repository.path, place, [task], scripts).execute_sync()
    assert not report.ok
    assert len(prompts(place)) == attempts


def test_the_checks_of_a_project_in_a_subfolder_run_there(repository: Repository, place: Path) -> None:
    """Those of the task, of the run, and of the merged work; a clean checkout has the same folder."""
    check = f"pwd >> {place}/folders; test -e guide.md"
    script = "echo hello > hello.txt; echo x > x.log"  # an ignored file: the check runs twice
    task = SpawnTask("Write", id="t", checks=(check,))
    run = make_run(repository.path / "docs", place, [task], {"t.1": script}, checks=(check,))
    report = run.execute_sync()
    assert report.ok, report
    assert repository.files("main") == [".gitignore", "app.py", "docs/guide.md", "docs/hello.txt"]
    folders = (place / "folders").read_text().splitlines()
    assert len(set(folders)) == 3  # the worktree, a clean checkout, and that of the merge
    assert {Path(each).name for each in folders} == {"docs"}


def test_without_worktrees_checks_run_in_the_folder(repository: Repository, place: Path) -> None:
    scripts = {"t.1": "echo hallo > hello.txt", "t.2": "echo hello > hello.txt"}
    report, result = run(repository, place, scripts, HELLO, worktrees=False)
    assert report.ok
    assert result.checked is not None
    assert result.checked.commit is None


def test_checks_of_somebody_who_is_not_trusted_do_not_run(repository: Repository, place: Path) -> None:
    report, result = run(
        repository, place, {"t.1": "echo hello > hello.txt"}, f"touch {place}/ran", run_task_checks=False
    )
    assert report.ok
    assert result.checked is None
    assert not (place / "ran").exists()


def test_a_check_of_the_run_goes_back_to_the_agent_that_broke_it(repository: Repository, place: Path) -> None:
    tasks = [SpawnTask("Work", id=name) for name in "ab"]
    scripts = {"a.1": "echo x > bad", "a.2": "mv bad good", "b.1": "echo b > b.txt"}
    report = make_run(repository.path, place, tasks, scripts, checks=("ls; test ! -e bad",)).execute_sync()
    assert report.ok
    assert set(prompts(place)) == {"a.1", "a.2", "b.1"}
    assert report.results["b"].checked is not None


PROGRAM = """
import sys
from pathlib import Path
from aurora_spawner import SpawnTask
from tests.spawner.workspaces.checked_agent import make_run
project, place, check = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
scripts = {"t.1": "echo hello > hello.txt", "t.2": f"touch {place}/second; echo more > more.txt"}
run = make_run(project, place, [SpawnTask("Write", id="t", checks=(check,))], scripts)
(place / "run_id").write_text(run.run_id)
print(run.execute_sync().state)
"""
HANGS = "setsid sleep 27.1828 & echo $$ > {place}/pid; sleep 27.1828"
SPOILS = "test -e {place}/go || {{ echo spoilt > app.py; echo new > new.txt; " + HANGS + "; }}"
FAILS = "test -e {place}/second && {{ " + HANGS + "; }}; ls; exit 1"


def start(repository: Repository, place: Path, check: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", PROGRAM, str(repository.path), str(place), check.format(place=place)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started = WarmPopen[bytes](command, stdout=subprocess.PIPE, env=environment)
    wait_for_file(place / "pid")
    return started


def test_what_is_found_after_a_killed_check_goes_to_the_attic(repository: Repository, place: Path) -> None:
    """It may be the work of a person who looked at the worktree before the run was resumed."""
    with start(repository, place, SPOILS) as program:
        program.kill()
    run_id = (place / "run_id").read_text()
    (worktree,) = (place / "worktrees").glob(f"*/{run_id}/t")
    (worktree / "mine.txt").write_text("of a person\n")
    (place / "go").touch()
    report = Run.resume(place / "runs.db", run_id, agent(place, {})).execute_sync()
    assert report.ok, report
    (kept,) = list_attic(Git.of_checkout(repository.path))
    assert repository.shown(kept.ref, "mine.txt") == "of a person"
    assert [each for each in report.notices if kept.ref in each and each.startswith("task t: what was in")]
    assert "mine.txt" not in repository.files("main")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_ends_while_it_checks_repeats_the_check_and_not_the_agent(
    repository: Repository, place: Path, how: signal.Signals
) -> None:
    with start(repository, place, SPOILS) as program:
        program.send_signal(how)
        printed = program.communicate(timeout=20)[0]
    if how is signal.SIGINT:
        assert printed.decode().strip() == RunState.INTERRUPTED
    (place / "go").touch()
    run_id = (place / "run_id").read_text()
    report = Run.resume(place / "runs.db", run_id, agent(place, {})).execute_sync()
    assert report.ok, report
    assert set(prompts(place)) == {"t.1"}
    assert processes_of_run(run_id, within_s=5.0) == []
    assert repository.files("main") == [".gitignore", "app.py", "docs/guide.md", "hello.txt"]
    assert repository("show", "main:app.py").splitlines()[0] == "line 1"
    with Journal(place / "runs.db") as journal:
        assert [each.state for each in load_attempts(journal, run_id)] == ["ended"]


def test_a_failed_check_is_remembered_over_a_kill(repository: Repository, place: Path) -> None:
    with start(repository, place, FAILS) as program:
        program.kill()
    (place / "second").unlink()
    run_id = (place / "run_id").read_text()
    with Journal(place / "runs.db") as journal:
        (row,) = load_tasks(journal, run_id)
        assert [each.outcome for each in row.checked] == [CheckOutcome.FAILED]
    report = Run.resume(place / "runs.db", run_id, agent(place, {}), check_rounds=1).execute_sync()
    assert report.results["t"].state is TaskState.FAILED  # the second failure, with one round
    assert set(prompts(place)) == {"t.1", "t.2"}


def test_a_cancelled_task_ends_in_its_check(repository: Repository, place: Path) -> None:
    with start(repository, place, SPOILS) as program:
        run_id = (place / "run_id").read_text()
        cancel_run(place / "runs.db", run_id, task_id="t")
        assert program.communicate(timeout=20)[0].decode().strip() == RunState.FAILED
    assert processes_of_run(run_id, within_s=5.0) == []
    with Journal(place / "runs.db") as journal:
        (row,) = load_tasks(journal, run_id)
    assert row.state is TaskState.CANCELLED
    assert repository.shown(f"aurora/{run_id}/t", "hello.txt") == "hello"


def wait_for_file(path: Path) -> None:
    until = time.monotonic() + 20
    while not (path.exists() and path.read_text().strip()):
        assert time.monotonic() < until
        time.sleep(0.02)
