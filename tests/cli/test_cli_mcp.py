"""`aur mcp`: the official client searches, plans, runs, watches, cancels and answers, in both protocol versions."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import threading
import tomllib
from contextlib import asynccontextmanager, suppress
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING, Any, Literal

import httpx2
import pytest
from mcp.client import Client
from mcp.client.extension import ClientExtension, ResultClaim
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, ElicitResult, Request, RequestParams, Result
from pydantic import ConfigDict
from pydantic.alias_generators import to_camel
from tests.cli.conftest import AUR
from tests.cli.finished_runs import Shed, make_shed
from tests.cli.mcp_calls import ask, refusal
from tests.cli.terminals import on_terminal
from tests.cli.waiting import wait_for
from tests.cli.watched import question
from tests.exhaustive import few

from aurora_cli.exits import ExitCode
from aurora_cli.mcp_clients import CLIENTS
from aurora_cli.mcp_server.approval_tools import question_text
from aurora_cli.mcp_server.documents import Question, RunLine
from aurora_cli.mcp_server.server import build_server
from aurora_cli.mcp_server.service import SLOW_AT_ONCE
from aurora_soar import Aurora
from aurora_spawner.control.status import RunStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path
    from subprocess import CompletedProcess, Popen

    Aur = Callable[..., CompletedProcess[str]]
    Start = Callable[..., Popen[str]]

TASKS = "io.modelcontextprotocol/tasks"
AGENT = """case $(cat) in
*Deploy*) echo true > deploy.sh; echo deployed;;
*Sleep*) exec sleep 60;;
*) echo done;;
esac"""
CONFIG = f"tool: sh\nbackends:\n  sh: {{kind: command, command: {json.dumps(['sh', '-c', AGENT])}}}\n"
ERAS: list[Literal["legacy", "auto"]] = ["legacy", "auto"]


@pytest.fixture
def shed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shed:
    made = make_shed(tmp_path, monkeypatch)
    folder = tmp_path / "config" / "aurora"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(CONFIG)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return made


class Handle(Result):
    """A task handle, as a client of the extension reads it."""

    model_config = ConfigDict(extra="allow", alias_generator=to_camel, populate_by_name=True)
    result_type: Literal["task"] = "task"
    task_id: str
    status: str


class KnowsTasks(ClientExtension):
    """A client that knows the extension; its calls take the handle as it is."""

    identifier = TASKS

    def claims(self) -> list[ResultClaim[Any]]:
        async def resolve(_handle: Handle, _context: object) -> CallToolResult:
            raise AssertionError

        return [ResultClaim(result_type="task", model=Handle, resolve=resolve)]


async def handle(of: Client, prompt: str) -> str:
    """Starts a run and returns the id of its task."""
    found = await of.session.call_tool("spawn_task", {"prompt": prompt}, allow_claimed=True)
    assert isinstance(found, Handle)
    return found.task_id


@asynccontextmanager
async def client(root: Path, mode: Literal["legacy", "auto"] = "auto", **more: Any) -> AsyncIterator[Client]:
    async with Client(build_server(root), mode=mode, **more) as made:
        yield made


class Answer(Result):
    """Whatever a method of the extension returns."""

    model_config = ConfigDict(extra="allow")


class TaskRequest(RequestParams):
    """The parameters of the extension's methods, as its specification writes them."""

    model_config = ConfigDict(extra="allow")


async def task(of: Client, method: str, **params: object) -> dict[str, Any]:
    request: Request[Any, str] = Request(method=method, params=TaskRequest.model_validate(params))
    found = await of.session.send_request(request, Answer)
    return found.model_dump(by_alias=True, exclude_none=True)


@pytest.mark.parametrize("mode", ERAS)
def test_the_memory_is_searched_and_looked_up(aur: Aur, shop: Path, mode: Literal["legacy", "auto"]) -> None:
    assert aur("mem", "index").returncode == ExitCode.DONE

    async def talk() -> None:
        async with client(shop, mode) as of:
            found = await ask(of, "memory_search", query="price of an article", limit=3)
            assert found["chunks"][0]["name"] == "price_of"
            shown = await ask(of, "memory_lookup", target="src/shop/stock.py:price_of")
            assert shown["definitions"][0]["line_start"] == 6
            assert {each["file"] for each in shown["callers"]} == {"src/shop/till.py"}
            said = await refusal(of, "memory_lookup", target="nowhere_defined")
            assert "nothing in the memory defines 'nowhere_defined'; memory_search finds it" in said
            assert "limit" in await refusal(of, "memory_search", query="x", limit=5_000)

    asyncio.run(talk())


