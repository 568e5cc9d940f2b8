"""Agent CLIs on workers of a pool: the policies of the worker judge each tool call, and the run's journal has it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.postgres import PostgresServer
from tests.spawner.gates.gated_coordinator import BACKENDS, FAKE, WordGate
from tests.spawner.pool_trees import Site
from tests.spawner.workspaces.repository import ALONE

from aurora_spawner import CliBackend, SpawnTask
from aurora_spawner.attempts.attempt_folder import AttemptFolder
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd
from aurora_spawner.distributed.documents import JUDGED_LIMIT, OrderDocument
from aurora_spawner.distributed.worker_gate import JUDGED, GatedAttempt, WorkerGate, judged_calls
from aurora_spawner.distributed.worker_orders import Inheritance, order_for, where_it_worked
from aurora_spawner.distributed.worker_trees import AgentPlace
from aurora_spawner.gates.hook import request_of
from aurora_spawner.gates.hook_command import SOCKET_NAME, HookCommand
from aurora_spawner.journal.approval_facts import ToolCallJudged
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.views import load_events
from aurora_spawner.supervision.environment import TOKEN_VARIABLE

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner import RunReport

ORDER: dict[str, object] = {
    "run_id": "run-1",
    "task_id": "t",
    "number": 1,
    "agent": "claude",
    "model": None,
    "prompt": "x",
    "deadline_s": 7.0,
    "sandbox": "off",
    "depth": 1,
}
LINE = '{{"tool":"Bash","subject":"{}","action":"{}","allowed":{},"rule":"","reason":"","answered_by":""}}\n'


@pytest.fixture
def site(tmp_path: Path, server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Site:
    for name, value in ALONE.items():
        monkeypatch.setenv(name, value)
    made = Site.make(tmp_path, server.new_database(), {"app.py": "line\n"})
    made.backends, made.gate = BACKENDS, WordGate()
    return made


def judged(site: Site, report: RunReport) -> list[tuple[str, str, bool, str, str]]:
    with Journal(site.folder / "runs.db") as journal:
        assert verify(journal).problem is None
        facts = [each.fact for each in load_events(journal, report.run_id) if isinstance(each.fact, ToolCallJudged)]
    return [(each.subject, each.action, each.allowed, each.rule, each.answered_by) for each in facts]


async def test_a_dangerous_call_is_stopped_on_the_worker_and_the_rest_is_merged(site: Site) -> None:
    commands = ("echo 1 > harmless", "echo > danger", "echo > ask")
    async with site.working("w1") as lines:
        run = site.run(SpawnTask("\n".join(commands), id="1", agent="claude"))
        report = await asyncio.wait_for(run.execute(), 60)
    result = report.results["1"]
    assert result.success, result.error
    assert {each.name for each in site.project.path.iterdir()} == {".git", "app.py", "harmless"}
    assert judged(site, report) == [
        ("echo 1 > harmless", "allow", True, "", ""),
        ("echo > danger", "deny", False, "words", ""),
        ("echo > ask", "prompt", False, "", "nobody"),
    ]
    assert "it is dangerous (rule words). Do not." in result.output
    assert "nobody can be asked on a worker of a pool" in result.output
    told = "task 1: the policy gate stopped 2 tool calls: echo > danger (words); echo > ask (prompt)"
    assert told in report.notices
    assert any("the policies stopped a tool call: echo > danger" in each for each in lines)
    assert isinstance(site.gate, WordGate)
    (place,) = {each.workspace for each in site.gate.calls}
    assert place.is_relative_to(site.folder / "w1" / "trees")
    assert {(each.agent, each.cwd, each.isolated) for each in site.gate.calls} == {("claude", place, True)}


async def test_the_next_process_of_a_worker_judges_for_the_agents_of_a_killed_one(site: Site) -> None:
    go = site.folder / "go"
    task = SpawnTask(f"echo 1 > one\nwait for {go}\necho > danger\necho 3 > three", id="1", agent="claude")
    running = asyncio.create_task(site.run(task).execute())
    async with site.working("w1", killed=True):
        async with asyncio.timeout(30):
            while not list((site.folder / "w1" / "attempts").glob(f"*/{JUDGED}")):  # noqa: ASYNC110 -- a file
                await asyncio.sleep(0.05)
    go.touch()
    async with site.working("w1") as lines:
        report = await asyncio.wait_for(running, 60)
    assert any(each.endswith("adopted") for each in lines), lines
    assert [each[:3] for each in judged(site, report)] == [
        ("echo 1 > one", "allow", True),
        ("echo > danger", "deny", False),
        ("echo 3 > three", "allow", True),
    ]
    assert (site.project.path / "three").exists()
    assert not (site.project.path / "danger").exists()


async def test_a_hook_waits_until_the_next_process_knows_its_attempt(tmp_path: Path) -> None:
    """The next process answers before it has looked what the last one has left."""
    said, lines = list[str](), list[bytes]()
    gate = WorkerGate(gate=WordGate(), folder=tmp_path, tell=said.append)
    gate.expect(["left", "lost"])
    document = OrderDocument.of(**ORDER)
    call = json.dumps({"tool_name": "Bash", "tool_input": {"command": "echo > danger"}, "cwd": str(tmp_path)})

    async def ask(token: str) -> None:
        reader, writer = await asyncio.open_unix_connection(tmp_path / SOCKET_NAME)
        writer.write(request_of(token, call.encode()))
        lines.append(await reader.read())
        writer.close()

    async with gate.serving():
        asking = [asyncio.create_task(ask(token)) for token in ("left", "lost")]
        await ask("unknown")
        assert lines == [b"deny\nno attempt of this worker asks for it"]
        place = AgentPlace(cwd=tmp_path, variables={})
        gate.hook_for("left", GatedAttempt(document=document, folder=tmp_path, place=place))
        gate.forget("lost")
        await asyncio.wait_for(asyncio.gather(*asking), 10)
    assert sorted(each.split(b" ")[0] for each in lines[1:]) == [b"deny\nno", b"deny\nthe"]
    assert [each.subject for each in judged_calls(tmp_path)[0]] == ["echo > danger"]


def test_the_worker_gives_its_own_cli_the_hook_instructions_and_the_cost_limit(tmp_path: Path) -> None:
    document = OrderDocument.of(**ORDER, instructions="Be brief.", allowance_usd=1.5)
    order = order_for(
        OrderDocument.parse(document.to_text()),
        BACKENDS["claude"],
        token="token-1",
        folder=tmp_path,
        cwd=tmp_path,
        inheritance=Inheritance({"PATH": os.environ["PATH"], "AURORA_DATABASE_URL": "postgresql://secret"}),
        variables={},
        hook=HookCommand(socket=tmp_path / "gate.sock", token="token-1"),
    )
    assert order.files[tmp_path / "instructions.md"] == "Be brief.\n"
    assert order.command[-2:] == ("--max-budget-usd", "1.500000")
    assert str(tmp_path / "gate.sock") in order.command[order.command.index("--settings") + 1]
    assert order.environment[TOKEN_VARIABLE] == "token-1"
    assert "7000" in order.environment.values()
    assert not any("postgresql" in each for each in order.environment.values())


def test_an_agent_that_says_it_worked_elsewhere_has_not_done_its_task(tmp_path: Path) -> None:
    worktree, other = tmp_path / "worktree", tmp_path / "other"
    worktree.mkdir()
    other.mkdir()
    end = AttemptEnd(reason=EndReason.EXITED, exit_code=0, stdout_path=tmp_path / "stdout")
    backend = CliBackend(name="claude", kind="claude", command=(sys.executable, str(FAKE)))
    for folder, reason in ((worktree, EndReason.EXITED), (other, EndReason.WRONG_FOLDER)):
        event = f'{{"type":"system","subtype":"init","cwd":"{folder}","session_id":"s","model":"m"}}\n'
        AttemptFolder(path=tmp_path).stdout.write_text(event)
        judged = where_it_worked(end, tmp_path, backend, worktree)
        assert judged.reason is reason
        assert (str(other) in judged.stderr) is (reason is EndReason.WRONG_FOLDER)
    cut_off = replace(end, reason=EndReason.CANCELLED)
    assert where_it_worked(cut_off, tmp_path, backend, worktree) is cut_off


def test_of_too_many_calls_the_denied_ones_are_named_and_a_torn_line_is_left_out(tmp_path: Path) -> None:
    allowed = "".join(LINE.format(number, "allow", "true") for number in range(JUDGED_LIMIT + 5))
    (tmp_path / JUDGED).write_text(allowed + LINE.format("last", "deny", "false") + '{"tool":"Ba')
    named, count = judged_calls(tmp_path)
    assert (len(named), count) == (JUDGED_LIMIT, JUDGED_LIMIT + 6)
    assert [each.subject for each in named[-2:]] == [str(JUDGED_LIMIT - 2), "last"]
    assert judged_calls(tmp_path / "none") == ((), 0)
