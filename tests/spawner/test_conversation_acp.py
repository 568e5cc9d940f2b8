"""The transport in ACP: turns, permissions, questions, interrupts, and agents that do not keep to the protocol."""

from __future__ import annotations

import copy
import json
import os
import sys
import tempfile
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cli.waiting import wait_for
from tests.exhaustive import examples

from aurora_spawner.backends.cli import CliBackend
from aurora_spawner.backends.command import CommandBackend
from aurora_spawner.backends.events import (
    Failed,
    PermissionAsked,
    QuestionAsked,
    Succeeded,
    Text,
    ToolCall,
    ToolResult,
    UsageReported,
)
from aurora_spawner.backends.fields import Fields
from aurora_spawner.backends.stream import EventStream
from aurora_spawner.conversations import live
from aurora_spawner.conversations.acp import messages
from aurora_spawner.conversations.acp.agents import ANY, AcpAgent
from aurora_spawner.conversations.acp.calls import call_of
from aurora_spawner.conversations.acp.conversation import ENDED_BY_DENIAL, AcpConversation
from aurora_spawner.conversations.acp.forms import filled, question_in
from aurora_spawner.conversations.acp.reading import acp_dialect, answer_key
from aurora_spawner.conversations.acp.wire import AcpWire
from aurora_spawner.conversations.orders import SessionOrders
from aurora_spawner.conversations.port import ConversationError, LineSkipped, Outcome, TurnEnded
from aurora_spawner.conversations.recovering import recovered, unread_events
from aurora_spawner.conversations.transcript import AgentProcess, Turn
from aurora_spawner.conversations.transports import asks_itself, conversation_with, talking_backend
from aurora_spawner.errors import MissingExtraError
from aurora_spawner.gates.reading import UnreadableCallError, read_call
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.usage import Usage
from aurora_spawner.testing import processes_of_run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aurora_spawner.backends.base import Backend
    from aurora_spawner.conversations.port import Began, Conversation, ConversationEvent

TESTS = Path(__file__).resolve().parents[1]


@asynccontextmanager
async def talking(
    folder: Path, *command: str, keeps: bool = False, quirks: AcpAgent = ANY, model: str | None = None
) -> AsyncIterator[tuple[Conversation, list[Began]]]:
    sessions = folder / "sessions"
    sessions.mkdir(exist_ok=True)
    words = command or (sys.executable, str(TESTS / "acp_agent.py"), *([str(sessions)] if keeps else []))
    backend = CommandBackend("bot", words, conversation="acp")
    spool = Path(tempfile.mkdtemp(dir=folder))
    orders = SessionOrders(run_id=folder.name, cwd=folder, spool=spool, environ=dict(os.environ))
    executor = LocalExecutor(detached=False)
    began: list[Began] = []

    async def started(each: Began) -> None:
        began.append(each)

    conversation = AcpConversation(
        "bot",
        quirks,
        executor,
        lambda _session: orders.talking(backend, resume=None),
        started,
        cwd=folder,
        model=model,
    )
    try:
        yield conversation, began
    finally:
        await conversation.close()
        executor.close()
        wait_for(lambda: processes_of_run(folder.name) == [])


def in_acp(backend: Backend, folder: Path) -> Conversation:
    """The conversation that a backend gets."""

    async def noted(_began: Began) -> None:
        pass

    orders = SessionOrders(run_id="r", cwd=folder, spool=folder / "spool", environ={})
    return conversation_with(backend, orders, noted, executor=LocalExecutor(detached=False))


async def turn(
    conversation: Conversation, text: str, *, allowed: bool = True, answer: str | None = "blue"
) -> list[ConversationEvent]:
    """Says a turn, and answers what is asked."""
    await conversation.open(conversation.session_id)
    events = []
    async for event in conversation.turn(text):
        events.append(event)
        if isinstance(event, PermissionAsked):
            await conversation.permit(event, allowed=allowed, reason="not today")
        elif isinstance(event, QuestionAsked):
            await conversation.answer(event, answer)
    return events


