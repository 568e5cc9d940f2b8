"""Reading of the lines that Codex's app-server writes: responses, notifications, and requests that want an answer.

The meaning of a line depends on the lines before it, so each stream of lines has a reader of its own.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.backends.dialects.base import Dialect
from aurora_spawner.backends.events import (
    AgentEvent,
    Failed,
    PermissionAsked,
    QuestionAsked,
    RetryNotice,
    SessionStarted,
    Succeeded,
    Text,
    ToolCall,
    ToolResult,
    UsageReported,
)
from aurora_spawner.backends.failures import MESSAGE_LENGTH, failure_in
from aurora_spawner.conversations.answers import in_words
from aurora_spawner.conversations.json_rpc import UNKNOWN_METHOD
from aurora_spawner.tasks.failure import ReportedFailure
from aurora_spawner.tasks.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aurora_spawner.backends.fields import Fields

HELLO: Final = "aurora-hello"
THREAD: Final = "aurora-thread"
TURN: Final = "aurora-turn-"
"""The ids of our requests; that of a turn has its number behind it."""
_TOOLS: Final = {
    "commandExecution": "command_execution",
    "fileChange": "file_change",
    "mcpToolCall": "mcp_tool_call",
    "dynamicToolCall": "dynamic_tool_call",
    "collabAgentToolCall": "collab_tool_call",
    "webSearch": "web_search",
}
"""The items that are tool calls, with the names that `codex exec` gives them."""
_PATCH: Final = {"add": "Add", "delete": "Delete"}


@dataclass(slots=True)
class AppServerReader:
    """Reads the lines of one app-server.

    What the agent's own agents do in threads of theirs is passed over, but not what they ask.
    """

    thread: str = ""
    turn: str = ""
    """The turn that runs, once it has an id."""
    due: list[dict[str, Any]] = field(default_factory=list)
    """Lines that are to be written: answers to requests that need no decision."""
    asked: dict[str, Fields] = field(default_factory=dict)
    """The requests that wait for an answer, by their ids as events name them."""
    _calls: dict[str, Fields] = field(default_factory=dict)
    """The tool calls that go on, by their ids: requests for consent do not repeat everything."""
    _unheard: set[str] = field(default_factory=set)
    """The messages that have begun, and of which no piece has come."""

    @property
    def dialect(self) -> Dialect:
        """The dialect whose lines this reads."""
        return Dialect(
            name="codex-app-server",
            kind_in="method",
            readers={
                "": self._response,
                "turn/started": self._turn_started,
                "item/started": self._item_started,
                "item/agentMessage/delta": self._delta,
                "item/completed": self._item_completed,
                "thread/tokenUsage/updated": self._usage,
                "error": self._error,
                "turn/completed": self._turn_completed,
                "item/commandExecution/requestApproval": self._command_asked,
                "item/fileChange/requestApproval": self._patch_asked,
                "item/tool/requestUserInput": self._question_asked,
                "item/permissions/requestApproval": self._permissions_asked,
                "mcpServer/elicitation/request": self._elicitation_asked,
                **dict.fromkeys(_UNANSWERED, self._refused),
            },
        )

    # Responses to our requests.

    def _response(self, line: Fields) -> Iterator[AgentEvent]:
        id_, result = line.text("id"), line.fields("result")
        if id_ == HELLO:
            self._begin()
        if line.has("error") and (id_ in (HELLO, THREAD) or id_.startswith(TURN)):
            yield Failed(failure=failure_in(line.raw["error"]))
        elif id_ == THREAD:
            self.thread = result.fields("thread").text("id")
            yield SessionStarted(id=self.thread, model=result.text("model") or None)
        elif id_.startswith(TURN):
            self.turn = self.turn or result.fields("turn").text("id")

    def _begin(self) -> None:
        """Forgets everything: another process has begun."""
        self.thread = self.turn = ""
        for kept in (self.due, self.asked, self._calls, self._unheard):
            kept.clear()

    # What the agent does.

    def _ours(self, line: Fields) -> Fields | None:
        """Returns the parameters of a notification, or None if it is about another thread.

        Where reading begins in the middle, as after a kill, the thread is not known, and all count.
        """
        params = line.fields("params")
        return params if params.text("threadId") == self.thread or not self.thread else None

    def _turn_started(self, line: Fields) -> Iterator[AgentEvent]:
        if (params := self._ours(line)) is not None:
            self.turn = params.fields("turn").text("id")
        yield from ()

    def _item_started(self, line: Fields) -> Iterator[AgentEvent]:
        item = line.fields("params").fields("item")
        kind = item.text("type")
        if kind in _TOOLS:
            self._calls[item.text("id")] = item
        if self._ours(line) is None:
            return
        if kind == "agentMessage":
            self._unheard.add(item.text("id"))
            yield Text(text="")
        elif kind in _TOOLS:
            yield ToolCall(name=item.text("tool") or _TOOLS[kind], id=item.text("id"), about=_about(item))

    def _delta(self, line: Fields) -> Iterator[AgentEvent]:
        if (params := self._ours(line)) is not None and params.text("delta"):
            self._unheard.discard(params.text("itemId"))
            yield Text(text=params.text("delta"), continues=True)

    def _item_completed(self, line: Fields) -> Iterator[AgentEvent]:
        params = self._ours(line)
        item = params.fields("item") if params else None
        if item is None:
            return
        kind, id_ = item.text("type"), item.text("id")
        if kind == "agentMessage" and id_ in self._unheard and item.text("text"):
            yield Text(text=item.text("text"), continues=True)
        elif kind in _TOOLS:
            self._calls.pop(id_, None)
            yield ToolResult(id=id_, ok=item.text("status") not in ("failed", "declined"))

    def _usage(self, line: Fields) -> Iterator[AgentEvent]:
        """Yields the usage of one call of the model; a resumed thread repeats that of its last turn."""
        params = self._ours(line)
        if params is None or not self.turn or params.text("turnId") != self.turn:
            return
        used = params.fields("tokenUsage").fields("last")
        cached, written = used.count("cachedInputTokens"), used.count("cacheWriteInputTokens")
        yield UsageReported(
            usage=Usage(
                input_tokens=max(0, used.count("inputTokens") - cached - written),
                output_tokens=used.count("outputTokens"),
                cache_read_tokens=cached,
                cache_write_tokens=written,
            )
        )

    def _error(self, line: Fields) -> Iterator[AgentEvent]:
        """Yields a retry; an error that is none is told again by the end of the turn."""
        params = self._ours(line)
        if params is not None and params.is_true("willRetry"):
            yield RetryNotice(failure=_failure(params.fields("error")))

    def _turn_completed(self, line: Fields) -> Iterator[AgentEvent]:
        params = self._ours(line)
        turn = params.fields("turn") if params else None
        if turn is None or (self.turn and turn.text("id") != self.turn):
            return
        self.turn = ""
        self.asked.clear()
        self._calls.clear()
        self._unheard.clear()
        if turn.text("status") == "completed":
            yield Succeeded()
        elif turn.text("status") == "interrupted":
            yield Failed(failure=ReportedFailure(code="interrupted", message="it has interrupted its turn"))
        else:
            yield Failed(failure=_failure(turn.fields("error")))

    # What it asks.

    def _ask(self, line: Fields) -> str:
        """Keeps a request until it is answered; returns its id for events."""
        id_ = f"{line.raw.get('id')}"
        self.asked[id_] = line
        return id_

    def _command_asked(self, line: Fields) -> Iterator[AgentEvent]:
        """Yields a request for a command; one that shows none, such as for a host, has nothing to be judged by."""
        params = line.fields("params")
        typed = params.text("kind") == "writeStdin"
        command = _inner(params.text("command"))
        given = {"chars": command} if typed else {"command": command, "cwd": params.text("cwd")}
        tool = "write_stdin" if typed else "shell"
        yield PermissionAsked(
            id=self._ask(line), tool=tool, given=given if command else {}, call=params.text("itemId")
        )

    def _patch_asked(self, line: Fields) -> Iterator[AgentEvent]:
        call = line.fields("params").text("itemId")
        patch = "\n".join(_patched(each) for each in self._files(call))
        yield PermissionAsked(id=self._ask(line), tool="apply_patch", given={"patch": patch}, call=call)

    def _files(self, call: str) -> list[Fields]:
        item = self._calls.get(call)
        return item.rows("changes") if item else []

    def _question_asked(self, line: Fields) -> Iterator[AgentEvent]:
        asked = line.fields("params").rows("questions")
        choices = tuple(each.text("label") for each in asked[0].rows("options")) if len(asked) == 1 else ()
        text = in_words(asked)
        yield QuestionAsked(
            id=self._ask(line),
            text=text or "?",
            choices=tuple(filter(None, choices)),
            given=line.fields("params").raw,
        )

    def _elicitation_asked(self, line: Fields) -> Iterator[AgentEvent]:
        """Yields a request for a call of a server's tool; whatever else a server asks for is declined."""
        params = line.fields("params")
        meta = params.fields("_meta")
        tool = meta.text("tool_name")
        if meta.text("codex_approval_kind") == "mcp_tool_call" and tool:
            server, given = params.text("serverName"), meta.fields("tool_params").raw
            call = self._call_of(server, tool, given)
            yield PermissionAsked(id=self._ask(line), tool=f"mcp__{server}__{tool}", given=given, call=call)
        else:
            self._answer(line, {"action": "decline", "content": None, "_meta": None})

    def _call_of(self, server: str, tool: str, given: dict[str, Any]) -> str:
        """Returns the id of a call of a server's tool; "" if none goes on that is this one."""
        wanted = (server, tool, given)
        found = (
            id_
            for id_, item in self._calls.items()
            if (item.text("server"), item.text("tool"), item.fields("arguments").raw) == wanted
        )
        return next(found, "")

    def _permissions_asked(self, line: Fields) -> Iterator[AgentEvent]:
        """Grants no more than each call is allowed by itself."""
        self._answer(line, {"permissions": {}, "scope": "turn"})
        yield from ()

    def _refused(self, line: Fields) -> Iterator[AgentEvent]:
        error = {"code": UNKNOWN_METHOD, "message": "Aurora does not answer this"}
        self.due.append({"id": line.raw.get("id"), "error": error})
        yield from ()

    def _answer(self, line: Fields, result: Mapping[str, Any]) -> None:
        self.due.append({"id": line.raw.get("id"), "result": dict(result)})


