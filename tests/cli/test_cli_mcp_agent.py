"""`aur mcp agent`: the tools that an agent of a run has from Aurora, used by the official client."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from mcp.client import Client
from tests.cli.finished_runs import Shed, make_shed
from tests.cli.mcp_calls import ask, refusal
from tests.cli.waiting import wait_for

from aurora_cli.exits import ExitCode
from aurora_cli.mcp_server.agent_server import build_agent_server
from aurora_cli.mcp_server.server import build_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess, Popen

    Aur = Callable[..., CompletedProcess[str]]
    Start = Callable[..., Popen[str]]

AGENT = """case $(cat) in
*First*) echo "$AURORA_ATTEMPT" > token.new; echo "$AURORA_INBOX" > inbox; mv token.new token
    until test -e go; do sleep 0.05; done;;
esac
echo done"""
BACKEND = (
    f"tool: sh\nisolation: none\nbackends:\n  sh: {{kind: command, command: {json.dumps(['sh', '-c', AGENT])}}}\n"
)


@pytest.fixture
def shed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shed:
    made = make_shed(tmp_path, monkeypatch)
    folder = tmp_path / "config" / "aurora"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(BACKEND)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (made.path / ".aurora" / "policies.yaml").write_text("approvals: {limit_seconds: 0}\n")
    (made.path / "tasks.md").write_text("- [ ] 1 First\n- [ ] 2 Second\n")
    return made


def test_an_agent_posts_reads_asks_and_searches_and_a_wrong_token_gets_nothing(
    aur: Aur, start_aur: Start, shed: Shed, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = start_aur("spawn", "tasks.md", "--yes", "--json")
    wait_for((shed.path / "token").exists)

    async def as_agent() -> None:
        async with Client(build_agent_server(shed.path)) as of:
            assert {each.name for each in (await of.list_tools()).tools} == {
                *("board_read", "board_post", "ask_user", "task_result", "memory_search"),
            }
            posted = await ask(of, "board_post", text="the port is 8081\x07", to="2")
            assert (posted["post"]["author"], posted["post"]["to"]) == ("task 1 (agent sh, attempt 1)", "task 2")
            assert (posted["post"]["text"], posted["changed"]) == ("the port is 8081\\x07", True)
            await asyncio.gather(*(ask(of, "board_post", text=f"fact {n}") for n in range(20)))
            read = await ask(of, "board_read", after=1)
            assert [each["number"] for each in read["posts"]] == list(range(2, 22))
            assert (await ask(of, "board_read", after=read["last"], wait_s=0.1))["posts"] == []
            assert "a post is for all, a task or an agent" in await refusal(of, "board_post", text="x", to="7")
            assert "4000 characters" in await refusal(of, "board_post", text="x" * 4_001)
            for _ in range(200):
                if (other := await ask(of, "task_result", task="2"))["state"] not in ("pending", "running"):
                    break
                await asyncio.sleep(0.05)
            assert (other["state"], other["output"]) == ("succeeded", "done\n")
            assert "no task 7" in await refusal(of, "task_result", task="7")
            assert await ask(of, "ask_user", question="Which?", default="80") == {"answer": "80", "by": "default"}
            assert "chunks" in await ask(of, "memory_search", query="second")

    async def as_stranger() -> None:
        async with Client(build_agent_server(shed.path)) as of:
            asked: dict[str, dict[str, Any]] = {
                "board_read": {},
                "board_post": {"text": "x"},
                "task_result": {"task": "2"},
            }
            for tool, arguments in asked.items():
                assert "no attempt of this run" in await refusal(of, tool, **arguments)

    async def as_client_of_the_user(run_id: str) -> None:
        async with Client(build_server(shed.path)) as of:
            posted = await ask(of, "board_post", run_id=run_id, text="look at 1", kind="decision")
            assert posted["post"]["author"] == "a program of the user's"
            read = await ask(of, "board_read", run_id=run_id, after=21)
            assert [each["text"] for each in read["posts"]] == ["look at 1"]

    monkeypatch.setenv("AURORA_INBOX", (shed.path / "inbox").read_text().strip())
    for token, use in (((shed.path / "token").read_text().strip(), as_agent), ("wrong", as_stranger)):
        monkeypatch.setenv("AURORA_ATTEMPT", token)
        asyncio.run(use())
    for name in ("AURORA_INBOX", "AURORA_ATTEMPT"):
        monkeypatch.delenv(name)
    asyncio.run(as_client_of_the_user(json.loads(aur("status", "--json").stdout)["runs"][0]["run_id"]))
    (shed.path / "go").touch()
    assert running.wait(timeout=60) == ExitCode.DONE


def test_only_an_agent_is_served(aur: Aur, shed: Shed) -> None:
    outcome = aur("mcp", "agent")
    assert (outcome.returncode, "belongs to none" in outcome.stderr) == (ExitCode.USAGE, True)