def turns_of(folder: Path) -> list[str]:
    """What the agent was told in its first session."""
    return (folder / "sessions" / "s0").read_text().splitlines()


def answered(events: list[ConversationEvent]) -> str:
    return "".join(each.text for each in events if isinstance(each, Text))


async def test_ten_turns_with_tools_permissions_and_questions_go_to_one_process(tmp_path: Path) -> None:
    async with talking(tmp_path, quirks=AcpAgent(start=(), ends_turn_when_denied=True)) as (conversation, began):
        assert answered(await turn(conversation, "Hello there")) == "Hello there "
        allowed = await turn(conversation, "run:make_it")
        assert [each for each in allowed if isinstance(each, ToolCall)] == [
            ToolCall(name="execute", id="c1", about="make it")
        ]
        assert (answered(allowed), allowed[-1]) == ("once ", TurnEnded(outcome=Outcome.DONE))
        denied = await turn(conversation, "run:rm_it", allowed=False)
        assert (answered(denied), denied[-1]) == ("no ", TurnEnded(outcome=Outcome.DONE, problem=ENDED_BY_DENIAL))
        asked = await turn(conversation, "ask:Colour? heard", answer="blue")
        assert [(each.text, each.default, each.choices) for each in asked if isinstance(each, QuestionAsked)] == [
            ("Colour?", "red", ("red", "blue"))
        ]
        assert '"colour": "blue"' in answered(asked)
        assert '"decline"' in answered(await turn(conversation, "ask:Colour?", answer=None))
        assert answered(await turn(conversation, "read")) == "error -32601 "
        failed = await turn(conversation, "fail")
        assert failed[-1] == TurnEnded(outcome=Outcome.FAILED, problem="it went wrong")
        short = await turn(conversation, "stop:max_tokens")
        assert isinstance(short[-1], TurnEnded)
        assert "limit of tokens" in short[-1].problem
        assert (await turn(conversation, "stop:cancelled"))[-1].outcome is Outcome.FAILED  # type: ignore[union-attr]
        last = await turn(conversation, "count")
        assert (answered(last), len(began)) == ("10 ", 1)
        assert UsageReported(usage=Usage(input_tokens=10, output_tokens=2)) in last


async def test_the_reason_of_a_denial_is_told_with_the_next_turn(tmp_path: Path) -> None:
    async with talking(tmp_path, keeps=True) as (conversation, _began):
        await turn(conversation, "run:rm_it", allowed=False)
        await turn(conversation, "next")
        await turn(conversation, "after")
    assert turns_of(tmp_path) == ["run:rm_it", "(Denied before: Bash: not today) next", "after"]


@pytest.mark.parametrize("words", ["sleep:30", "run:rm_it"])
async def test_an_interrupt_ends_a_tool_and_a_request_for_permission(tmp_path: Path, words: str) -> None:
    async with talking(tmp_path) as (conversation, began):
        await conversation.open(None)
        events = []
        async for event in conversation.turn(words):
            events.append(event)
            if isinstance(event, PermissionAsked if words.startswith("run") else ToolCall):
                await conversation.interrupt()
                for each in (event,) if isinstance(event, PermissionAsked) else ():
                    await conversation.permit(each, allowed=True, reason="too late")
        assert events[-1] == TurnEnded(outcome=Outcome.INTERRUPTED)
        assert answered(events) == ""
        assert (answered(await turn(conversation, "count")), len(began)) == ("2 ", 1)


async def test_garbage_and_lines_that_are_too_long_are_passed_over(tmp_path: Path) -> None:
    async with talking(tmp_path) as (conversation, _began):
        events = await turn(conversation, "before garbage after")
        assert answered(events) == "before after "
        assert [each.size for each in events if isinstance(each, LineSkipped)] == [(9 << 20) + 1]


