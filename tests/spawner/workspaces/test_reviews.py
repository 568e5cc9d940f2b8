"""Reviews: another agent judges work that has passed its checks; it can send back, and never wave through."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from tests.exhaustive import few
from tests.spawner.workspaces.checked_agent import agent, prompts
from tests.warm_python import WarmPopen

from aurora_spawner import CommandBackend, RecoveryPolicy, RecoverySettings, Run, RunOptions, SpawnTask, TaskState
from aurora_spawner.control.board import posts_of
from aurora_spawner.control.logs import last_begun
from aurora_spawner.control.status import run_status
from aurora_spawner.control.steering import cancel_run, end_abandoned
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.views import load_attempts, load_events, load_tasks
from aurora_spawner.runs import attempt_watch, reviewing
from aurora_spawner.runs.starting import start_order
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.result import REVIEW_REFUSED, RunState
from aurora_spawner.tasks.review import Remark, Reviewer, Verdict
from aurora_spawner.testing import processes_of_run
from aurora_spawner.workspaces import checkouts
from aurora_spawner.workspaces.isolation import MergeMode, isolation_of

if TYPE_CHECKING:
    from tests.spawner.workspaces.repository import Repository

    from aurora_spawner import RunReport
    from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder, RunningAttempt
    from aurora_spawner.runs.run_context import RunContext

ROOT = Path(__file__).parents[3]
CRITIC = Reviewer(agent="critic", instructions="You are a strict critic.")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


def verdict(word: str = "approve", *reasons: dict[str, Any], summary: str = "It is so.") -> str:
    """Return the script of a reviewer that says this, and nothing else."""
    said = json.dumps({"verdict": word, "summary": summary, "reasons": list(reasons)})
    return f"cat <<'END'\n{said}\nEND\nexit 0"


BAD = verdict("send_back", {"reason": "a typing error", "file": "hello.txt", "line": 1})
HALLO, HELLO = "echo hallo > hello.txt", "echo hello > hello.txt"


def backends(place: Path, scripts: dict[str, str]) -> dict[str, CommandBackend]:
    """Return worker and reviewer; what each attempt of either does is a script for `TASK.ATTEMPT`."""
    made = agent(place, scripts)
    return {**made, "critic": CommandBackend("critic", made["agent"].command)}


def make(
    project: Path,
    place: Path,
    scripts: dict[str, str],
    *,
    checks: tuple[str, ...] = (),
    worktrees: bool = True,
    task: SpawnTask | None = None,
    **options: Any,
) -> Run:
    isolation = isolation_of(project, home=place / "worktrees", merge=MergeMode.AUTO)[0] if worktrees else None
    given = RunOptions(
        default_agent="agent",
        cwd=project,
        spool=place / "runs",
        isolation=isolation,
        executor=LocalExecutor(grace_s=0.3),
        **options,
    )
    task = task or SpawnTask("Write hello", id="t", checks=checks, review=CRITIC)
    return Run.create(place / "runs.db", [task], backends(place, scripts), given)


def run(repository: Repository, place: Path, scripts: dict[str, str], **more: Any) -> RunReport:
    report = make(repository.path, place, scripts, **more).execute_sync()
    with Journal(place / "runs.db") as journal:
        assert verify(journal).problem is None
        assert {each.state for each in load_attempts(journal, report.run_id)} == {"ended"}
    return report


def test_a_reviewer_reaches_the_board_and_is_not_told_what_others_ask_of_it(
    repository: Repository, place: Path
) -> None:
    program = "import sys; from aurora_spawner.control.own_board import *; post_on_own_board(sys.argv[1])"
    asks, sees = (f"{sys.executable} -c '{program}' {text}" for text in ("approve-me", "seen"))
    report = run(repository, place, {"t.1": f"{HELLO}; {asks}", "t.2": f"{sees}; {verdict()}"})
    assert report.ok, report.results["t"].error
    posts = posts_of(place / "runs.db", report.run_id)
    assert [(each.agent, each.attempt, each.text) for each in posts] == [
        ("agent", 1, "approve-me"),
        ("critic", 2, "seen"),
    ]
    assert "approve-me" not in prompts(place)["t.2"]


def test_approved_work_is_merged_and_its_verdict_told(repository: Repository, place: Path) -> None:
    report = run(repository, place, {"t.1": HELLO, "t.2": verdict()}, checks=("grep hello hello.txt",))
    assert report.ok, report.results["t"].error
    result = report.results["t"]
    assert result.review is not None
    assert (result.review.verdict, result.review.agent, result.review.number) == (Verdict.APPROVED, "critic", 1)
    assert result.work is not None
    assert result.review.commit == result.work.commit
    assert result.retry_count == 0
    assert str(result.verification).endswith("; approved by critic")
    asked = prompts(place)["t.2"]
    for part in ("You are a strict critic.", "Write hello", "+hello", "`grep hello hello.txt` passed", "done"):
        assert part in asked
    with Journal(place / "runs.db") as journal:
        rows = load_attempts(journal, report.run_id, task_id="t")
        kinds = [event.kind for event in load_events(journal, report.run_id)]
    assert [(row.agent, row.role) for row in rows] == [("agent", "work"), ("critic", "review")]
    assert last_begun(rows) == rows[0]
    assert kinds.count("work_reviewed") == 1


def test_work_that_is_sent_back_comes_again_with_its_reasons(repository: Repository, place: Path) -> None:
    report = run(repository, place, {"t.1": HALLO, "t.2": BAD, "t.3": HELLO, "t.4": verdict()})
    assert report.ok, report.results["t"].error
    assert repository("show", "main:hello.txt") == "hello"
    asked = prompts(place)
    assert "hello.txt:1: a typing error" in asked["t.3"]
    assert "fix what is wrong" in asked["t.3"]
    assert "hello.txt:1: a typing error" in asked["t.4"]  # the next review knows what the last one said
    assert report.results["t"].retry_count == 0


def test_after_its_rounds_work_that_is_sent_back_fails_and_is_not_merged(repository: Repository, place: Path) -> None:
    scripts = {**{f"t.{n}": f"echo {n} > hello.txt" for n in (1, 3, 5)}, **{f"t.{n}": BAD for n in (2, 4, 6)}}
    policy = RecoveryPolicy(max_retries=3, base_delay=0.01, fallback_to_llm=False)
    recovery = RecoverySettings(policy=policy, state_dir=None)
    report = run(repository, place, scripts, recovery=recovery)
    result = report.results["t"]
    assert set(prompts(place)) == {f"t.{n}" for n in range(1, 7)}
    assert result.state is TaskState.FAILED
    assert result.error == "sent back by critic: hello.txt:1: a typing error"
    assert result.reported is not None
    assert result.reported.code == REVIEW_REFUSED
    assert result.review is not None
    assert result.review.remarks == (Remark(reason="a typing error", file="hello.txt", line=1),)
    assert "hello.txt" not in repository.files("main")
    assert repository("show", f"aurora/{report.run_id}/t:hello.txt") == "5"  # nothing is lost


def test_a_failed_check_is_never_reviewed(repository: Repository, place: Path) -> None:
    scripts = {"t.1": HALLO, "t.2": HELLO, "t.3": verdict()}
    report = run(repository, place, scripts, checks=("grep hello hello.txt",))
    assert report.ok, report.results["t"].error
    assert "You are a strict critic." not in prompts(place)["t.2"]
    assert "You are a strict critic." in prompts(place)["t.3"]
    failing = run(
        repository, place / "again", {"t.1": HALLO, "t.2": verdict()}, checks=("grep hello never",), check_rounds=0
    )
    assert not failing.ok
    assert set(prompts(place / "again")) == {"t.1"}


def test_checks_run_again_on_what_a_review_has_changed(repository: Repository, place: Path) -> None:
    scripts = {"t.1": HELLO, "t.2": BAD, "t.3": HALLO, "t.4": HELLO + "; echo > more", "t.5": verdict()}
    report = run(repository, place, scripts, checks=("grep hello hello.txt",))
    assert report.ok, report.results["t"].error
    assert "the check `grep hello hello.txt` failed" in prompts(place)["t.4"]


def test_what_a_reviewer_changes_is_put_back_and_told(repository: Repository, place: Path) -> None:
    spoils = "echo spoilt > app.py; echo new > new.txt; git commit -qam mine; echo more >> hello.txt\n"
    report = run(repository, place, {"t.1": HELLO, "t.2": spoils + verdict()})
    assert report.ok, report.results["t"].error
    assert repository.files("main") == [".gitignore", "app.py", "docs/guide.md", "hello.txt"]
    assert repository("show", "main:hello.txt") == "hello"
    assert repository("show", "main:app.py").splitlines()[0] == "line 1"
    assert [each for each in report.notices if "its reviewer critic changed" in each and "put back" in each]


@pytest.mark.parametrize(
    "spoils", few(["rm .git", "rm .git; git init -q", "echo gitdir: /tmp > .git", "ln -sf /tmp .git"], 2)
)
def test_a_reviewer_that_breaks_the_worktree_does_not_break_the_task(
    repository: Repository, place: Path, spoils: str
) -> None:
    report = run(
        repository, place, {"t.1": HELLO, "t.2": f"{spoils}; echo spoilt > app.py\n{verdict()}", "t.3": verdict()}
    )
    assert report.ok, report.results["t"].error
    assert repository("show", "main:hello.txt") == "hello"
    assert "spoilt" not in repository("show", "main:app.py")
    assert [each for each in report.notices if "its reviewer critic changed .git, app.py" in each]


def wait_for(path: Path) -> None:
    end = time.monotonic() + 30
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.02)


def test_a_reviewer_that_breaks_the_worktree_at_once_is_not_lost(
    repository: Repository, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def start_and_wait(context: RunContext, order: AttemptOrder) -> RunningAttempt | AttemptEnd:
        started = await start_order(context, order)
        await asyncio.to_thread(wait_for, place / "broken")
        return started

    monkeypatch.setattr(reviewing, "start_order", start_and_wait)
    spoils = f"rm .git; touch {place}/broken\n"
    report = run(repository, place, {"t.1": HELLO, "t.2": spoils + verdict(), "t.3": verdict()})
    assert report.ok, report.results["t"].error


def test_a_worktree_that_cannot_be_linked_again_fails_its_task_and_no_other(
    repository: Repository, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(checkouts, "shutil", SimpleNamespace(rmtree=refuse))
    report = run(repository, place, {"t.1": HELLO, "t.2": "rm .git; mkdir .git\n" + verdict(), "t.3": verdict()})
    assert "cannot be linked again" in str(report.results["t"].error)


def test_a_reviewer_that_goes_on_without_a_repository_is_ended_and_asked_again(
    repository: Repository, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt_watch, "_LOOK_S", 0.1)
    report = run(repository, place, {"t.1": HELLO, "t.2": "rm .git; exec sleep 60", "t.3": verdict()})
    assert report.ok, report.results["t"].error
    assert report.results["t"].review is not None
    assert report.results["t"].review.attempts == 2
    endless = {"t.1": HELLO, **{f"t.{number}": "rm .git; exec sleep 60" for number in range(2, 9)}}
    report = run(repository, place / "again", endless, check_rounds=1)
    assert "was removed or moved while it ran" in str(report.results["t"].error)
    assert max(prompts(place / "again")) == "t.3"


def test_a_reviewer_that_removes_the_worktree_fails_the_task_and_has_ended(
    repository: Repository, place: Path
) -> None:
    report = run(repository, place, {"t.1": HELLO, "t.2": f'rm -rf "$PWD"\n{verdict()}'})
    result = report.results["t"]
    assert result.state is TaskState.FAILED
    assert "its work could not be reviewed: " in str(result.error)
    assert repository("show", f"aurora/{report.run_id}/t:hello.txt") == "hello"


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (verdict("send_back", {"reason": "x", "file": "no/such.py"}), "the work has no file 'no/such.py'"),
        (verdict("send_back", {"reason": "x", "file": "hello.txt", "line": 9}), "hello.txt has 1 line, not 9"),
    ],
    ids=["no such file", "no such line"],
)
def test_the_places_of_reasons_are_looked_up_and_asked_for_again(
    repository: Repository, place: Path, answer: str, complaint: str
) -> None:
    scripts = {"t.1": HELLO, "t.2": f"{answer}\nexit 0", "t.3": verdict()}
    report = run(repository, place, scripts)
    assert report.ok, report.results["t"].error
    assert complaint in prompts(place)["t.3"]
    review = report.results["t"].review
    assert review is not None
    assert review.attempts == 2


def test_a_reason_may_be_about_a_deleted_file_or_no_file(repository: Repository, place: Path) -> None:
    reasons = ({"reason": "keep it", "file": "app.py", "line": 2}, {"reason": "no test", "file": None, "line": None})
    scripts = {"t.1": "rm app.py", "t.2": verdict("send_back", *reasons), "t.3": HELLO, "t.4": verdict()}
    report = run(repository, place, scripts)
    assert report.ok, report.results["t"].error
    assert "app.py:2: keep it" in prompts(place)["t.3"]
    assert "no test" in prompts(place)["t.3"]


# The end of the coordinator in the middle of it.

PROGRAM = """
import json, sys
from pathlib import Path
from tests.spawner.workspaces.test_reviews import make
project, place = Path(sys.argv[1]), Path(sys.argv[2])
run = make(project, place, json.loads(sys.argv[3]))
(place / "run_id").write_text(run.run_id)
print(run.execute_sync().state)
"""
WAITS = "echo $$ > {place}/pid; echo spoilt > app.py; while [ ! -e {place}/go ]; do sleep 0.05; done\n"


def start(repository: Repository, place: Path, scripts: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a run in a process of its own, and wait until its reviewer works."""
    command = [sys.executable, "-c", PROGRAM, str(repository.path), str(place), json.dumps(scripts)]
    started = WarmPopen[bytes](command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})
    until = time.monotonic() + 30
    while not (place / "pid").exists():
        assert time.monotonic() < until
        time.sleep(0.02)
    return started


