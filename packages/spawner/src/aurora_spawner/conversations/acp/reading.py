"""Reads the lines of an agent that speaks ACP: notifications, requests, and responses to our own requests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.backends.dialects.base import Dialect
from aurora_spawner.backends.events import (
    AgentEvent,
    Failed,
    PermissionAsked,
    RequestUnserved,
    SessionStarted,
    Succeeded,
    Text,
    ToolCall,
    ToolResult,
    UsageReported,
)
from aurora_spawner.backends.failures import MESSAGE_LENGTH
from aurora_spawner.backends.fields import Fields, object_in
from aurora_spawner.conversations.acp.calls import about_call, call_of, shows_itself, tool_name
from aurora_spawner.conversations.acp.forms import question_in
from aurora_spawner.conversations.port import CANCELLED
from aurora_spawner.tasks.failure import ReportedFailure
from aurora_spawner.tasks.usage import NOTHING, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME: Final = "acp"
INITIALIZE: Final = "aurora-initialize"
NEW: Final = "aurora-new"
LOAD: Final = "aurora-load"
PROMPT: Final = "aurora-prompt"
"""The ids of our requests; that of a prompt goes on with its number."""
_CALLS_KEPT: Final = 1_000
"""Calls that are announced and not told yet; those beyond are told as they are."""
_ENDS: Final = {
    CANCELLED: "it has cancelled its turn",
    "max_tokens": "its answer was cut off at the model's limit of tokens",
    "max_turn_requests": "it has reached its limit of requests in a turn",
    "refusal": "its model refuses to go on",
}
"""Ends of a turn that are no success."""


def acp_dialect() -> Dialect:
    """Returns the dialect for one stream: what a line means depends on those before it."""
    return Dialect(name=NAME, read_line=AcpReader().read)


def message_in(line: str) -> Fields | None:
    """Returns the object in a line; halves of characters, which no answer could repeat, are replaced."""
    message = object_in(line)
    if message is None or "\\ud" not in line.lower():
        return message
    whole = json.dumps(message.raw, ensure_ascii=False).encode("utf-8", errors="replace")
    return object_in(whole.decode("utf-8"))


def answer_key(request_id: object, *, allow: str = "", reject: str = "") -> str:
    """Returns the id of an event that is answered later: that of the request, and the options for yes and no."""
    return json.dumps({"id": request_id, "allow": allow, "reject": reject})


def error_text(error: Fields) -> str:
    """Returns an error of JSON-RPC in words."""
    data = error.raw.get("data")
    more = (
        data if isinstance(data, str) else Fields(data).text("details", "message") if isinstance(data, dict) else ""
    )
    said = error.text("message") or f"error {error.raw.get('code')}"
    return (f"{said}: {more}" if more and more not in said else said)[:MESSAGE_LENGTH]


class AcpReader:
    """Reads one stream."""

    def __init__(self) -> None:
        self._replays = False
        """True while a session is loaded: what it tells was said before."""
        self._calls: dict[str, Fields] = {}
        """Calls that were announced, until a later message shows what they do."""
        self._told: set[str] = set()
        self._message = ""
        self._broken_off = False
        """True if the next piece of text begins a message."""
        self._used: Usage | None = None
        """The usage that pieces of the answer report, of agents that do not report it at the end of a turn."""
        self._cost: float | None = None
        """The cost of the session so far; None while it is not known."""
        self._cost_before: float | None = None

    def read(self, line: str) -> Iterator[AgentEvent]:
        """Yields the events of a line."""
        message = message_in(line)
        if message is None:
            return
        method = message.text("method")
        if method == "session/update":
            yield from self._update(message.fields("params").fields("update"))
        elif method and message.has("id"):
            yield from self._request(method, message.raw["id"], message.fields("params"))
        elif not method:
            yield from self._response(message)

    def _update(self, update: Fields) -> Iterator[AgentEvent]:
        kind = update.text("sessionUpdate")
        if kind == "usage_update":
            self._take_cost(update.fields("cost"))
        elif self._replays:
            return
        elif kind == "agent_message_chunk":
            yield from self._chunk(update)
        elif kind in ("tool_call", "tool_call_update"):
            yield from self._call(update, announced=kind == "tool_call")

    def _chunk(self, update: Fields) -> Iterator[AgentEvent]:
        text, message = update.fields("content").text("text"), update.text("messageId")
        if (used := update.fields("_meta").fields("usage")).raw:
            self._used = (self._used or NOTHING) + _usage(used)
        if not text:
            return
        begins = self._broken_off or bool(self._message and message and message != self._message)
        self._message, self._broken_off = message or self._message, False
        yield Text(text=text, continues=not begins)

    def _call(self, update: Fields, *, announced: bool) -> Iterator[AgentEvent]:
        """Yields a call once, as soon as a message about it may show what it does."""
        call_id, status = update.text("toolCallId"), update.text("status")
        self._broken_off = True
        if call_id not in self._told:
            known = self._calls.pop(call_id, Fields({}))
            merged = Fields({**known.raw, **{name: value for name, value in update.raw.items() if value}})
            bare = announced and status in ("", "pending") and not shows_itself(merged)
            if bare and len(self._calls) < _CALLS_KEPT:
                self._calls[call_id] = merged
                return
            yield from self._tell(call_id, merged)
        if status in ("completed", "failed"):
            yield ToolResult(id=call_id, ok=status == "completed")

    def _tell(self, call_id: str, call: Fields) -> Iterator[AgentEvent]:
        self._told.add(call_id)
        yield ToolCall(name=tool_name(call), id=call_id, about=about_call(call))

    def _request(self, method: str, request_id: Any, params: Fields) -> Iterator[AgentEvent]:
        if method == "session/request_permission":
            yield from self._permission(request_id, params)
        elif method == "elicitation/create" and (asked := question_in(answer_key(request_id), params)) is not None:
            yield asked
        else:
            yield RequestUnserved(id=answer_key(request_id), method=method)

    def _permission(self, request_id: Any, params: Fields) -> Iterator[AgentEvent]:
        call = params.fields("toolCall")
        call_id = call.text("toolCallId")
        merged = Fields({**self._calls.pop(call_id, Fields({})).raw, **call.raw})
        if call_id not in self._told:
            yield from self._tell(call_id, merged)
        options = {each.text("kind"): each.text("optionId") for each in reversed(params.rows("options"))}
        # What is allowed once and for all is not asked about again, so no policy could judge it.
        key = answer_key(
            request_id,
            allow=options.get("allow_once", ""),
            reject=options.get("reject_once") or options.get("reject_always", ""),
        )
        tool, given = call_of(merged)
        yield PermissionAsked(id=key, tool=tool, given=given)

    def _response(self, message: Fields) -> Iterator[AgentEvent]:
        request, result = message.text("id"), message.fields("result")
        if request == INITIALIZE:
            self._replays = True
        elif request in (NEW, LOAD):
            if message.has("error"):
                return
            self._replays = False
            self._cost = 0.0 if request == NEW else self._cost
            self._cost_before = self._cost
            if request == NEW:
                yield SessionStarted(id=result.text("sessionId"))
        elif request.startswith(PROMPT):
            yield from self._end(message, result)

    def _end(self, message: Fields, result: Fields) -> Iterator[AgentEvent]:
        for call_id, call in self._calls.items():
            yield from self._tell(call_id, call)
        yield from self._usage(result)
        self._calls.clear()
        self._told.clear()
        self._message, self._broken_off = "", False
        reason = result.text("stopReason")
        if message.has("error"):
            yield _failed(error_text(message.fields("error")))
        elif reason in _ENDS:
            yield _failed(_ENDS[reason], code=reason)
        else:
            yield Succeeded()

    def _usage(self, result: Fields) -> Iterator[AgentEvent]:
        """Yields the usage of a turn, which agents report in three ways."""
        reported = result.fields("usage")
        if not reported.raw:
            reported = result.fields("_meta").fields("quota").fields("token_count")
        used, self._used = self._used, None
        cost = self._cost - self._cost_before if self._cost is not None and self._cost_before is not None else None
        self._cost_before = self._cost
        usage = _usage(reported, cost) if reported.raw else used
        if usage is not None:
            yield UsageReported(usage=usage)

    def _take_cost(self, cost: Fields) -> None:
        if cost.text("currency") == "USD" and cost.real("amount"):
            self._cost = cost.real("amount")


def _usage(counts: Fields, cost_usd: float | None = None) -> Usage:
    return Usage(
        input_tokens=counts.count("inputTokens", "input_tokens"),
        output_tokens=counts.count("outputTokens", "output_tokens"),
        cache_read_tokens=counts.count("cachedReadTokens", "cachedInputTokens"),
        cache_write_tokens=counts.count("cachedWriteTokens"),
        cost_usd=max(0.0, cost_usd) if cost_usd else None,
    )


def _failed(message: str, *, code: str = "") -> Failed:
    return Failed(failure=ReportedFailure(code=code, message=message))