async def test_an_agent_that_dies_goes_on_with_its_session_or_without(tmp_path: Path) -> None:
    for keeps, remembers, known in ((True, True, "2 "), (False, False, "1 ")):
        async with talking(tmp_path, keeps=keeps) as (conversation, began):
            lost = (await turn(conversation, "one die"))[-1]
            assert lost == TurnEnded(outcome=Outcome.LOST, problem="exited, exit code 3: I die")
            await conversation.open(conversation.session_id)
            assert (conversation.remembers, len(began)) == (remembers, 2)
            assert answered(await turn(conversation, "count")) == known


async def test_what_a_loaded_session_repeats_is_no_answer_also_after_a_kill(tmp_path: Path) -> None:
    async with talking(tmp_path, keeps=True) as (conversation, _began):
        await turn(conversation, "first")
        session = conversation.session_id
        await conversation.close()
    async with talking(tmp_path, keeps=True) as (conversation, began):
        await conversation.open(session)
        assert conversation.remembers
        assert answered(await turn(conversation, "second")) == "second "
        process = AgentProcess(token="", folder=began[0].folder.name)
        unread = unread_events(began[0].folder.parent, process, acp_dialect())
        assert answered([*unread]) == "second "
        assert isinstance(unread[-1], Succeeded)


async def test_a_session_that_cannot_be_loaded_is_replaced_in_the_same_process(tmp_path: Path) -> None:
    async with talking(tmp_path, keeps=True) as (conversation, began):
        await conversation.open("gone")
        assert (conversation.remembers, conversation.session_id, len(began)) == (False, "s0", 1)
    async with talking(tmp_path, keeps=True, quirks=AcpAgent(start=(), loads=False)) as (conversation, _began):
        await conversation.open("s0")
        assert (conversation.remembers, conversation.session_id) == (False, None)


async def test_a_mode_in_which_it_asks_and_a_model_are_chosen_in_the_session(tmp_path: Path) -> None:
    quirks = AcpAgent(start=(), ask_mode="default", model_by_option=True)
    async with talking(tmp_path, quirks=quirks, model="m") as (conversation, _began):
        assert answered(await turn(conversation, "chosen")) == "default model=m"
    async with talking(tmp_path, quirks=quirks, model="unknown") as (conversation, _began):
        with pytest.raises(ConversationError, match="refuses: no such model"):
            await conversation.open(None)


async def test_the_official_agent_side_accepts_every_message(tmp_path: Path) -> None:
    command = (sys.executable, str(TESTS / "acp_official_agent.py"))
    async with talking(tmp_path, *command) as (conversation, _began):
        for session, loaded in (("known", "loaded in / "), ("unknown", "")):
            await conversation.close()
            await conversation.open(session)
            events = await turn(conversation, "Hi", answer="41")
            assert answered(events) == f"{loaded}Hi, permission y, answer 42, file -32601"
            assert events[-1] == TurnEnded(outcome=Outcome.DONE)


SAYS = "import sys, time; sys.stdin.readline(); print('{}', flush=True); time.sleep(30)"


def one_answer(**answer: Any) -> tuple[str, ...]:
    """A program that gives one answer to the first request."""
    return (sys.executable, "-c", SAYS.format(json.dumps({"jsonrpc": "2.0", "id": "aurora-initialize", **answer})))


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (("sh", "-c", "echo no >&2; exit 3"), "exit code 3: no"),
        (one_answer(result={"protocolVersion": 2}), "speaks version 2 of ACP"),
        (one_answer(error={"code": -32000, "message": "Log in"}), "is not signed in: Log in"),
        (
            one_answer(error={"code": -32603, "message": "Broken", "data": {"details": "disk"}}),
            "refuses: Broken: disk",
        ),
        ((sys.executable, "-c", "import time; time.sleep(30)"), "does not get ready"),
    ],
)
async def test_an_agent_that_does_not_get_ready_is_no_partner_and_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], problem: str
) -> None:
    monkeypatch.setattr(live, "READY_S", 20.0 if "ready" not in problem else 0.3)
    async with talking(tmp_path, *command) as (conversation, _began):
        with pytest.raises(ConversationError, match=problem):
            await conversation.open(None)