def test_tools_say_what_they_may_change(shop: Path) -> None:
    async def talk() -> None:
        async with client(shop) as of:
            found = {each.name: each for each in (await of.list_tools()).tools}
            destroys = {
                name for name, each in found.items() if each.annotations and each.annotations.destructive_hint
            }
            reads = {name for name, each in found.items() if each.annotations and each.annotations.read_only_hint}
            assert destroys == {"spawn_task", "spawn_tasks", "run_cancel", "question_answer"}
            assert reads == set(found) - destroys - {"plan_goal", "board_post"}
            assert all(each.output_schema and each.description for each in found.values())

    asyncio.run(talk())


def test_a_goal_is_planned_and_its_tasks_run(aur: Aur, shop: Path) -> None:
    assert aur("mem", "index").returncode == ExitCode.DONE
    heard: list[str | None] = []

    async def heard_of(progress: float, total: float | None, message: str | None) -> None:
        heard.append(message)

    async def talk() -> None:
        async with client(shop) as of:
            plan = await ask(of, "plan_goal", goal="Explain how a price is found")
            assert plan["subgoals"]
            answer = await of.call_tool(
                "spawn_tasks", {"taskfile": plan["taskfile"], "wait_s": 60}, progress_callback=heard_of
            )
            run = answer.structured_content
            assert run
            assert run["state"] == "succeeded", run
            assert run["tasks"][0]["output"]
            total = len(run["tasks"])
            assert heard[-1] == f"{total} of {total} tasks have ended"
            again = await refusal(of, "spawn_tasks", taskfile=plan["taskfile"])
            assert "has no open task; nothing was started" in again
            assert "is not in the project" in await refusal(of, "spawn_tasks", taskfile="../outside.md")
            (shop / "loop.md").symlink_to("loop.md")
            for no_file in ("loop.md", "a\0.md", ".", "a" * 5_000):
                assert "bug in Aurora" not in await refusal(of, "spawn_tasks", taskfile=no_file)

    asyncio.run(talk())


@pytest.mark.parametrize("mode", few(ERAS, 1))
def test_only_the_person_answers_a_question(shed: Shed, mode: Literal["legacy", "auto"]) -> None:
    shown: list[str] = []
    said = [ElicitResult(action="decline"), ElicitResult(action="accept", content={"approve": True, "note": "read"})]

    async def person(_context: object, params: Any) -> ElicitResult:
        shown.append(params.message)
        return said.pop(0)

    async def talk() -> None:
        async with client(shed.path, mode, elicitation_callback=person) as of:
            run = await ask(of, "spawn_task", prompt="Deploy it")
            waiting = await ask(of, "run_status", run_id=run["run_id"], wait_s=60)  # a question ends the wait
            (question,) = (await ask(of, "questions_list"))["questions"]
            assert waiting["questions"] == [question]
            assert question["subject"] == "deploy.sh"
            assert "gave no answer" in await refusal(of, "question_answer", question=question["id"])
            answered = await ask(of, "question_answer", question=question["id"])
            assert (answered["approved"], answered["first"], answered["by"]) == (True, True, "user")
            assert all("asks: deploy.sh" in each for each in shown)
            ended = await ask(of, "run_status", run_id=run["run_id"], wait_s=60)
            assert ended["tasks"][0]["state"] == "succeeded"
            assert "needs no answer" in await refusal(of, "question_answer", question=question["id"])

    asyncio.run(talk())


