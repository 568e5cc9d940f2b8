"""Claude Code's own protocol for programs: stream-json in both directions, with control requests either way.

Every tool call is asked about twice over one wire: by a hook before it, which no setting of the user's can skip, and
by the permission prompt, which the hook's answer makes needless. Its questions to the user are calls of a tool.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.backends.dialects import claude
from aurora_spawner.backends.dialects.base import Dialect
from aurora_spawner.backends.events import (
    AgentEvent,
    PermissionAsked,
    QuestionAsked,
    SessionStarted,
    Text,
    ToolCall,
    UsageReported,
)
from aurora_spawner.conversations.answers import answer_of_each, in_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aurora_spawner.backends.dialects.base import Readers
    from aurora_spawner.backends.fields import Fields

ARGUMENTS: Final = (
    *("--input-format", "stream-json", "--permission-prompt-tool", "stdio", "--include-partial-messages"),
)
"""The words of the command besides those of a task."""
_HOOK: Final = "hook "
"""Begins the id of a request by the hook."""
_QUESTIONS: Final = "AskUserQuestion"
_HELLO: Final = "aurora-hello"
_NOBODY: Final = "Nobody has answered; decide yourself, and say what you have assumed."


def _stream_event(event: Fields) -> Iterator[AgentEvent]:
    """Yields pieces of the answer; the messages of sub-agents are theirs."""
    if event.text("parent_tool_use_id"):
        return
    inner = event.fields("event")
    kind = inner.text("type")
    if kind == "content_block_start" and inner.fields("content_block").text("type") == "text":
        yield Text(text="")
    elif kind == "content_block_delta" and inner.fields("delta").text("type") == "text_delta":
        yield Text(text=inner.fields("delta").text("text"), continues=True)


def _assistant(event: Fields) -> Iterator[AgentEvent]:
    """Yields the tool calls of a message, whose text has been streamed; a question is asked as such."""
    for each in claude.READERS["assistant"](event):
        if isinstance(each, ToolCall) and each.name != _QUESTIONS:
            yield each


def _result(event: Fields) -> Iterator[AgentEvent]:
    """Yields the end of a turn; its usage is that of the turn, not of the process."""
    for each in claude.READERS["result"](event):
        yield replace(each, total=False) if isinstance(each, UsageReported) else each


def _control_request(event: Fields) -> Iterator[AgentEvent]:
    request, id_ = event.fields("request"), event.text("request_id")
    kind = request.text("subtype")
    if kind == "can_use_tool":
        if request.text("tool_name") == _QUESTIONS:
            yield _question(id_, request.fields("input"))
        else:
            yield PermissionAsked(id=id_, tool=request.text("tool_name"), given=request.fields("input").raw)
    elif kind == "hook_callback":
        call = request.fields("input")
        yield PermissionAsked(id=_HOOK + id_, tool=call.text("tool_name"), given=call.fields("tool_input").raw)


def _question(id_: str, given: Fields) -> QuestionAsked:
    asked = given.rows("questions")
    choices = [option.text("label") for each in asked for option in each.rows("options")] if len(asked) == 1 else []
    text = in_words(asked)
    return QuestionAsked(id=id_, text=text or "?", choices=tuple(filter(None, choices)), given=given.raw)


def _control_response(event: Fields) -> Iterator[AgentEvent]:
    if event.fields("response").text("request_id") == _HELLO:
        yield SessionStarted(id="")


READERS: Final[Readers] = {
    **claude.READERS,
    "stream_event": _stream_event,
    "assistant": _assistant,
    "result": _result,
    "control_request": _control_request,
    "control_response": _control_response,
}
CLAUDE_CONTROL: Final = Dialect(name="claude-control", readers=READERS)


class ClaudeControlWire:
    """The control protocol of Claude Code."""

    dialect: Final = CLAUDE_CONTROL
    confirms_session: Final = False  # it ends with the first turn if the session is lost
    words: Final = "one process, by Claude Code's control protocol"

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def hello(self, session_id: str | None) -> tuple[Mapping[str, Any], ...]:  # noqa: ARG002 -- the command has it
        """Returns the request to be asked before each tool call."""
        hooks = {"PreToolUse": [{"matcher": None, "hookCallbackIds": ["aurora"]}]}
        request = {"subtype": "initialize", "hooks": hooks}
        return ({"type": "control_request", "request_id": _HELLO, "request": request},)

    def turn(self, text: str) -> Mapping[str, Any]:
        """Returns the line of a turn."""
        message = {"role": "user", "content": text}
        return {"type": "user", "message": message, "parent_tool_use_id": None, "session_id": "default"}

    def permission(self, asked: PermissionAsked, *, allowed: bool, reason: str) -> Mapping[str, Any]:
        """Returns the answer to the hook or to the permission prompt."""
        if not asked.id.startswith(_HOOK):
            yes = {"behavior": "allow", "updatedInput": dict(asked.given)}
            return _response(asked.id, yes if allowed else {"behavior": "deny", "message": reason})
        decision = {
            "hookEventName": "PreToolUse",
            "permissionDecision": "allow" if allowed else "deny",
            "permissionDecisionReason": reason,
        }
        # A question must still come to the permission prompt, which can answer it.
        answer: dict[str, Any] = {} if asked.tool == _QUESTIONS else {"hookSpecificOutput": decision}
        return _response(asked.id.removeprefix(_HOOK), answer)

    def answer(self, asked: QuestionAsked, text: str | None) -> Mapping[str, Any]:
        """Returns the answer to a question; of several, each line answers one."""
        if text is None:
            return _response(asked.id, {"behavior": "deny", "message": _NOBODY})
        questions = [each.get("question", "") for each in asked.given.get("questions", []) if isinstance(each, dict)]
        given = {**asked.given, "answers": answer_of_each(questions, text)}
        return _response(asked.id, {"behavior": "allow", "updatedInput": given})

    def interrupt(self) -> Mapping[str, Any]:
        """Returns the request to interrupt."""
        request_id = f"aurora-interrupt-{next(self._numbers)}"
        return {"type": "control_request", "request_id": request_id, "request": {"subtype": "interrupt"}}


def _response(request_id: str, response: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "control_response",
        "response": {"subtype": "success", "request_id": request_id, "response": dict(response)},
    }
