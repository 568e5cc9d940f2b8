"""Runs with a gate: decisions, their facts, and a coordinator that is killed and followed by another."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from tests.spawner.gates.gated_coordinator import BACKENDS, WordGate, options, reviewer_running
from tests.warm_python import WarmPopen

from aurora_spawner import Run, RunReport, SpawnTask
from aurora_spawner.control.approvals import answer_approval, approvals_of, open_approvals
from aurora_spawner.control.file_claims import seen_files
from aurora_spawner.control.lookup import is_held
from aurora_spawner.gates.hook import request_of
from aurora_spawner.gates.hook_command import SOCKET_NAME
from aurora_spawner.gates.reading import ReportedCall
from aurora_spawner.gates.tool_calls import ToolCall, ToolUse, UseKind, Verdict
from aurora_spawner.journal.approval_facts import ToolCallJudged
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.views import load_events
from aurora_spawner.runs.approval_inbox import ApprovalInbox
from aurora_spawner.runs.gate_server import GateService
from aurora_spawner.storage.private_sockets import short_path
from aurora_spawner.tasks.approvals import ApprovalAnswer, ApprovalQuestion, AskingAttempt
from aurora_spawner.tasks.prompts import HINTS_HEADING
from aurora_spawner.tasks.run_events import ApprovalAsked, RunEvent

COORDINATOR = Path(__file__).with_name("gated_coordinator.py")


def facts(folder: Path, run_id: str) -> list[ToolCallJudged]:
    with Journal(folder / "runs.db") as journal:
        assert verify(journal).problem is None
        return [each.fact for each in load_events(journal, run_id) if isinstance(each.fact, ToolCallJudged)]


def run_commands(folder: Path, *commands: str, gate: WordGate | None = None, **more: object) -> RunReport:
    chosen = replace(options(folder, gate), **more)  # type: ignore[arg-type]
    return Run.create(folder / "runs.db", [SpawnTask("\n".join(commands), id="1")], BACKENDS, chosen).execute_sync()


def test_each_call_is_judged_and_written_down_before_it_happens(tmp_path: Path) -> None:
    gate = WordGate()
    report = run_commands(tmp_path, "echo 1 > harmless", "echo > danger", "echo > ask", gate=gate)
    assert (tmp_path / "harmless").exists()
    assert not (tmp_path / "danger").exists()
    assert not (tmp_path / "ask").exists()
    assert [(each.action, each.allowed, each.rule, each.answered_by) for each in facts(tmp_path, report.run_id)] == [
        ("allow", True, "", ""),
        ("deny", False, "words", ""),
        ("prompt", False, "", "limit"),
    ]
    assert {(each.task_id, each.agent, each.cwd, each.workspace, each.isolated) for each in gate.calls} == {
        ("1", "claude", tmp_path, tmp_path, False)
    }
    assert report.notices == (
        "task 1: the policy gate stopped 2 tool calls: echo > danger (words); echo > ask (prompt)",
    )
    output = report.results["1"].output
    assert "it is dangerous (rule words). Do not." in output
    assert "the time limit for an answer is 0, so nobody was asked" in output


def test_a_reviewer_meets_the_same_gate(tmp_path: Path) -> None:
    """Its attempts have a spool of their own, the gate of the run has one socket; its calls are its own."""
    gate = WordGate()
    report = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("echo 1 > worked", id="1", review="critic")],
        {**BACKENDS, "critic": reviewer_running("echo 1 > reviewed")},
        options(tmp_path, gate),
    ).execute_sync()
    assert (tmp_path / "reviewed").exists()
    review = report.results["1"].review
    assert review is not None
    assert review.summary == "done: echo 1 > reviewed"
    assert [(each.agent, each.subject, each.allowed) for each in facts(tmp_path, report.run_id)] == [
        ("claude", "echo 1 > worked", True),
        ("critic", "echo 1 > reviewed", True),
    ]
    assert [each.agent for each in gate.calls] == ["claude", "critic"]


def test_a_file_that_a_call_may_write_is_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def edits(service: GateService, task_id: str, agent: str, reported: ReportedCall) -> ToolCall:
        files = ("new/../app.py", str(tmp_path / "deep/one.py"), "/etc/elsewhere")
        use = ToolUse(kind=UseKind.WRITE, files=files, command=reported.uses[0].command)
        return replace(call_of(service, task_id, agent, reported), uses=(use,))

    call_of = GateService._call
    monkeypatch.setattr(GateService, "_call", edits)
    report = run_commands(tmp_path, "echo 1 > harmless")
    assert seen_files(tmp_path / "runs.db", report.run_id) == {"1": ("app.py", "deep/one.py")}


class BrokenGate(WordGate):
    """Fails on some calls, and never returns from others."""

    def judge(self, call: ToolCall) -> Verdict:
        if "fail" in call.subject:
            raise UnicodeEncodeError("utf-8", "x", 0, 1, "cannot be encoded")
        if "hang" in call.subject:
            threading.Event().wait(60)
        return super().judge(call)


def test_a_gate_that_fails_or_hangs_denies_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aurora_spawner.gates.hook_server.JUDGE_LIMIT_S", 0.2)
    calls = ("echo > fail", *(f"echo > hang{number}" for number in range(5)), "echo > kept")
    before = time.monotonic()
    report = run_commands(tmp_path, *calls, gate=BrokenGate())
    assert time.monotonic() - before < 20
    assert {path.name for path in tmp_path.iterdir() if path.stat().st_size < 2} == {"kept"}
    assert [(each.action, each.rule) for each in facts(tmp_path, report.run_id)] == [
        *[("deny", "undecidable")] * 6,
        ("allow", ""),
    ]
    assert "the policy gate failed on it (UnicodeEncodeError)" in report.results["1"].output
    assert "cannot be judged within 0.2 s" in report.results["1"].output
    assert "stopped 6 tool calls" in report.notices[0]


def test_a_call_that_cannot_be_answered_is_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_service: GateService, _task_id: str, _agent: str, _reported: object) -> ToolCall:
        raise KeyError("1")

    monkeypatch.setattr(GateService, "_call", fail)
    report = run_commands(tmp_path, "echo > kept")
    assert not (tmp_path / "kept").exists()
    assert report.notices[0] == "the policy gate failed on a tool call (KeyError), which was denied"


def test_a_consent_lets_a_call_pass(tmp_path: Path) -> None:
    """The agent waits at its hook while a person answers from elsewhere."""
    asked: list[ApprovalAsked] = []

    def answer(event: RunEvent) -> None:
        if isinstance(event, ApprovalAsked):
            asked.append(event)
            thread = threading.Thread(
                target=answer_approval, args=(tmp_path / "runs.db", event.approval), kwargs={"approved": True}
            )
            thread.start()

    chosen = replace(options(tmp_path), approval_limit_s=60.0)
    report = Run.create(tmp_path / "runs.db", [SpawnTask("echo > ask", id="1")], BACKENDS, chosen).execute_sync(
        answer
    )
    assert (tmp_path / "ask").exists()
    assert [(each.task_id, each.question.gate, each.question.subject) for each in asked] == [
        ("1", "live", "echo > ask")
    ]
    assert [(each.allowed, each.answered_by) for each in facts(tmp_path, report.run_id)] == [(True, "user")]


def test_a_question_that_cannot_be_asked_is_answered_by_no(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_inbox: ApprovalInbox, question: ApprovalQuestion, _attempt: AskingAttempt) -> ApprovalAnswer:
        raise OSError(question.subject)

    monkeypatch.setattr(ApprovalInbox, "ask", fail)
    report = run_commands(tmp_path, "echo > ask")
    assert not (tmp_path / "ask").exists()
    assert [(each.allowed, each.answered_by) for each in facts(tmp_path, report.run_id)] == [(False, "no inbox")]


def test_an_agent_whose_cli_ignores_hooks_is_named(tmp_path: Path) -> None:
    report = run_commands(tmp_path, "unasked true")
    assert [each.partition(";")[0] for each in report.notices] == [
        "task 1: claude used tools (1), and its hook asked about none of them"
    ]
    assert run_commands(tmp_path, "unasked true", "true").notices == ()


def test_a_permissive_mode_is_used_only_with_a_gate(tmp_path: Path) -> None:
    def command(**more: object) -> tuple[str, ...]:
        run = Run.create(
            tmp_path / "runs.db",
            [SpawnTask("true", id="1")],
            BACKENDS,
            replace(options(tmp_path), **more),  # type: ignore[arg-type]
        )
        task = run.orders.order(
            SpawnTask("true", id="1"),
            number=1,
            position=0,
            backend=BACKENDS["claude"],
            cwd=tmp_path,
            before=(),
            deadline_s=None,
            open_tasks=1,
        )
        return task.command

    assert "--dangerously-skip-permissions" in command()
    assert "--dangerously-skip-permissions" not in command(gate=None)
    assert "--settings" not in command(gate=None)


def test_a_gate_that_cannot_listen_says_so(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "runs.db", [SpawnTask("wait for .", id="1")], BACKENDS, options(tmp_path))
    (run.orders.spool / SOCKET_NAME).mkdir(parents=True)
    assert any("every tool call is denied" in each for each in run.execute_sync().notices)


async def test_strangers_at_the_socket_get_no_consent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aurora_spawner.runs.agent_questions.KNOWN_WITHIN_S", 0.1)
    run = Run.create(tmp_path / "runs.db", [SpawnTask("wait for go", id="1")], BACKENDS, options(tmp_path))
    running = asyncio.ensure_future(run.execute())
    place = run.orders.spool / SOCKET_NAME
    await asyncio.to_thread(wait_for, place)
    stranger = await asyncio.to_thread(asked, place, request_of("nobody", b"{}"))
    garbage = (b"\xff 2\n{}", b"", b"x 9\n", b"{}\n", b"x 2")
    answers = [await asyncio.to_thread(asked, place, each, whole=False) for each in garbage]
    (tmp_path / "go").touch()
    await running
    assert stranger == b"deny\nno attempt of this run asks for it"
    assert answers == [b""] * len(garbage)


async def test_a_hook_that_is_gone_takes_its_question_back(tmp_path: Path) -> None:
    """As when its command is interrupted: an answer would reach nobody, and the task would wait on."""
    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("wait for go", id="1")],
        BACKENDS,
        replace(options(tmp_path), approval_limit_s=60.0),
    )
    running = asyncio.ensure_future(run.execute())
    place = run.orders.spool / SOCKET_NAME
    await asyncio.to_thread(wait_for, place)
    token = await asyncio.to_thread(token_in, tmp_path)
    call = json.dumps({"tool_name": "Bash", "tool_input": {"command": "echo > ask"}, "cwd": str(tmp_path)}).encode()
    with short_path(place.parent) as short, socket.socket(socket.AF_UNIX) as line:
        line.connect(str(short / place.name))
        line.sendall(request_of(token, call))
        await asyncio.to_thread(wait_for_question, tmp_path)
    await asyncio.to_thread(wait_until, lambda: not open_approvals(tmp_path / "runs.db"))
    (tmp_path / "go").touch()
    await running
    (row,) = approvals_of(tmp_path / "runs.db")
    assert row.note == "its gate no longer waits for it"
    assert facts(tmp_path, run.run_id) == []


def token_in(folder: Path) -> str:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        for claim in folder.glob(".aurora/runs/**/claim"):
            return str(json.loads(claim.read_text())["token"])
        time.sleep(0.02)
    raise AssertionError("no attempt began")


def wait_for(path: Path) -> None:
    wait_until(path.exists)


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not true() and time.monotonic() < until:
        time.sleep(0.01)


def asked(place: Path, request: bytes, *, whole: bool = True) -> bytes:
    with short_path(place.parent) as short, socket.socket(socket.AF_UNIX) as line:
        line.connect(str(short / place.name))
        line.sendall(request)
        if not whole:
            line.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: line.recv(1 << 16), b""))


def wait_for_question(folder: Path) -> str:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if (folder / "runs.db").exists() and (asked := open_approvals(folder / "runs.db")):
            return asked[0].approval
        time.sleep(0.02)
    raise AssertionError("nothing was asked")


def wait_until_held(journal: Path, run_id: str) -> None:
    until = time.monotonic() + 20
    while not is_held(journal, run_id):
        assert time.monotonic() < until, "nobody holds the run"
        time.sleep(0.02)


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts a coordinator in a process of its own."""

    def begin(*words: str, **variables: str) -> subprocess.Popen[str]:
        return WarmPopen(
            [sys.executable, str(COORDINATOR), str(tmp_path), *words],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **variables},
        )

    return begin