ASKS_FIRST = """
import json, sys, time
def ask(**request):
    print(json.dumps({"jsonrpc": "2.0", "id": 1, **request}), flush=True)
    return json.loads(sys.stdin.readline())
sys.stdin.readline()
form = {"message": "?", "requestedSchema": {"properties": {"f": {"type": "string"}}}}
answers = [
    ask(method="session/request_permission", params={"toolCall": {"kind": "execute", "title": "ls"}}),
    ask(method="elicitation/create", params=form),
    ask(method="terminal/create", params={}),
]
print(json.dumps({"id": "aurora-initialize", "error": {"code": 1, "message": json.dumps(answers)}}), flush=True)
time.sleep(30)
"""


async def test_an_agent_that_asks_before_any_turn_gets_an_answer(tmp_path: Path) -> None:
    async with talking(tmp_path, sys.executable, "-c", ASKS_FIRST) as (conversation, _began):
        with pytest.raises(ConversationError, match=r"cancelled.*decline.*-32601"):
            await conversation.open(None)


async def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "missing_packages", lambda: ["agent-client-protocol"])
    conversation = in_acp(CommandBackend("bot", ("true",), conversation="acp"), tmp_path)
    with pytest.raises(MissingExtraError, match=r"aurora-spawner\[acp\]"):
        await conversation.open(None)


# What real agents write, as it was seen, shortened.
GEMINI_ASKS = {
    "toolCallId": "run_shell_command__1",
    "kind": "execute",
    "status": "pending",
    "title": "rm -rf victim",
    "content": [{"type": "content", "content": {"type": "text", "text": "[current working directory /project]"}}],
    "locations": [],
}
EDIT = {"type": "diff", "path": "/project/.env", "oldText": "", "newText": "A=1\nB=2\n"}


@pytest.mark.parametrize(
    ("call", "tool", "given"),
    [
        (GEMINI_ASKS, "Bash", {"command": "rm -rf victim", "cwd": "/project"}),
        (
            {"kind": "execute", "title": "loopback step", "rawInput": {"command": "ls", "commands": ["ls"]}},
            "Bash",
            {"command": "ls", "commands": ["ls"]},
        ),
        (
            {"kind": "edit", "title": "x", "content": [EDIT], "rawInput": {"filepath": "/project/.env"}},
            "Edit",
            {"filepath": "/project/.env", "file_path": "/project/.env", "content": "A=1\nB=2\n"},
        ),
        (
            {"kind": "edit", "locations": [{"path": "/project/a"}]},
            "Edit",
            {"file_path": "/project/a", "content": ""},
        ),
        ({"kind": "delete", "locations": [{"path": "/project/a"}]}, "Delete", {"file_path": "/project/a"}),
        (
            {"kind": "move", "locations": [{"path": "/a"}, {"path": "/b"}]},
            "Move",
            {"source": "/a", "destination": "/b"},
        ),
        ({"kind": "fetch", "rawInput": {"url": "http://x.test"}}, "WebFetch", {"url": "http://x.test"}),
        (
            {"kind": "other", "_meta": {"toolName": "odd"}, "rawInput": {"command": "rm x"}},
            "odd",
            {"command": "rm x"},
        ),
    ],
)
def test_a_call_is_judged_by_what_it_does(call: dict[str, Any], tool: str, given: dict[str, Any]) -> None:
    assert call_of(Fields(call)) == (tool, given)
    read = read_call(json.dumps({"tool_name": tool, "tool_input": given, "cwd": "/project"}).encode())
    assert read.uses


