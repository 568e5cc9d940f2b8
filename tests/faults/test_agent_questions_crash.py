"""kill -9 of a coordinator while agents wait for a person: each has asked once, and gets its one answer."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.exhaustive import few
from tests.warm_python import WarmPopen

from aurora_spawner.control.approvals import answer_agent, answer_approval, open_approvals
from aurora_spawner.errors import JournalError, UnknownRunError
from aurora_spawner.journal.approval_facts import ApprovalAnswered, ApprovalRequested
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.views import load_events

ROOT = Path(__file__).resolve().parents[2]


def begin(folder: Path, count: int) -> subprocess.Popen[bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "AURORA_"))}
    command = [sys.executable, "-m", "tests.faults.agents_that_ask", str(folder), str(count)]
    return WarmPopen(command, cwd=ROOT, env=kept)


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


@pytest.mark.parametrize("count", few([3, 7], 1))
def test_agents_that_ask_are_answered_once_across_a_kill(tmp_path: Path, count: int) -> None:
    """Two at once may work; all of them ask, as one that waits holds no slot. One answer comes while nobody lives."""
    journal = tmp_path / "runs.db"
    with begin(tmp_path, count) as coordinator:
        until(lambda: is_asked(tmp_path, count))
        coordinator.send_signal(signal.SIGKILL)
    first, second, *others = open_approvals(journal)
    assert (first.gate, first.rule) == ("agent", "question")
    assert first.reason == "asks you to choose: left | right; without an answer: left"
    assert not answer_agent(journal, first.approval, "straight on").running
    with begin(tmp_path, count) as coordinator:
        until((tmp_path / f"answer.{first.task_id}").exists)
        assert answer_approval(journal, second.approval, approved=False).first
        assert [answer_agent(journal, each.approval, "right").first for each in others] == [True] * len(others)
        assert coordinator.wait(timeout=50) == 0
    said = {path.suffix[1:]: path.read_text() for path in tmp_path.glob("answer.*")}
    assert said == {
        **{each.task_id: "right by user\n" for each in others},
        first.task_id: "straight on by user\n",
        second.task_id: "no by user\n",
    }
    assert {path.read_text() for path in tmp_path.glob("starts.*")} == {"started\n"}
    with Journal(journal) as store:
        assert verify(store).problem is None
        facts = [each.fact for each in load_events(store, (tmp_path / "run_id").read_text())]
    assert sum(isinstance(each, ApprovalRequested) for each in facts) == count
    assert sum(isinstance(each, ApprovalAnswered) for each in facts) == count