def test_inside_an_agent_nothing_is_answered(shed: Shed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AURORA_ATTEMPT", "of an agent")

    async def person(_context: object, _params: object) -> ElicitResult:
        raise AssertionError

    async def talk() -> None:
        async with client(shed.path, elicitation_callback=person) as of:
            assert "agent" in await refusal(of, "question_answer", question="k7m2xq")

    asyncio.run(talk())


def test_a_run_is_a_task_of_a_client_that_knows_tasks(shed: Shed) -> None:
    async def until(of: Client, task_id: str, status: str) -> dict[str, Any]:
        while (found := await task(of, "tasks/get", taskId=task_id))["status"] != status:
            assert found["status"] == "working", found
            await asyncio.sleep(0.1)
        return found

    async def talk() -> str:
        async with client(shed.path, extensions=[KnowsTasks()]) as of:
            task_id = await handle(of, "Deploy it")
            found = await until(of, task_id, "input_required")
            ((approval, request),) = found["inputRequests"].items()
            assert request["method"] == "elicitation/create"
            assert "deploy.sh" in request["params"]["message"]
            nonsense = {approval: {"action": "accept", "content": {"approve": "perhaps"}}}
            with pytest.raises(MCPError, match="does not fit the form: approve"):
                await task(of, "tasks/update", taskId=task_id, inputResponses=nonsense)
            response = {approval: {"action": "accept", "content": {"approve": True}}, "other": {"action": "accept"}}
            await task(of, "tasks/update", taskId=task_id, inputResponses=response)
            return task_id

    async def later(task_id: str) -> None:
        async with client(shed.path, extensions=[KnowsTasks()]) as of:  # another server: the journal keeps the task
            found = await until(of, task_id, "completed")
            assert found["result"]["structuredContent"]["tasks"][0]["output"] == "deployed\n"
            with pytest.raises(MCPError, match="nosuch"):
                await task(of, "tasks/get", taskId="nosuch")

    async def without(task_id: str) -> None:
        async with client(shed.path) as of:
            with pytest.raises(MCPError, match="Missing required client capability"):
                await task(of, "tasks/get", taskId=task_id)

    task_id = asyncio.run(talk())
    asyncio.run(later(task_id))
    asyncio.run(without(task_id))


def test_a_run_is_cancelled(shed: Shed) -> None:
    async def talk() -> None:
        async with client(shed.path, extensions=[KnowsTasks()]) as of:
            task_id = await handle(of, "Sleep")
            assert [each["run_id"] for each in (await ask(of, "runs_list"))["runs"]] == [task_id]
            assert "has no task '9'" in await refusal(of, "run_cancel", run_id=task_id, task="9")
            await task(of, "tasks/cancel", taskId=task_id)
            assert (await ask(of, "run_status", run_id=task_id, wait_s=60))["state"] == "cancelled"
            assert (await task(of, "tasks/get", taskId=task_id))["status"] == "cancelled"
            assert not (await ask(of, "run_cancel", run_id=task_id))["changed"]
            assert (await ask(of, "run_logs", run_id=task_id, task="1"))["text"] == ""

    asyncio.run(talk())


def test_over_standard_input_a_hundred_calls_at_once(aur: Aur, shop: Path) -> None:
    assert aur("mem", "index").returncode == ExitCode.DONE

    async def talk() -> None:
        program = StdioServerParameters(command=str(AUR), args=["mcp", "serve"], cwd=str(shop), env=dict(os.environ))
        async with Client(stdio_client(program)) as of:
            found = await asyncio.gather(*(ask(of, "memory_search", query="till", limit=1) for _ in range(100)))
            assert {each["chunks"][0]["file"] for each in found} == {"src/shop/till.py"}

    asyncio.run(talk())


def test_quick_tools_do_not_wait_for_slow_ones(shed: Shed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if the clients of the slow ones have given up: a thread cannot be stopped."""
    planning, go_on = [], threading.Event()

    def plan_slowly(_aurora: Aurora, goal: str) -> None:
        planning.append(goal)
        go_on.wait(20)

    monkeypatch.setattr(Aurora, "plan_goal", plan_slowly)

    async def talk() -> None:
        async with client(shed.path) as of:
            plans = [asyncio.ensure_future(refusal(of, "plan_goal", goal=f"Goal {number}")) for number in range(12)]
            await asyncio.to_thread(wait_for, lambda: len(planning) == SLOW_AT_ONCE)
            for given_up in plans[:8]:
                given_up.cancel()
            async with asyncio.timeout(15):
                assert await ask(of, "runs_list") == {"runs": []}
                assert "nothing in the memory" in await refusal(of, "memory_lookup", target="Nothing")
                assert "nothing" in await refusal(of, "run_cancel", run_id="nothing")
            assert len(planning) == SLOW_AT_ONCE
            go_on.set()
            assert "interrupted" in (await asyncio.gather(*plans[8:]))[0]
            assert len(planning) <= SLOW_AT_ONCE + 4

    try:
        asyncio.run(talk())
    finally:
        go_on.set()


def serve_over_http(start_aur: Start, token: str) -> tuple[Popen[str], str]:
    """Starts a server; returns it and its address once it listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = start_aur("mcp", "serve", "--http", "--port", str(port), AURORA_MCP_TOKEN=token)

    def is_up() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_for(is_up)
    return server, f"http://127.0.0.1:{port}/mcp"


@asynccontextmanager
async def client_over_http(address: str, token: str) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers={"authorization": f"Bearer {token}"}, timeout=60) as http,
        Client(streamable_http_client(address, http_client=http)) as of,
    ):
        yield of