@pytest.mark.parametrize("call", [{"kind": "execute"}, {"kind": "edit"}, {"kind": "delete", "rawInput": {"n": 1}}])
def test_a_call_that_does_not_show_what_it_does_is_refused(call: dict[str, Any]) -> None:
    tool, given = call_of(Fields(call))
    with pytest.raises(UnreadableCallError):
        read_call(json.dumps({"tool_name": tool, "tool_input": given, "cwd": "/project"}).encode())


def test_an_edit_of_several_files_is_judged_for_each() -> None:
    other = {**EDIT, "path": "/project/b", "newText": "*** Delete File: /project/c\n"}
    tool, given = call_of(Fields({"kind": "edit", "content": [EDIT, other]}))
    read = read_call(json.dumps({"tool_name": tool, "tool_input": given, "cwd": "/project"}).encode())
    assert [each.files for each in read.uses] == [("/project/.env", "/project/b")]


def updates(*found: dict[str, Any]) -> bytes:
    lines = [{"jsonrpc": "2.0", "method": "session/update", "params": {"update": each}} for each in found]
    return "".join(f"{json.dumps(each)}\n" for each in lines).encode()


def chunk(text: str, **more: Any) -> dict[str, Any]:
    return {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}, **more}


def ends(number: int, **result: Any) -> bytes:
    answer = {"jsonrpc": "2.0", "id": f"aurora-prompt-{number}", "result": {"stopReason": "end_turn", **result}}
    return f"{json.dumps(answer)}\n".encode()


def test_a_call_is_told_once_and_as_soon_as_it_shows_what_it_does() -> None:
    stream = EventStream(acp_dialect())
    start = {"sessionUpdate": "tool_call", "toolCallId": "1", "title": "bash", "kind": "execute", "status": "pending"}
    more = {"sessionUpdate": "tool_call_update", "toolCallId": "1", "title": "ls", "rawInput": {"command": "ls -l"}}
    assert stream.feed(updates(start)) == []
    assert stream.feed(updates(more, {**more, "status": "failed"})) == [
        ToolCall(name="execute", id="1", about="ls -l"),
        ToolResult(id="1", ok=False),
    ]
    late = {"sessionUpdate": "tool_call_update", "toolCallId": "2", "kind": "edit", "status": "completed"}
    assert stream.feed(updates({**late, "locations": [{"path": "/a"}]})) == [
        ToolCall(name="edit", id="2", about="/a"),
        ToolResult(id="2", ok=True),
    ]
    assert stream.feed(
        updates(chunk("after"), chunk(" it"), chunk("new", messageId="m1"), chunk("", messageId="m2"))
    )[:2] == [Text(text="after"), Text(text=" it", continues=True)]


def test_usage_is_read_in_the_three_ways_of_the_agents_and_costs_are_those_of_the_turn() -> None:
    stream = EventStream(acp_dialect())
    stream.feed(b'{"id": "aurora-initialize", "result": {}}\n{"id": "aurora-new", "result": {"sessionId": "s"}}\n')

    def used(*lines: bytes) -> Usage:
        (report,) = (each for each in stream.feed(b"".join(lines)) if isinstance(each, UsageReported))
        return report.usage

    def costs(amount: float) -> bytes:
        return updates({"sessionUpdate": "usage_update", "cost": {"amount": amount, "currency": "USD"}})

    first = used(costs(0.5), ends(1, usage={"inputTokens": 7, "outputTokens": 3, "cachedReadTokens": 2}))
    assert first == Usage(input_tokens=7, output_tokens=3, cache_read_tokens=2, cost_usd=0.5)
    counts = {"token_count": {"input_tokens": 5, "output_tokens": 1}}
    second = used(costs(0.75), ends(2, _meta={"quota": counts}))
    assert second == Usage(input_tokens=5, output_tokens=1, cost_usd=0.25)
    piece = chunk("", _meta={"usage": {"inputTokens": 4, "outputTokens": 2}})
    assert used(updates(piece, piece), ends(3)) == Usage(input_tokens=8, output_tokens=4)
    assert [type(each) for each in stream.feed(ends(4))] == [Succeeded]


