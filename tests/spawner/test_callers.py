"""What the user alone decides is refused to a process of an agent, whatever its environment says."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.exhaustive import few
from tests.spawner.exported_events import exported_events

from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask
from aurora_spawner.control.approvals import answer_approval, approvals_of, revoke_grant
from aurora_spawner.control.audit import DECISIONS
from aurora_spawner.control.timeline import run_timeline
from aurora_spawner.errors import AgentAnswersError, UnknownLineageError
from aurora_spawner.runs.coordinator import Coordinator
from aurora_spawner.supervision.belonging import attempt_of
from aurora_spawner.supervision.environment import TOKEN_VARIABLE
from aurora_spawner.tasks.approvals import ApprovalQuestion, AskingAttempt

SAYS = """
import json, os, socket, sys
if os.environ.get("AURORA_ATTEMPT"):
    sys.exit("the test is not what it should be: its environment tells")
line = socket.socket(socket.AF_UNIX)
line.connect(sys.argv[1])
request = {"do": sys.argv[2], "approval": sys.argv[3], "approved": True}
line.sendall(json.dumps(request).encode() + b"\\n")
if sys.argv[4:] == ["leave"]:
    sys.exit()
said = b""
while piece := line.recv(4096):
    said += piece
with open("said.new", "wb") as file:
    file.write(said)
os.rename("said.new", "said")
"""
"""Speaks with a coordinator itself, since a hostile agent would not use our client."""
CLEARED = f"env -u {TOKEN_VARIABLE} {sys.executable} -I -S says.py"
WAYS = {
    "cleared": CLEARED,
    "unset": f"unset {TOKEN_VARIABLE}; exec {sys.executable} -I -S says.py",
    "nothing left": f"env -i {sys.executable} -I -S says.py",
    "session of its own": f"setsid -w {CLEARED}",
    "daemon": f"env -i setsid -f {sys.executable} -I -S says.py",
    "forked twice": f"env -i setsid -f sh -c '{sys.executable} -I -S says.py \"$@\" & exit' sh",
    "without its shell": f"sh -c '(sleep 0.3; exec {CLEARED} \"$@\") & exit' sh",
}
"""How an agent's shell may call, hiding where it comes from."""


def until(found: Callable[[], Any]) -> Any:
    """Wait for something to be there."""
    for _ in range(1500):
        if value := found():
            return value
        time.sleep(0.02)
    raise AssertionError("it did not come")


