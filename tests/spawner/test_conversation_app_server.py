"""The transport to Codex's app-server, with a scripted one: what it asks, how it fails, and what it never may do."""

from __future__ import annotations

import json
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cli.waiting import wait_for
from tests.exhaustive import examples, few

from aurora_spawner.backends.cli import CliBackend
from aurora_spawner.backends.events import (
    PermissionAsked,
    QuestionAsked,
    RetryNotice,
    Text,
    ToolCall,
    UsageReported,
)
from aurora_spawner.backends.model.backend import ModelBackend
from aurora_spawner.backends.stream import EventStream
from aurora_spawner.conversations.app_server import AppServerWire, TalkingCodex, speaks_app_server
from aurora_spawner.conversations.app_server_events import AppServerReader
from aurora_spawner.conversations.orders import SessionOrders
from aurora_spawner.conversations.port import Began, ConversationError, LineSkipped, Outcome, TurnEnded
from aurora_spawner.conversations.transports import conversation_with, dialect_of_talk, talking_backend
from aurora_spawner.gates.reading import read_call
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.testing import processes_of_run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aurora_spawner.conversations.port import Conversation, ConversationEvent

SERVER = Path(__file__).resolve().parents[1] / "app_server.py"


@asynccontextmanager
async def talking(folder: Path, *, hooked: bool = False) -> AsyncIterator[Conversation]:
    threads = folder / "threads"
    threads.mkdir(exist_ok=True)
    command = (sys.executable, str(SERVER), str(threads))
    backend = talking_backend(CliBackend(name="codex", kind="codex", command=command, model="scripted"))
    orders = SessionOrders(run_id=folder.name, cwd=folder, spool=folder / "spool", environ=dict(os.environ))
    orders.hooked |= {"codex"} if hooked else set()
    executor = LocalExecutor(detached=False)

    async def started(_began: Began) -> None:
        orders.started += 1

    conversation = conversation_with(backend, orders, started, executor=executor)
    try:
        yield conversation
    finally:
        await conversation.close()
        executor.close()
        wait_for(lambda: processes_of_run(folder.name) == [])


async def turn(conversation: Conversation, text: str, *, allowed: bool = True) -> list[ConversationEvent]:
    """Says a turn and answers what is asked; returns its events."""
    events: list[ConversationEvent] = []
    await conversation.open(conversation.session_id)
    async for event in conversation.turn(text):
        events.append(event)
        if isinstance(event, PermissionAsked):
            await conversation.permit(event, allowed=allowed, reason="no")
        elif isinstance(event, QuestionAsked):
            await conversation.answer(event, "blue" if allowed else None)
    return events


def of(events: list[ConversationEvent], kind: type[Any]) -> list[Any]:
    return [each for each in events if isinstance(each, kind)]


def end(events: list[ConversationEvent]) -> TurnEnded:
    (found,) = (each for each in events if isinstance(each, TurnEnded))
    assert events[-1] is found
    return found


def said(events: list[ConversationEvent]) -> str:
    return "".join(each.text if each.continues else f" {each.text}" for each in of(events, Text)).strip()


async def test_turns_are_streamed_in_one_thread_and_their_usage_is_the_turns_own(tmp_path: Path) -> None:
    async with talking(tmp_path) as conversation:
        events = await turn(conversation, "Hello whole other there")
        assert said(events) == "Hello in one piece there"
        assert [each.usage.input_tokens for each in of(events, UsageReported)] == [10]
        assert events[-1] == TurnEnded(outcome=Outcome.DONE)
        assert said(await turn(conversation, "count")) == "2"
        await conversation.close()
        events = await turn(conversation, "count")
        assert (said(events), conversation.remembers, conversation.begun) == ("3", True, 2)
        assert [each.usage.input_tokens for each in of(events, UsageReported)] == [10]


async def test_a_command_a_patch_and_a_tool_of_a_server_need_consent(tmp_path: Path) -> None:
    async with talking(tmp_path) as conversation:
        events = await turn(conversation, "run:ls_-la patch:a.txt mcp:run_sql")
        assert said(events) == "accept accept accept"
        command, patch, server = of(events, PermissionAsked)
        assert (command.tool, command.given["command"], command.call) == ("shell", "ls -la", "c1")
        assert (patch.tool, patch.call) == ("apply_patch", "p1")
        call = json.dumps({"tool_name": patch.tool, "tool_input": dict(patch.given)}).encode()
        (use,) = read_call(call).uses
        assert (use.files, use.lines_changed) == (("a.txt",), 2)
        assert (server.tool, server.given, server.call) == ("mcp__db__run_sql", {"sql": "drop table t"}, "s1")
        assert [each.about for each in of(events, ToolCall)] == ["ls -la", "a.txt", "drop table t"]
        denied = await turn(conversation, "run:ls patch:b.txt mcp:run_sql", allowed=False)
        assert said(denied) == "decline decline decline"
        (host,) = of(await turn(conversation, "host"), PermissionAsked)
        assert host.given == {}, "nothing that could be judged, so it is denied"


async def test_it_asks_its_user_and_gets_no_more_than_it_may_have(tmp_path: Path) -> None:
    async with talking(tmp_path) as conversation:
        events = await turn(conversation, "ask:Which? odd")
        assert said(events) == "blue -32601 {} decline"
        (question,) = of(events, QuestionAsked)
        assert (question.text, question.choices) == ("Which?", ("red", "blue"))
        assert said(await turn(conversation, "ask:Which?", allowed=False)) == "Nobody-has-answered"