def test_the_cost_of_a_loaded_session_before_is_not_that_of_the_turn() -> None:
    stream = EventStream(acp_dialect())
    stream.feed(b'{"id": "aurora-initialize", "result": {}}\n{"id": "aurora-load", "result": {}}\n')
    cost = updates({"sessionUpdate": "usage_update", "cost": {"amount": 9.0, "currency": "USD"}})
    reports = [
        each for each in stream.feed(cost + ends(1, usage={"inputTokens": 1})) if isinstance(each, UsageReported)
    ]
    assert [each.usage.cost_usd for each in reports] == [None]


def test_an_agent_that_is_ended_with_aurora_and_says_so_was_cut_off() -> None:
    turn_ = Turn(number=1, agent="bot", text="go", at=0.0)
    for reason, state in (("cancelled", "cut off"), ("refusal", "failed"), ("end_turn", "done")):
        events = EventStream(acp_dialect()).feed(updates(chunk("half")) + ends(1, stopReason=reason))
        drafts = list(recovered(turn_, events, agent="bot"))
        assert [topic for topic, _note in drafts] == ["said", "ended"]
        assert drafts[-1][1]["state"] == state


def test_an_answer_of_somebody_else_and_an_error_without_words_do_no_harm() -> None:
    stream = EventStream(acp_dialect())
    assert stream.feed(b'{"id": "other", "result": {}}\n{"id": null}\n{"method": "session/update"}\n') == []
    (failed,) = stream.feed(b'{"id": "aurora-prompt-1", "error": {"code": 5, "data": "why"}}\n')
    assert isinstance(failed, Failed)
    assert failed.failure.text == "error 5: why"


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ({"type": "integer"}, "41", 41),
        ({"type": "number"}, "many", "many"),
        ({"type": "boolean"}, "yes", True),
        ({"type": "string", "oneOf": [{"const": "r", "title": "Red"}]}, "Red", "r"),
        ({"type": "array", "items": {"anyOf": [{"const": "r", "title": "Red"}]}}, "Red, blue", ["r", "blue"]),
    ],
)
def test_an_answer_is_put_into_the_type_of_its_field(field: dict[str, Any], text: str, value: object) -> None:
    assert filled(Fields({"f": field}), text) == {"f": value}


def test_a_form_of_several_fields_is_one_question_and_each_line_answers_one() -> None:
    fields = {"name": {"type": "string", "title": "Your name"}, "ok": {"type": "boolean"}}
    params = {"message": "Tell me", "mode": "form", "requestedSchema": {"type": "object", "properties": fields}}
    asked = question_in(answer_key(3), Fields(params))
    assert asked is not None
    assert asked.text == "Tell me\nYour name\nok (true | false)"
    assert filled(Fields(dict(asked.given)), "Ann\nno") == {"name": "Ann", "ok": False}
    assert question_in("", Fields({**params, "mode": "url"})) is None
    assert question_in("", Fields({"message": "Nothing to fill in"})) is None


ASKS = {"jsonrpc": "2.0", "id": 7, "method": "session/request_permission"}
MESSAGES: list[dict[str, Any]] = [
    {**ASKS, "params": {"toolCall": GEMINI_ASKS, "options": [{"kind": "allow_once", "optionId": "y"}]}},
    {**ASKS, "params": {"toolCall": {"kind": "edit", "content": [EDIT, EDIT], "rawInput": {"path": "/x"}}}},
    {
        "id": 8,
        "method": "elicitation/create",
        "params": {
            "message": "?",
            "requestedSchema": {"properties": {"f": {"type": "array", "items": {"anyOf": []}}}},
        },
    },
    {"method": "session/update", "params": {"update": {"sessionUpdate": "tool_call", "toolCallId": "1"}}},
    {"method": "session/update", "params": {"update": chunk("x", _meta={"usage": {"inputTokens": 1}})}},
    {"id": "aurora-prompt-1", "result": {"stopReason": "end_turn", "usage": {"inputTokens": 1}}},
    {"id": "aurora-new", "result": {"sessionId": "s"}},
    {"id": "aurora-prompt-2", "error": {"code": 1, "message": "m", "data": {"details": "d"}}},
]
JUNK = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.just("\ud800")),
    *(st.just([]), st.just({}), st.just([{}]), st.just({"a": [1]})),
)


