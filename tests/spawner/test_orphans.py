"""Orphans of an attempt whose supervisor was killed are found and ended."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from aurora_spawner.supervision.environment import TOKEN_VARIABLE
from aurora_spawner.supervision.orphans import end_orphans, find_orphans

Start = Callable[..., subprocess.Popen[bytes]]
WAIT = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a process with an attempt's token in its environment, or with none; it is ended in the end."""
    begun: list[subprocess.Popen[bytes]] = []

    def begin(
        token: str | None, command: list[str] = WAIT, *, session: bool = True, variable: str = TOKEN_VARIABLE
    ) -> subprocess.Popen[bytes]:
        clean = {name: value for name, value in os.environ.items() if name != TOKEN_VARIABLE}
        environment = clean if token is None else {**clean, variable: token}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, start_new_session=session)
        begun.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


def test_a_process_that_carries_the_token_is_found_and_ended(start: Start) -> None:
    process = start("t-1")
    assert find_orphans("t-1", session=None) == [process.pid]
    assert end_orphans("t-1", session=None) == []
    assert process.wait(10) == -signal.SIGKILL


def test_an_attempt_whose_token_begins_alike_is_left_alone(start: Start) -> None:
    """Tokens count up: the first attempt's is the beginning of the sixteenth's."""
    other = start("t-10")
    assert find_orphans("t-1", session=None) == []
    assert end_orphans("t-1", session=None) == []
    assert other.poll() is None


def test_a_variable_whose_name_ends_alike_is_another(start: Start) -> None:
    start("t-1", variable=f"OUTER_{TOKEN_VARIABLE}")
    assert find_orphans("t-1", session=None) == []


LEAVE_A_MEMBER = f"""
import subprocess
member = subprocess.Popen({WAIT!r}, env={{}}, stdout=subprocess.PIPE)
member.stdout.readline()
print(member.pid, flush=True)
"""


def test_the_session_is_followed_where_the_environment_was_cleared(start: Start) -> None:
    """The leader carries the token; what it started does not."""
    leader = start("t-2", [sys.executable, "-c", f"{LEAVE_A_MEMBER}\nmember.wait()"])
    found = find_orphans("t-2", session=leader.pid)
    assert len(found) == 2
    assert leader.pid in found
    assert end_orphans("t-2", session=leader.pid) == []
    assert find_orphans("t-2", session=leader.pid) == []


def test_a_session_that_is_somebody_elses_by_now_is_left_alone(start: Start) -> None:
    """The pid of a dead agent was given to a process that leads a session without the token."""
    stranger = start(None)
    assert find_orphans("t-3", session=stranger.pid) == []
    assert stranger.poll() is None


def test_members_of_a_session_whose_leader_is_gone_are_found() -> None:
    command = [sys.executable, "-c", LEAVE_A_MEMBER]
    leader = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    member = int(leader.communicate()[0])
    assert find_orphans("t-4", session=leader.pid) == [member]
    assert end_orphans("t-4", session=leader.pid) == []
    assert find_orphans("t-4", session=leader.pid) == []


def test_our_own_session_is_never_swept(start: Start) -> None:
    bystander = start(None, session=False)
    process = start("t-6", session=False)
    assert find_orphans("t-6", session=None) == [process.pid]
    assert end_orphans("t-6", session=None) == []
    assert bystander.poll() is None


def test_what_will_not_die_within_the_limit_is_named(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    process = start("t-5")
    monkeypatch.setattr("aurora_spawner.supervision.orphans.os.kill", lambda _pid, _number: None)
    assert end_orphans("t-5", session=None, limit_s=0.05) == [process.pid]