def resume(place: Path) -> RunReport:
    return Run.resume(place / "runs.db", (place / "run_id").read_text(), backends(place, {})).execute_sync()


def test_a_reviewer_at_work_is_adopted_after_a_kill(repository: Repository, place: Path) -> None:
    scripts = {"t.1": HELLO, "t.2": WAITS.format(place=place) + verdict()}
    with start(repository, place, scripts) as program:
        program.kill()
    (place / "go").touch()
    report = resume(place)
    assert report.ok, report.results["t"].error
    assert set(prompts(place)) == {"t.1", "t.2"}
    assert repository("show", "main:app.py").splitlines()[0] == "line 1"
    assert processes_of_run(report.run_id, within_s=5.0) == []


@pytest.mark.parametrize("words", few(["approve", "send_back"], 1))
def test_a_reviewer_that_has_finished_is_not_asked_again(repository: Repository, place: Path, words: str) -> None:
    """It ended after the kill, and its verdict was read by nobody."""
    said = verdict() if words == "approve" else BAD
    scripts = {"t.1": HALLO, "t.2": WAITS.format(place=place) + said, "t.3": HELLO, "t.4": verdict()}
    with start(repository, place, scripts) as program:
        os.kill(program.pid, signal.SIGSTOP)
        (place / "go").touch()
        time.sleep(0.5)
        program.kill()
    report = resume(place)
    assert report.ok, report.results["t"].error
    assert set(prompts(place)) == ({"t.1", "t.2"} if words == "approve" else {"t.1", "t.2", "t.3", "t.4"})
    with Journal(place / "runs.db") as journal:
        (row,) = load_tasks(journal, report.run_id)
    assert [each.verdict.value for each in row.reviews] == [words, *(["approve"] if words == "send_back" else [])]


