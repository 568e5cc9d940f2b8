"""The choice of the transport: how an agent of each kind is talked with."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from aurora_spawner.backends.base import with_events
from aurora_spawner.backends.cli import CliBackend
from aurora_spawner.backends.command import CommandBackend
from aurora_spawner.backends.model.backend import ModelBackend
from aurora_spawner.conversations.app_server import (
    AppServerConversation,
    AppServerWire,
    TalkingCodex,
    speaks_app_server,
)
from aurora_spawner.conversations.claude_control import ARGUMENTS, CLAUDE_CONTROL, ClaudeControlWire
from aurora_spawner.conversations.json_lines import JSON_LINES, JsonLinesWire
from aurora_spawner.conversations.live import LiveConversation
from aurora_spawner.conversations.model_call import ModelConversation
from aurora_spawner.conversations.one_shot import OneShotConversation

if TYPE_CHECKING:
    from aurora_spawner.attempts.executor import Executor
    from aurora_spawner.backends.base import Backend
    from aurora_spawner.backends.dialects.base import Dialect
    from aurora_spawner.conversations.orders import SessionOrders
    from aurora_spawner.conversations.port import Conversation, OnStart


class TalkingClaude(CliBackend):
    """Claude Code while it is talked with: its output has another dialect, and it asks about what it does."""

    __slots__ = ()

    @property
    def dialect(self) -> Dialect:
        """The dialect of its stdout."""
        return CLAUDE_CONTROL


def talking_backend(backend: Backend) -> Backend:
    """Returns a backend as it is while its agent is talked with."""
    if not isinstance(backend, CliBackend):
        return backend
    values = {each.name: getattr(backend, each.name) for each in fields(backend)}
    if backend.kind == "claude":
        return TalkingClaude(**{**values, "permissive": False})
    if speaks_app_server(backend):  # it asks in any case; `permissive: false` keeps its sandbox
        return TalkingCodex(**{**values, "permissive": None if backend.permissive else backend.permissive})
    return backend


def conversation_with(
    backend: Backend, orders: SessionOrders, on_start: OnStart, *, executor: Executor
) -> Conversation:
    """Returns the conversation with an agent.

    Args:
        backend: as `talking_backend` returns it.
        on_start: called with each process of the agent.
    """
    if isinstance(backend, TalkingClaude):
        return LiveConversation(
            backend.name,
            ClaudeControlWire(),
            executor,
            lambda session_id: orders.talking(backend, resume=session_id, arguments=ARGUMENTS),
            on_start,
        )
    if isinstance(backend, TalkingCodex):
        hooked = backend.name in orders.hooked and backend.permissive is not False
        return AppServerConversation(
            backend.name,
            AppServerWire(orders.cwd, hooked=hooked),
            executor,
            lambda session_id: orders.talking(backend, resume=session_id),
            on_start,
        )
    if _speaks_json_lines(backend):
        return LiveConversation(
            backend.name,
            JsonLinesWire(),
            executor,
            lambda session_id: orders.talking(backend, resume=session_id),
            on_start,
        )
    if isinstance(backend, ModelBackend):
        return ModelConversation(
            backend,
            executor,
            lambda prompt, earlier: orders.order(backend, prompt=prompt, earlier=earlier),
            on_start,
            orders.turns,
        )
    return OneShotConversation(
        backend, executor, lambda prompt, resume: orders.order(backend, prompt=prompt, resume=resume), on_start
    )


def dialect_of_talk(backend: Backend) -> Dialect | None:
    """Returns the dialect of the output of a `talking_backend`; None for plain text."""
    if _speaks_json_lines(backend):
        return JSON_LINES
    speaking = with_events(backend)
    return speaking.dialect if speaking else None


def _speaks_json_lines(backend: Backend) -> bool:
    return isinstance(backend, CommandBackend) and backend.conversation == "json-lines"