def test_after_a_kill_the_next_coordinator_judges_the_adopted_attempt(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    first = start()
    assert first.stdout
    run_id = first.stdout.readline().strip()
    wait_for(tmp_path / "one")
    first.send_signal(signal.SIGKILL)
    first.communicate()
    (tmp_path / "go").touch()  # the agent's next call meets no coordinator, and waits
    second = start(run_id)
    second.communicate(timeout=40)
    assert (tmp_path / "three").exists()
    assert not (tmp_path / "two").exists()
    assert [(each.subject, each.allowed) for each in facts(tmp_path, run_id)] == [
        ("echo one > one", True),
        ("echo danger > two", False),
        ("echo three > three", True),
    ]


def test_a_consent_before_a_kill_holds_for_no_call_after_it(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    """The same command once more is another call, and its attempt still the same."""
    first = start(COMMANDS="echo > ask\nwait for go\necho > ask", ANSWER_LIMIT_S="40")
    assert first.stdout
    run_id = first.stdout.readline().strip()
    answer_approval(tmp_path / "runs.db", wait_for_question(tmp_path), approved=True)
    wait_for(tmp_path / "ask")
    first.kill()
    first.communicate()
    (tmp_path / "ask").unlink()
    (tmp_path / "go").touch()
    start(run_id).communicate(timeout=40)
    assert not (tmp_path / "ask").exists()
    judged = facts(tmp_path, run_id)
    assert [(each.allowed, each.answered_by) for each in judged] == [(True, "user"), (False, "limit")]
    assert [each.approval for each in judged] == [each.approval for each in approvals_of(tmp_path / "runs.db")]


def test_the_open_question_of_a_reviewer_outlives_a_kill(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    wanted = {"COMMANDS": "true", "REVIEW": "echo > ask", "ANSWER_LIMIT_S": "40"}
    first = start(**wanted)
    assert first.stdout
    run_id = first.stdout.readline().strip()
    question = wait_for_question(tmp_path)
    first.kill()
    first.communicate()
    second = start(run_id, **wanted)
    wait_until_held(tmp_path / "runs.db", run_id)  # else this process might hold the run, to answer, as it starts
    answer_approval(tmp_path / "runs.db", wait_for_question(tmp_path), approved=True)
    second.communicate(timeout=40)
    assert (tmp_path / "ask").exists()
    assert [each.approval for each in approvals_of(tmp_path / "runs.db")] == [question]


def test_seven_calls_that_wait_for_a_person_are_each_asked_about_and_made_once_across_a_kill(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    """Two are answered while no coordinator lives, the others by two people at once after the resume."""
    journal = tmp_path / "runs.db"
    wanted = {"TASKS": "7", "COMMANDS": "echo made >> ask.$AURORA_TASK_ID", "ANSWER_LIMIT_S": "60"}
    first = start(**wanted)
    assert first.stdout
    run_id = first.stdout.readline().strip()
    wait_until(lambda: journal.exists() and len(open_approvals(journal)) == 7)
    first.kill()
    first.communicate()
    before = open_approvals(journal)
    assert sorted(each.task_id for each in before) == [str(number) for number in range(1, 8)]
    denied, made, *left = [each.approval for each in before]
    assert answer_approval(journal, denied, approved=False).first
    assert answer_approval(journal, made, approved=True).first
    second = start(run_id, **wanted)
    wait_until_held(journal, run_id)
    assert {each.approval for each in open_approvals(journal)} == set(left)
    with ThreadPoolExecutor(2) as people:
        for each in left:
            twins = list(
                people.map(partial(lambda asked, _: answer_approval(journal, asked, approved=True), each), range(2))
            )
            assert sum(twin.first for twin in twins) == 1
    second.communicate(timeout=40)
    assert {each.approval for each in approvals_of(journal)} == {each.approval for each in before}
    judged = sorted((each.approval, each.allowed, each.answered_by) for each in facts(tmp_path, run_id))
    assert judged == sorted((each.approval, each.approval != denied, "user") for each in before)
    happened = {path.suffix[1:]: path.read_text() for path in tmp_path.glob("ask.*")}
    assert happened == {each.task_id: "made\n" for each in before if each.approval != denied}


def test_what_the_gate_says_to_a_task_stands_at_the_end_of_its_prompt(tmp_path: Path) -> None:
    run_commands(tmp_path, "echo hint > harmless")
    (prompt,) = (tmp_path / ".aurora" / "runs").rglob("prompt")
    words = prompt.read_text().splitlines()
    assert words[0] == "echo hint > harmless"
    assert words[-2:] == [HINTS_HEADING, f"- claude works in {tmp_path}"]
    (tmp_path / "other").mkdir()
    run_commands(tmp_path / "other", "echo more > harmless")
    (prompt,) = (tmp_path / "other" / ".aurora" / "runs").rglob("prompt")
    assert prompt.read_text().strip() == "echo more > harmless"
