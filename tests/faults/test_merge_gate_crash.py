"""kill -9 around the approval of a merge: asked once, and the target never moves before the answer is written."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.exhaustive import few
from tests.spawner.workspaces.repository import ALONE, Repository, make_repository
from tests.warm_python import WarmPopen

from aurora_spawner.control.approvals import answer_approval, approvals_of, open_approvals
from aurora_spawner.control.merging import merge_work
from aurora_spawner.control.steering import cancel_run
from aurora_spawner.errors import JournalError, UnknownRunError
from aurora_spawner.gates.deliveries import DeliveryRequest
from aurora_spawner.gates.tool_calls import Verdict
from aurora_spawner.journal.approval_facts import ApprovalAnswered, ApprovalRequested
from aurora_spawner.journal.approval_views import ApprovalState
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.views import load_events, load_run
from aurora_spawner.journal.work_facts import RunDelivered
from aurora_spawner.tasks.result import RunState

from .delivering_coordinator import Gate, take

ROOT = Path(__file__).resolve().parents[2]


def begin(folder: Path, **fault: str) -> subprocess.Popen[bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "AURORA_"))}
    command = [sys.executable, "-m", "tests.faults.delivering_coordinator", str(folder)]
    return WarmPopen(command, cwd=ROOT, env={**kept, **ALONE, **fault})


def until(true: Callable[[], bool], limit_s: float = 50.0) -> None:
    end = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def asked(folder: Path) -> list[str]:
    try:
        return [each.approval for each in open_approvals(folder / "runs.db")]
    except (JournalError, UnknownRunError):  # it is being made
        return []


def run_id_of(folder: Path) -> str:
    return (folder / "run_id").read_text()


def facts_of(folder: Path) -> list[object]:
    with Journal(folder / "runs.db") as journal:
        assert verify(journal).problem is None
        return [each.fact for each in load_events(journal, run_id_of(folder))]


def state_of(folder: Path) -> RunState:
    with Journal(folder / "runs.db") as journal:
        return load_run(journal, run_id_of(folder)).state


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return make_repository(tmp_path / "project", {"README.md": "# Project\n"})


@contextmanager
def somebody_who_approves(folder: Path) -> Iterator[None]:
    """Approves whatever is open, all the time."""
    over = threading.Event()

    def keep_answering() -> None:
        while not over.wait(0.1):
            for approval in asked(folder) if (folder / "run_id").exists() else ():
                answer_approval(folder / "runs.db", approval, approved=True)

    with ThreadPoolExecutor(1) as people:
        answering = people.submit(keep_answering)
        try:
            yield
        finally:
            over.set()
        answering.result()


def check_asked_once(folder: Path) -> None:
    facts = facts_of(folder)
    requested = [at for at, each in enumerate(facts) if isinstance(each, ApprovalRequested)]
    answered = [at for at, each in enumerate(facts) if isinstance(each, ApprovalAnswered)]
    delivered = [at for at, each in enumerate(facts) if isinstance(each, RunDelivered) and each.delivery["outcome"]]
    assert (len(requested), len(answered)) == (1, 1)
    assert requested[0] < answered[0] < delivered[-1]


KINDS = ("work_merged", "delivery_judged", "approval_requested", "approval_answered", "run_delivered", "run_ended")


@pytest.mark.parametrize(
    ("moment", "kind"), few([(moment, kind) for kind in KINDS for moment in ("before", "after")], 1)
)
def test_killed_around_a_fact(tmp_path: Path, repository: Repository, moment: str, kind: str) -> None:
    before = repository("rev-parse", "main")
    with somebody_who_approves(tmp_path):
        with begin(tmp_path, AURORA_FAULT=f"{moment}:{kind}") as coordinator:
            assert coordinator.wait(timeout=55) == -signal.SIGKILL
            if not any(isinstance(each, ApprovalAnswered) for each in facts_of(tmp_path)):
                assert repository("rev-parse", "main") == before
        with begin(tmp_path) as coordinator:
            assert coordinator.wait(timeout=55) == 0
    check_asked_once(tmp_path)
    assert repository.files("main") == ["1.txt", "2.txt", "README.md"]


def test_killed_after_the_target_has_moved_and_before_the_journal_knows(
    tmp_path: Path, repository: Repository
) -> None:
    """The second fact of a delivery is the one that is written after the target has moved."""
    fault = "import sys\nfrom pathlib import Path\n" + KILL_AT_THE_DELIVERY
    with somebody_who_approves(tmp_path):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "AURORA_"))}
        command = [sys.executable, "-c", fault, str(tmp_path)]
        with WarmPopen(command, cwd=ROOT, env={**kept, **ALONE}) as coordinator:
            assert coordinator.wait(timeout=55) == -signal.SIGKILL
        assert repository.files("main") == ["1.txt", "2.txt", "README.md"]
        with begin(tmp_path) as coordinator:
            assert coordinator.wait(timeout=55) == 0
    check_asked_once(tmp_path)


KILL_AT_THE_DELIVERY = """
import os, signal
from aurora_spawner.journal.store import Journal
from tests.faults.delivering_coordinator import main
append = Journal.append
def append_or_die(self, entries, *, lease=None):
    if any(kind == "run_delivered" and '"outcome":null' not in text for _run, _task, kind, text, _values in entries):
        os.kill(os.getpid(), signal.SIGKILL)
    append(self, entries, lease=lease)