_UNANSWERED: Final = (
    "item/tool/call",
    "account/chatgptAuthTokens/refresh",
    "attestation/generate",
    "applyPatchApproval",
    "execCommandApproval",
)
"""Requests for what we have not offered; without an answer the agent would wait."""


def _about(item: Fields) -> str:
    if item.text("type") == "fileChange":
        return ", ".join(each.text("path") for each in item.rows("changes"))[:200]
    shown = item.fields("arguments") if item.fields("arguments").raw else item
    return _inner(shown.about())


def _inner(command: str) -> str:
    """Returns the command that a shell is given, as the hook sees it; any other one as it is."""
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    wrapped = len(words) == 3 and words[0].endswith("sh") and words[1] in ("-c", "-lc")
    return words[2] if wrapped else command


def _patched(change: Fields) -> str:
    """Returns a change as the part of a patch in the agent's own format."""
    kind, path, diff = change.fields("kind"), change.text("path"), change.text("diff")
    verb = _PATCH.get(kind.text("type"), "Update")
    moved = f"\n*** Move to: {kind.text('move_path')}" if kind.text("move_path") else ""
    sign = {"Add": "+", "Delete": "-"}.get(verb, "")
    lines = "\n".join(f"{sign}{line}" for line in diff.splitlines())
    return f"*** {verb} File: {path}{moved}\n{lines}"


def _failure(error: Fields) -> ReportedFailure:
    """Returns the failure of a turn: its code is a word, or an object with the provider's status."""
    info = error.raw.get("codexErrorInfo")
    code, status = (info, None) if isinstance(info, str) else ("", None)
    if isinstance(info, dict) and info:
        code = str(next(iter(info)))
        status = error.fields("codexErrorInfo").fields(code).whole("httpStatusCode")
    said = failure_in(error.text("message"))
    message = said.message or error.text("additionalDetails")
    return ReportedFailure(
        code=said.code or code[:200],
        status=said.status or status,
        message=message[:MESSAGE_LENGTH],
        retry_after_s=said.retry_after_s,
    )