def test_a_verdict_in_the_journal_counts_after_a_kill(repository: Repository, place: Path) -> None:
    """The rounds are counted over it: the reviewer is adopted in the second, and the third is one too many."""
    scripts = {
        **{f"t.{n}": f"echo {n} > hello.txt" for n in (1, 3, 5)},
        "t.2": BAD,
        "t.4": WAITS.format(place=place) + BAD,
        "t.6": BAD,
    }
    with start(repository, place, scripts) as program:
        program.kill()
    (place / "go").touch()
    report = resume(place)
    assert report.results["t"].error == "sent back by critic: hello.txt:1: a typing error"
    assert set(prompts(place)) == {f"t.{n}" for n in range(1, 7)}


def test_a_cancelled_task_ends_in_its_review(repository: Repository, place: Path) -> None:
    with start(repository, place, {"t.1": HELLO, "t.2": WAITS.format(place=place) + verdict()}) as program:
        run_id = (place / "run_id").read_text()
        (task,) = run_status(place / "runs.db", run_id).running
        assert (task.agent, task.attempt, task.ended) == ("critic", 2, False)
        cancel_run(place / "runs.db", run_id, task_id="t")
        assert program.communicate(timeout=40)[0].decode().strip() == RunState.FAILED
    assert processes_of_run(run_id, within_s=5.0) == []
    with Journal(place / "runs.db") as journal:
        (row,) = load_tasks(journal, run_id)
        assert {each.state for each in load_attempts(journal, run_id)} == {"ended"}
    assert row.state is TaskState.CANCELLED
    assert repository("show", f"aurora/{run_id}/t:hello.txt") == "hello"