Journal.append = append_or_die
main(Path(sys.argv[1]))
"""


def test_ctrl_c_leaves_the_question_and_a_resume_asks_it_again(tmp_path: Path, repository: Repository) -> None:
    with begin(tmp_path) as coordinator:
        until(lambda: len(asked(tmp_path)) == 1)
        coordinator.send_signal(signal.SIGINT)
        assert coordinator.wait(timeout=50) == 1
    assert json.loads((tmp_path / "report.json").read_text())["state"] == "interrupted"
    assert state_of(tmp_path) is RunState.INTERRUPTED
    (approval,) = asked(tmp_path)
    with begin(tmp_path) as coordinator:
        until(lambda: state_of(tmp_path) is RunState.RUNNING)
        assert answer_approval(tmp_path / "runs.db", approval, approved=True).first
        assert coordinator.wait(timeout=50) == 0
    check_asked_once(tmp_path)
    assert "1.txt" in repository.files("main")


def test_a_denial_keeps_the_target_and_a_resume_keeps_to_it(tmp_path: Path, repository: Repository) -> None:
    for _attempt in range(2):
        with begin(tmp_path) as coordinator:
            until(lambda: bool(asked(tmp_path)) or coordinator.poll() is not None)
            for approval in asked(tmp_path):
                answer_approval(tmp_path / "runs.db", approval, approved=False, note="not today")
            assert coordinator.wait(timeout=50) == 1
        assert "(by user: not today)" in json.loads((tmp_path / "report.json").read_text())["refusal"]
    assert len(approvals_of(tmp_path / "runs.db")) == 1
    assert repository.files("main") == ["README.md"]


@pytest.mark.parametrize("killed", few([True, False], 1))
def test_a_run_that_waits_can_be_cancelled_and_its_work_merged_later(
    tmp_path: Path, repository: Repository, *, killed: bool
) -> None:
    journal = tmp_path / "runs.db"
    with begin(tmp_path) as coordinator:
        until(lambda: len(asked(tmp_path)) == 1)
        if killed:
            coordinator.kill()
            coordinator.wait()
        cancel_run(journal, run_id_of(tmp_path))
        assert coordinator.wait(timeout=50) == (-signal.SIGKILL if killed else 1)
    assert state_of(tmp_path) is RunState.CANCELLED
    assert repository.files("main") == ["README.md"]
    report = merge_work(journal, run_id_of(tmp_path), gate=Gate())
    (row,) = approvals_of(journal)
    assert (report.approval, row.state) == (row.approval, ApprovalState.OPEN)  # the question of the run, not another
    answer_approval(journal, row.approval, approved=True)
    assert merge_work(journal, run_id_of(tmp_path), gate=Gate()).arrived
    assert repository.files("main") == ["1.txt", "2.txt", "README.md"]


def test_a_question_that_was_answered_without_a_process_counts_for_a_resume(
    tmp_path: Path, repository: Repository
) -> None:
    with begin(tmp_path) as coordinator:
        until(lambda: len(asked(tmp_path)) == 1)
        coordinator.send_signal(signal.SIGKILL)
    (approval,) = asked(tmp_path)
    answer_approval(tmp_path / "runs.db", approval, approved=True)
    assert repository.files("main") == ["README.md"]
    with begin(tmp_path) as coordinator:
        assert coordinator.wait(timeout=50) == 0
    check_asked_once(tmp_path)
    assert "2.txt" in repository.files("main")


def test_a_gate_that_fails_denies_and_ends_no_coordinator(
    tmp_path: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_gate: Gate, _request: DeliveryRequest) -> Verdict:
        raise ValueError

    monkeypatch.setattr(Gate, "judge", fail)
    report = take(tmp_path).execute_sync()
    assert report.merge is not None
    assert "the merge gate failed (ValueError)" in report.merge.delivery.refusal
    assert state_of(tmp_path) is RunState.FAILED
    assert repository.files("main") == ["README.md"]