class Trial:
    """A run with one open question, whose agent calls its coordinator."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, script: str, **options: Any) -> None:
        trial, self.folder = self, folder
        (folder / "says.py").write_text(SAYS)

        class Known(Coordinator):
            def __init__(self, *args: Any, **more: Any) -> None:
                super().__init__(*args, **more)
                trial.coordinator = self

        monkeypatch.setattr("aurora_spawner.runs.execution.Coordinator", Known)
        self.coordinator: Coordinator
        given = RunOptions(default_agent="sh", cwd=folder, spool=folder / "runs", **options)
        waits = "until test -e question; do sleep 0.02; done; set -- $(cat question)"
        ends = "until test -e finish; do sleep 0.02; done; echo done"
        task = SpawnTask(f"{waits}; ({script}) & {ends}", id="a")
        self.run = Run.create(folder / "runs.db", [task], {"sh": CommandBackend("sh", ("sh",))}, given)
        self.socket = folder / "runs" / self.run.run_id / "control.sock"

    async def of_agent(self, do: str = "answer", *more: str) -> dict[str, Any]:
        """Let the agent call, and return what it was told; the user denies the question then."""
        said: dict[str, Any] = {}

        async def play() -> None:
            await asyncio.to_thread(until, lambda: hasattr(self, "coordinator") and self._running())
            question = ApprovalQuestion(
                task_id="a", gate="live", subject="rm -rf x", rule="file_delete", reason="deletes", shape="rm -rf"
            )
            asked = asyncio.ensure_future(
                self.coordinator.approvals.ask(question, AskingAttempt(number=1, agent="sh"))
            )
            (row,) = await asyncio.to_thread(until, lambda: approvals_of(self.run.journal))
            words = " ".join((str(self.socket.relative_to(self.folder)), do, row.approval, *more))
            self._put("question", words)
            if more:
                await asyncio.to_thread(until, self.refusals)
            else:
                await asyncio.to_thread(until, (self.folder / "said").exists)
                said.update(json.loads((self.folder / "said").read_text()))
            await asyncio.to_thread(answer_approval, self.run.journal, row.approval, approved=False)
            assert not (await asked).approved
            self._put("finish", "")

        playing = asyncio.create_task(play())
        self.report = await self.run.execute()
        await playing
        return said

    def _put(self, name: str, text: str) -> None:
        new = self.folder / f"{name}.new"
        new.write_text(text)
        new.rename(self.folder / name)

    def _running(self) -> bool:
        return bool(self.coordinator.status()["running"])

    def marks(self) -> list[str]:
        """The marks in the timeline of the run."""
        shown = run_timeline(self.run.journal, self.run.run_id)
        return [mark.label for mark in (*shown.marks, *(mark for task in shown.tasks for mark in task.marks))]

    def refusals(self) -> list[dict[str, Any]]:
        assert "answer_refused" in DECISIONS
        return exported_events(self.run.journal, "answer_refused")


@pytest.mark.parametrize("way", few(list(WAYS), 3))
async def test_an_agent_that_hides_where_it_comes_from_answers_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    trial = Trial(tmp_path, monkeypatch, f'{WAYS[way]} "$@"')
    said = await trial.of_agent()
    assert not said["ok"]
    assert "is for the user, and this process belongs to an agent" in said["error"]
    (row,) = approvals_of(trial.run.journal)
    assert (row.state.value, row.answered_by) == ("denied", "user")
    (refused,) = trial.refusals()
    assert refused["fields"]["approval"] == row.approval
    assert refused["fields"]["pid"] > 1
    assert any("a question is for the user alone" in each for each in trial.report.notices)
    assert f"refused ({row.approval}): {refused['fields']['why']}, and not the user" in trial.marks()


async def test_an_agent_takes_no_task_over_and_the_timeline_says_what_it_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Trial(tmp_path, monkeypatch, f'{CLEARED} "$@"')
    said = await trial.of_agent("take_over")
    assert "a take-over is for the user" in said["error"]
    assert any(label.startswith("refused (a take-over): a process of ") for label in trial.marks())


async def test_an_agent_takes_no_grant_back_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = await Trial(tmp_path, monkeypatch, f'{CLEARED} "$@"').of_agent("revoke")
    assert not said["ok"]


async def test_a_caller_that_leaves_before_it_is_looked_at_decides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Trial(tmp_path, monkeypatch, f'{CLEARED} "$@"')
    await trial.of_agent("answer", "leave")
    (row,) = approvals_of(trial.run.journal)
    assert (row.state.value, row.answered_by) == ("denied", "user")
    assert trial.refusals()


async def test_an_agent_in_a_loop_does_not_fill_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aurora_spawner.runs.callers.REFUSALS_LIMIT", 2)
    calls = CLEARED.replace("says.py", "../says.py")
    again = f'mkdir o; cd o; for i in 1 2 3; do {calls} "../$1" "$2" x$i; done; cd ..; {CLEARED} "$@"'
    trial = Trial(tmp_path, monkeypatch, again)
    assert not (await trial.of_agent())["ok"]
    assert [each["fields"]["approval"] for each in trial.refusals()] == ["x1", "x2"]


def test_a_process_without_an_agent_above_it_is_the_users(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as own:
        assert attempt_of(own.pid) is None
        own.kill()
    with pytest.raises(UnknownLineageError, match="not taken from process"):
        attempt_of(own.pid)


def test_our_own_client_refuses_an_agent_that_cleared_its_environment(tmp_path: Path) -> None:
    """Also without a coordinator that could."""
    script = (
        "from pathlib import Path; from aurora_spawner.control.approvals import answer_approval, revoke_grant\n"
        "from aurora_spawner.control.board import post_from_outside\n"
        "answers = lambda at: answer_approval(at, 'x', approved=True)\n"
        "for call in (answers, lambda at: revoke_grant(at, 'x'), lambda at: post_from_outside(at, 'x', 'hello')):\n"
        "    try: call(Path('runs.db'))\n"
        "    except Exception as error: print(type(error).__name__)\n"
    )
    inner = ["env", "-u", TOKEN_VARIABLE, sys.executable, "-c", script]
    shell = ["sh", "-c", '"$@"; :', "sh", *inner]
    done = subprocess.run(
        shell, env={**os.environ, TOKEN_VARIABLE: "t"}, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["AgentAnswersError", "AgentAnswersError", "PostRefusedError"]


def test_the_environment_of_the_process_itself_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "")
    with pytest.raises(AgentAnswersError):
        revoke_grant(tmp_path / "runs.db", "x")