def test_an_interrupted_run_is_reviewed_by_its_resume(repository: Repository, place: Path) -> None:
    scripts = {"t.1": HELLO, "t.2": WAITS.format(place=place) + verdict(), "t.3": verdict()}
    with start(repository, place, scripts) as program:
        program.send_signal(signal.SIGINT)
        printed = program.communicate(timeout=20)[0]
    assert printed.decode().strip() == RunState.INTERRUPTED
    assert processes_of_run((place / "run_id").read_text(), within_s=5.0) == []
    report = resume(place)
    assert report.ok, report.results["t"].error
    assert set(prompts(place)) == {"t.1", "t.2", "t.3"}
    assert "You are a strict critic." in prompts(place)["t.3"]


async def test_the_end_of_an_abandoned_run_ends_its_reviewer_and_keeps_the_work(
    repository: Repository, place: Path
) -> None:
    scripts = {"t.1": HELLO, "t.2": WAITS.format(place=place) + verdict(), "t.3": verdict()}
    with start(repository, place, scripts) as program:
        program.kill()
    run_id = (place / "run_id").read_text()
    await end_abandoned(place / "runs.db", run_id, at_once=True)
    assert processes_of_run(run_id, within_s=5.0) == []
    report = await Run.resume(place / "runs.db", run_id, backends(place, {})).execute()
    assert report.ok, report.results["t"].error
    assert set(prompts(place)) == {"t.1", "t.2", "t.3"}