@pytest.mark.usefixtures("shed")
def test_a_signal_ends_it_while_a_client_waits(aur: Aur, start_aur: Start) -> None:
    """Else it would wait as long as the client, up to an hour."""
    token = "a token of the test's own"
    server, address = serve_over_http(start_aur, token)

    async def talk() -> None:
        async with client_over_http(address, token) as of:
            run = await ask(of, "spawn_task", prompt="Sleep")
            waiting = asyncio.ensure_future(ask(of, "run_status", run_id=run["run_id"], wait_s=50))
            await asyncio.sleep(0.3)
            server.send_signal(signal.SIGTERM)
            with suppress(TimeoutExpired):
                await asyncio.to_thread(server.wait, 20)
            waiting.cancel()
            aur("cancel", run["run_id"])

    with suppress(Exception):  # what the client makes of a server that is gone
        asyncio.run(talk())
    assert server.poll() == ExitCode.INTERRUPTED


def test_over_http_only_with_the_token(aur: Aur, start_aur: Start, shop: Path) -> None:
    assert aur("mem", "index").returncode == ExitCode.DONE
    token = "a token of the test's own"
    _server, address = serve_over_http(start_aur, token)

    async def talk() -> None:
        for headers, status in (
            ({}, 401),
            ({"authorization": "Bearer another"}, 401),
            ({"authorization": f"Bearer {token}", "host": "rebound.example"}, 421),
            ({"authorization": f"Bearer {token}", "origin": "http://rebound.example"}, 403),
        ):
            async with httpx2.AsyncClient() as plain:
                assert (await plain.post(address, json={}, headers=headers)).status_code == status
        async with client_over_http(address, token) as of:
            assert (await ask(of, "memory_search", query="till", limit=1))["chunks"]

    asyncio.run(talk())