@st.composite
def spoilt(draw: st.DrawFn) -> dict[str, Any]:
    """A message with one value that is something else."""
    message: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(MESSAGES)))
    inner: Any = message
    while True:
        key = draw(st.sampled_from([*inner] if isinstance(inner, dict) else range(len(inner))))
        if not (isinstance(inner[key], dict | list) and inner[key] and draw(st.booleans())):
            inner[key] = draw(JUNK)
            return message
        inner = inner[key]


@settings(max_examples=examples(400))
@given(st.lists(spoilt(), max_size=6))
def test_no_message_breaks_the_reader_or_the_answer(found: list[dict[str, Any]]) -> None:
    stream, wire = EventStream(acp_dialect()), AcpWire()
    for event in stream.feed("".join(f"{json.dumps(each)}\n" for each in found).encode()):
        if isinstance(event, PermissionAsked):
            call = {"tool_name": event.tool, "tool_input": dict(event.given), "cwd": "/project"}
            with suppress(UnreadableCallError):
                read_call(json.dumps(call).encode("ascii"))
            for allowed in (True, False):
                json.dumps(wire.permission(event, allowed=allowed, reason=""))
        elif isinstance(event, QuestionAsked):
            json.dumps(wire.answer(event, "one\ntwo"))


KINDS: list[tuple[str, tuple[str, ...], Callable[[dict[str, str]], bool]]] = [
    ("gemini", ("--acp", "--model", "m"), lambda _env: True),
    ("opencode", ("acp",), lambda env: json.loads(env["OPENCODE_PERMISSION"])["bash"] == "ask"),
    ("qwen", ("--acp", "--model", "m"), lambda _env: True),
    ("copilot", ("--acp", "--model", "m"), lambda _env: True),
]


@pytest.mark.parametrize(("kind", "arguments", "asks"), KINDS)
def test_a_cli_is_started_in_acp_and_asks_whatever_permissive_says(
    tmp_path: Path, kind: str, arguments: tuple[str, ...], asks: Callable[[dict[str, str]], bool]
) -> None:
    program = tmp_path / kind
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    backend = talking_backend(CliBackend(name=kind, kind=kind, command=(str(program),), model="m", permissive=True))
    conversation = in_acp(backend, tmp_path)
    order = conversation._order(None)  # type: ignore[attr-defined]
    assert order.command[1:] == arguments
    assert asks(dict(order.environment))
    assert order.talks


@pytest.mark.parametrize(
    ("kind", "permissive", "more", "hooked"),
    [
        ("gemini", None, {"isolated": True}, False),
        ("opencode", True, {}, False),
        ("qwen", True, {}, True),
        ("qwen", False, {}, False),
        ("copilot", None, {"isolated": True}, True),
        ("copilot", None, {}, False),
    ],
)
def test_a_hook_is_wired_only_where_it_runs_in_acp_and_the_user_lets_it_decide(
    kind: str, permissive: bool | None, more: dict[str, Any], hooked: bool
) -> None:
    backend = talking_backend(CliBackend(name=kind, kind=kind, permissive=permissive, **more))
    assert isinstance(backend, CliBackend)
    assert (backend.gate_problem == "") is hooked
    assert asks_itself(backend)
