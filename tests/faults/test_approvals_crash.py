"""kill -9 of a coordinator while people are asked: every question is open again under its id, answered once."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.exhaustive import few
from tests.spawner.workspaces.repository import ALONE, Repository, make_repository
from tests.warm_python import WarmPopen

from aurora_spawner.control.approvals import AnswerReport, answer_approval, approvals_of, open_approvals
from aurora_spawner.errors import JournalError, UnknownRunError
from aurora_spawner.journal.approval_facts import ApprovalAnswered, ApprovalRequested
from aurora_spawner.journal.approval_views import ApprovalState
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.views import load_events
from aurora_spawner.testing import processes_of_run

ROOT = Path(__file__).resolve().parents[2]
ASKED = 7


def begin(folder: Path, count: int = ASKED, **fault: str) -> subprocess.Popen[bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "AURORA_"))}
    command = [sys.executable, "-m", "tests.faults.asking_coordinator", str(folder), str(count)]
    return WarmPopen(command, cwd=ROOT, env={**kept, **ALONE, **fault})


def until(true: Callable[[], bool], limit_s: float = 50.0) -> None:
    end = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def is_asked(folder: Path, count: int) -> bool:
    try:
        return len(open_approvals(folder / "runs.db")) == count
    except (JournalError, UnknownRunError):  # it is being made
        return False


def facts_of(folder: Path) -> list[object]:
    with Journal(folder / "runs.db") as journal:
        assert verify(journal).problem is None
        return [each.fact for each in load_events(journal, (folder / "run_id").read_text())]


def report_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return found


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return make_repository(tmp_path / "project", {"README.md": "# Project\n"})


def check_each_once(folder: Path, count: int) -> None:
    """No question is lost or doubled, each has one answer, and no task ran twice."""
    facts = facts_of(folder)
    requested = [each for each in facts if isinstance(each, ApprovalRequested)]
    answered = [each for each in facts if isinstance(each, ApprovalAnswered)]
    assert len(requested) == len({each.approval for each in requested}) == count
    assert sorted(each.approval for each in answered) == sorted(each.approval for each in requested)
    starts = {path.suffix[1:]: path.read_text() for path in folder.glob("starts.*")}
    assert starts == {str(n): "started\n" for n in range(1, count + 1)}
    assert processes_of_run((folder / "run_id").read_text(), within_s=5.0) == []


def test_seven_at_once_are_each_answered_once_across_a_kill(tmp_path: Path, repository: Repository) -> None:
    """Three are answered while no coordinator lives, one of them by two people; three by two people at once later."""
    journal = tmp_path / "runs.db"
    with begin(tmp_path) as coordinator:
        until(lambda: is_asked(tmp_path, ASKED))
        coordinator.send_signal(signal.SIGKILL)
    before = open_approvals(journal)
    assert sorted(each.task_id for each in before) == [str(n) for n in range(1, ASKED + 1)]
    denied = before[0]
    assert answer_approval(journal, denied.approval, approved=False, note="no").first
    again = answer_approval(journal, denied.approval, approved=True)
    assert (again.first, again.answer.approved, again.answer.note) == (False, False, "no")
    assert answer_approval(journal, before[1].approval, approved=True).first
    with ThreadPoolExecutor(2) as people:
        twins = list(people.map(lambda _: answer_approval(journal, before[2].approval, approved=True), range(2)))
    assert sorted((each.first, each.running) for each in twins) == [(False, False), (True, False)]
    with begin(tmp_path) as coordinator:
        until(lambda: _holds(journal, coordinator.pid))
        left = {each.approval for each in open_approvals(journal)}
        assert left == {each.approval for each in before[3:]}
        with ThreadPoolExecutor(8) as people:
            both = [
                [people.submit(answer_approval, journal, each, approved=yes) for yes in (True, True)] for each in left
            ]
        reports: list[list[AnswerReport]] = [[each.result() for each in pair] for pair in both]
        assert [sum(each.first for each in pair) for pair in reports] == [1] * len(left)
        assert coordinator.wait(timeout=50) == 1  # one was denied
    check_each_once(tmp_path, ASKED)
    states = report_of(tmp_path)["states"]
    assert states == {each.task_id: "failed" if each is denied else "succeeded" for each in before}
    assert "(by user: no)" in report_of(tmp_path)["errors"][denied.task_id]
    assert {each.approval for each in approvals_of(journal)} == {each.approval for each in before}
    merged = repository.files("main")
    assert (f"{denied.task_id}.txt" in merged, f"{before[1].task_id}.txt" in merged) == (False, True)


def _holds(journal: Path, pid: int) -> bool:
    from aurora_spawner.control.lookup import find_run

    run, _tasks = find_run(journal, (journal.parent / "run_id").read_text())
    return run.holder is not None and run.holder.pid == pid


KINDS = ("approval_requested", "work_judged", "task_settled", "run_ended", "approval_answered")


@pytest.mark.parametrize(
    ("moment", "kind"), few([(moment, kind) for moment in ("before", "after") for kind in KINDS], 1)
)
def test_killed_around_a_fact(tmp_path: Path, repository: Repository, moment: str, kind: str) -> None:
    """Somebody answers whatever is open all the time; the run is resumed after the kill."""
    over = threading.Event()

    def keep_answering() -> None:
        while not over.wait(0.1):
            if not (tmp_path / "run_id").exists():
                continue
            for each in open_approvals(tmp_path / "runs.db"):
                answer_approval(tmp_path / "runs.db", each.approval, approved=True)

    with ThreadPoolExecutor(1) as people:
        answering = people.submit(keep_answering)
        try:
            with begin(tmp_path, 2, AURORA_FAULT=f"{moment}:{kind}") as coordinator:
                assert coordinator.wait(timeout=55) == -signal.SIGKILL
            with begin(tmp_path, 2) as coordinator:
                assert coordinator.wait(timeout=55) == 0
        finally:
            over.set()
        answering.result()
    check_each_once(tmp_path, 2)
    assert {each.state for each in approvals_of(tmp_path / "runs.db")} == {ApprovalState.APPROVED}
    assert {"1.txt", "2.txt"} <= set(repository.files("main"))


def test_an_interrupted_run_keeps_its_questions(tmp_path: Path, repository: Repository) -> None:
    journal = tmp_path / "runs.db"
    with begin(tmp_path, 2) as coordinator:
        until(lambda: is_asked(tmp_path, 2))
        coordinator.send_signal(signal.SIGINT)
        assert coordinator.wait(timeout=50) == 1
    assert set(report_of(tmp_path)["states"].values()) == {"cancelled"}
    before = open_approvals(journal)
    assert len(before) == 2
    for each in before:
        answer_approval(journal, each.approval, approved=True)
    with begin(tmp_path, 2) as coordinator:
        assert coordinator.wait(timeout=50) == 0
    check_each_once(tmp_path, 2)


def test_a_grant_given_without_a_coordinator_answers_what_it_covers(tmp_path: Path, repository: Repository) -> None:
    with begin(tmp_path, 3) as coordinator:
        until(lambda: is_asked(tmp_path, 3))
        coordinator.kill()
    first, *others = open_approvals(tmp_path / "runs.db")
    answer_approval(tmp_path / "runs.db", first.approval, approved=True, always=True)
    assert open_approvals(tmp_path / "runs.db") == []
    given = {each.approval: (each.state, each.answered_by) for each in approvals_of(tmp_path / "runs.db")}
    assert {given[each.approval] for each in others} == {(ApprovalState.APPROVED, "grant")}
    with begin(tmp_path, 3) as coordinator:
        assert coordinator.wait(timeout=60) == 0
    check_each_once(tmp_path, 3)
    assert repository.files("main") == ["1.txt", "2.txt", "3.txt", "README.md"]