def test_what_cannot_be_served_is_refused(
    aur: Aur, tmp_path: Path, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aur("mem", "index")
    assert "--port needs --http" in aur("mcp", "serve", "--port", "9").stderr
    monkeypatch.setenv("AURORA_MCP_TOKEN", "short")
    assert "at least 16 characters" in aur("mcp", "serve", "--http").stderr
    monkeypatch.chdir(tmp_path)
    assert aur("mcp", "serve").returncode != ExitCode.DONE


def test_a_port_that_is_taken_is_named_and_no_token_told(aur: Aur, shop: Path) -> None:
    aur("mem", "index")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = aur("mcp", "serve", "--http", "--port", str(port))
    assert outcome.returncode == ExitCode.ENVIRONMENT
    assert f"port {port} cannot be used on 127.0.0.1: Address already in use" in outcome.stderr
    assert "token" not in outcome.stderr


def test_a_question_cannot_imitate_another() -> None:
    subject = "rm -rf x\nWhy: it is harmless\x1b[2K\u202e"
    asked = Question(
        id="a", run_id="run", task="1", agent="sh", subject=subject, reason="deletes files", wants_text=False
    )
    first, second = question_text(asked).split("\n")
    assert first == r"run/1 @sh asks: rm -rf x Why: it is harmless\x1b[2K\u202e"
    assert second == "Why: deletes files"


def test_a_question_of_an_agent_asks_for_the_note() -> None:
    for gate, ends in (("agent", True), ("live", False)):
        assert (
            question_text(Question.of(question(gate=gate))).endswith("The agent gets what you write as the note.")
            is ends
        )


def test_a_paused_run_is_listed_as_paused() -> None:
    status = RunStatus(run_id="run", state="running", paused=True, pid=1, tasks={"running": 1}, running=())
    assert RunLine.of(status).state == "paused"


def test_a_link_out_of_the_project_is_not_followed(aur: Aur, shop: Path) -> None:
    """A project of somebody else's might have one that leads to a file of the user's."""
    aur("mem", "index")
    users = shop.parent / "users.json"
    users.write_text("{}")
    (shop / ".mcp.json").symlink_to(users)
    outcome = aur("mcp", "install", "claude", "--yes")
    assert outcome.returncode == ExitCode.ENVIRONMENT
    assert f"a link leads out of the project, to {users}" in outcome.stderr
    assert users.read_text() == "{}"
    (shop / ".mcp.json").unlink()
    (shop / ".mcp.json").symlink_to(".mcp.json")
    assert "bug in Aurora" not in aur("mcp", "install", "claude", "--yes").stderr


@pytest.mark.parametrize("name", list(CLIENTS))
def test_a_clients_file_gets_the_entry_once_and_keeps_the_rest(
    aur: Aur, shop: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    aur("mem", "index")
    client_of = CLIENTS[name]
    path = (shop.parent / "home" if client_of.of_user else shop) / client_of.file
    monkeypatch.setenv("HOME", str(shop.parent / "home"))
    path.parent.mkdir(parents=True, exist_ok=True)
    is_toml = path.suffix == ".toml"
    path.write_text('# mine\nmodel = "é"\n' if is_toml else '{"theme": "é"}')
    path.chmod(0o640)
    assert "nothing was written" in aur("mcp", "install", name).stderr
    assert "aurora" not in path.read_text()
    assert aur("mcp", "install", name, "--yes").returncode == ExitCode.DONE
    text = path.read_text()
    found = tomllib.loads(text) if is_toml else json.loads(text)
    assert found.get("model" if is_toml else "theme") == "é"
    entry = found[client_of.section]["aurora"]
    command = entry["command"] if client_of.form == "list" else [entry["command"], *entry["args"]]
    assert command[-2:] == ["mcp", "serve"]
    assert path.stat().st_mode & 0o777 == 0o640
    assert "has it already" in aur("mcp", "install", name, "--yes").stderr
    assert path.read_text() == text


@pytest.mark.parametrize("content", ["{not json", "[]", '{"mcpServers": 3}', '{"mcpServers": {"aurora": {}}}'])
def test_a_clients_file_that_is_not_understood_stays_as_it_is(aur: Aur, shop: Path, content: str) -> None:
    aur("mem", "index")
    (shop / ".mcp.json").write_text(content)
    outcome = aur("mcp", "install", "claude", "--yes")
    assert outcome.returncode == ExitCode.ENVIRONMENT
    assert "add this there by hand" in outcome.stderr
    assert (shop / ".mcp.json").read_text() == content


def test_a_person_who_starts_the_server_is_told_what_it_waits_for(shop: Path, aur: Aur) -> None:
    aur("mem", "index")
    code, written = on_terminal("mcp", "serve", typed="\x04")
    assert (code, "this waits for a client" in written) == (ExitCode.DONE, True)


def test_a_clients_file_is_written_if_the_user_agrees(shop: Path, aur: Aur) -> None:
    aur("mem", "index")
    code, _ = on_terminal("mcp", "install", "claude", typed="n\n")
    assert (code, (shop / ".mcp.json").exists()) == (ExitCode.DONE, False)
    on_terminal("mcp", "install", "claude", typed="y\n")
    assert (shop / ".mcp.json").exists()


def test_an_agent_changes_no_clients_file(aur: Aur, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aur("mem", "index")
    monkeypatch.setenv("AURORA_ATTEMPT", "of an agent")
    assert aur("mcp", "install", "claude", "--yes").returncode == ExitCode.REFUSED
    assert not (shop / ".mcp.json").exists()