@pytest.mark.parametrize("word", few(["slow", "late"], 2))
async def test_an_interrupted_turn_ends_and_the_process_stays(word: str, tmp_path: Path) -> None:
    async with talking(tmp_path) as conversation:
        await conversation.open(None)
        ends: list[ConversationEvent] = []
        async for event in conversation.turn(f"begin {word}"):
            if isinstance(event, Text) and event.continues and not (tmp_path / "threads" / "go").exists():
                await conversation.interrupt()
                (tmp_path / "threads" / "go").touch()
            ends.append(event)
        assert ends[-1] == TurnEnded(outcome=Outcome.INTERRUPTED)
        assert (said(await turn(conversation, "count")), conversation.begun) == ("2", 1)


async def test_garbage_is_passed_over_and_failures_are_told(tmp_path: Path) -> None:
    async with talking(tmp_path) as conversation:
        events = await turn(conversation, "before garbage retry after")
        assert said(events) == "before after"
        assert [each.size for each in of(events, LineSkipped)] == [(9 << 20) + 1]
        assert [each.failure.message for each in of(events, RetryNotice)] == ["Reconnecting... 1/5"]
        assert events[-1] == TurnEnded(outcome=Outcome.DONE)
        failed = await turn(conversation, "fail:429")
        assert end(failed) == TurnEnded(outcome=Outcome.FAILED, problem="too many requests (status 429)")
        died = await turn(conversation, "one die")
        assert (said(died), end(died).outcome) == ("one", Outcome.LOST)
        assert "exit code 101: thread main panicked" in end(died).problem
        assert said(await turn(conversation, "count")) == "4", "the thread has outlived its process"


async def test_a_lost_thread_is_replaced_and_a_refusal_is_told(tmp_path: Path) -> None:
    async with talking(tmp_path) as conversation:
        await conversation.open("t7")
        assert (conversation.session_id, conversation.remembers) == ("t0", False)
        await conversation.close()
        (tmp_path / "threads" / "refuses").touch()
        with pytest.raises(ConversationError, match="this client is too old"):
            await conversation.open("t0")


@pytest.mark.parametrize("hooked", [False, True])
async def test_it_leaves_its_sandbox_only_where_a_hook_asks(hooked: bool, tmp_path: Path) -> None:
    async with talking(tmp_path, hooked=hooked) as conversation:
        await turn(conversation, "Hello")
        opened = json.loads((tmp_path / "threads" / "opened.json").read_text())
    assert (opened["approvalPolicy"], opened["approvalsReviewer"]) == ("untrusted", "user")
    assert opened["sandbox"] == ("danger-full-access" if hooked else "read-only")
    assert opened.get("config", {}) == ({"bypass_hook_trust": True} if hooked else {})


def test_an_answer_that_was_cut_off_is_read_from_its_middle() -> None:
    def line(method: str, **params: Any) -> bytes:
        return json.dumps({"method": method, "params": {"threadId": "t", "turnId": "u", **params}}).encode() + b"\n"

    rest = (
        line("item/agentMessage/delta", itemId="m", delta="ond"),
        line("item/completed", item={"type": "agentMessage", "id": "m", "text": "second"}),
        line("turn/completed", turn={"id": "u", "status": "completed"}),
    )
    events = list(EventStream(AppServerReader().dialect).feed(b"".join(rest)))
    assert [each.text for each in events if isinstance(each, Text)] == ["ond"]


def test_codex_with_options_of_exec_alone_is_talked_with_turn_by_turn() -> None:
    def codex(*args: str) -> CliBackend:
        return CliBackend(name="codex", kind="codex", args=args)

    assert speaks_app_server(codex("-c", "model_reasoning_effort=high", "--enable", "x"))
    assert not speaks_app_server(codex("--full-auto"))
    assert not speaks_app_server(codex("-c", "a=1", "--oss"))
    assert not speaks_app_server(CliBackend(name="claude", kind="claude"))
    talked = talking_backend(codex())
    assert isinstance(talked, TalkingCodex)
    dialect = dialect_of_talk(talked)
    assert dialect is not None
    assert dialect.kind_in == "method"
    other = ModelBackend(name="m", api="openai", model="m")
    assert talking_backend(other) is other


METHODS = ("", *(AppServerReader().dialect.readers or {}))
NAMES = (
    *("id", "params", "threadId", "turnId", "itemId", "item", "turn", "type", "status", "text", "delta", "error"),
    *("codexErrorInfo", "message", "httpStatusCode", "tokenUsage", "last", "inputTokens", "willRetry", "changes"),
    *("kind", "path", "diff", "move_path", "command", "questions", "question", "options", "label", "_meta", "result"),
    *("codex_approval_kind", "tool_name", "tool_params", "serverName", "server", "tool", "arguments", "thread"),
)
WORDS = (
    "t",
    "aurora-thread",
    "aurora-turn-1",
    "agentMessage",
    "fileChange",
    "mcpToolCall",
    "mcp_tool_call",
    "sh -c 'x",
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.sampled_from(WORDS)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=6)),
    max_leaves=12,
)


@given(
    lines=st.lists(
        st.tuples(st.sampled_from(METHODS), st.dictionaries(st.sampled_from(NAMES), values, max_size=6)), max_size=6
    ),
    text=st.one_of(st.none(), st.text()),
)
@settings(max_examples=examples(300))
def test_whatever_it_writes_can_be_read_and_answered(
    lines: list[tuple[str, dict[str, Any]]], text: str | None
) -> None:
    wire = AppServerWire(Path("/"), hooked=False)
    stream = EventStream(wire.dialect)
    for method, line in lines:
        written = {**line, "method": method} if method else line
        for event in stream.feed(json.dumps(written).encode() + b"\n"):
            if isinstance(event, PermissionAsked):
                json.dumps(wire.permission(event, allowed=True, reason=""))
            elif isinstance(event, QuestionAsked):
                json.dumps(wire.answer(event, text))
        json.dumps(wire.due())
