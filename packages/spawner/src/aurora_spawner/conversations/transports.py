"""The choice of the transport: how an agent of each kind is talked with."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

from aurora_spawner.backends.base import with_events
from aurora_spawner.backends.cli import CliBackend
from aurora_spawner.backends.command import CommandBackend
from aurora_spawner.backends.model.backend import ModelBackend
from aurora_spawner.conversations.acp import messages
from aurora_spawner.conversations.acp.agents import ACP_AGENTS, ANY
from aurora_spawner.conversations.acp.conversation import AcpConversation
from aurora_spawner.conversations.acp.reading import acp_dialect
from aurora_spawner.conversations.acp.wire import AcpWire
from aurora_spawner.conversations.app_server import (
    AppServerConversation,
    AppServerWire,
    TalkingCodex,
    speaks_app_server,
)
from aurora_spawner.conversations.claude_control import ARGUMENTS, CLAUDE_CONTROL, ClaudeControlWire
from aurora_spawner.conversations.json_lines import JSON_LINES, JsonLinesWire
from aurora_spawner.conversations.live import LiveConversation
from aurora_spawner.conversations.model_call import ModelConversation, way_of_calls
from aurora_spawner.conversations.one_shot import OneShotConversation, way_of_turns
from aurora_spawner.errors import MissingExtraError

if TYPE_CHECKING:
    from aurora_spawner.attempts.executor import AttemptOrder, Executor
    from aurora_spawner.backends.base import Backend
    from aurora_spawner.backends.dialects.base import Dialect
    from aurora_spawner.backends.profiles import Profile
    from aurora_spawner.conversations.acp.agents import AcpAgent
    from aurora_spawner.conversations.orders import SessionOrders
    from aurora_spawner.conversations.port import Conversation, OnStart


class TalkingClaude(CliBackend):
    """Claude Code while it is talked with: its output has another dialect, and it asks about what it does."""

    __slots__ = ()

    @property
    def dialect(self) -> Dialect:
        """The dialect of its stdout."""
        return CLAUDE_CONTROL


class TalkingAcp(CliBackend):
    """A CLI while it is talked with in ACP: started in another way, and asking unless a hook judges its calls."""

    __slots__ = ()

    @property
    def quirks(self) -> AcpAgent:
        """The row of its kind in the table of agents in ACP."""
        return ACP_AGENTS[self.kind]

    @property
    def profile(self) -> Profile:
        """The profile of its kind, for ACP."""
        usual, quirks = super().profile, self.quirks
        return replace(
            usual,
            start=quirks.start,
            fresh=(),
            resumed=(),
            safe_env=quirks.ask_env,
            model=() if quirks.model_by_option else usual.model,
            gate=usual.gate if quirks.hooks and self.permissive is not False else None,
        )

    @property
    def dialect(self) -> Dialect:
        """The dialect of its stdout."""
        return acp_dialect()


def talking_backend(backend: Backend) -> Backend:
    """Returns a backend as it is while its agent is talked with."""
    if not isinstance(backend, CliBackend):
        return backend
    values = {each.name: getattr(backend, each.name) for each in fields(backend)}
    if backend.kind == "claude":
        return TalkingClaude(**{**values, "permissive": False})
    if speaks_app_server(backend):  # it asks in any case; `permissive: false` keeps its sandbox
        return TalkingCodex(**{**values, "permissive": None if backend.permissive else backend.permissive})
    if backend.kind in ACP_AGENTS:
        # True has nothing to add to being asked; False keeps the agent from the mode that a hook would allow.
        return TalkingAcp(**{**values, "permissive": False if backend.permissive is False else None})
    return backend


def conversation_with(
    backend: Backend, orders: SessionOrders, on_start: OnStart, *, executor: Executor
) -> Conversation:
    """Returns the conversation with an agent.

    Args:
        backend: as `talking_backend` returns it.
        on_start: called with each process of the agent.
    """
    if isinstance(backend, TalkingClaude | TalkingCodex | TalkingAcp):
        return _with_cli(backend, orders, on_start, executor)
    if isinstance(backend, ModelBackend):
        return ModelConversation(
            backend,
            executor,
            lambda prompt, earlier: orders.order(backend, prompt=prompt, earlier=earlier),
            on_start,
            orders.turns,
        )
    if _speaks(backend, "json-lines"):
        return LiveConversation(
            backend.name,
            JsonLinesWire(),
            executor,
            lambda session_id: orders.talking(backend, resume=session_id),
            on_start,
        )
    if _speaks(backend, "acp"):
        return _in_acp(backend, ANY, orders, on_start, executor)
    return OneShotConversation(
        backend, executor, lambda prompt, resume: orders.order(backend, prompt=prompt, resume=resume), on_start
    )


def _with_cli(
    backend: TalkingClaude | TalkingCodex | TalkingAcp, orders: SessionOrders, on_start: OnStart, executor: Executor
) -> Conversation:
    """Returns the conversation with an agent CLI that is one process for all turns."""
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
    plain = replace(backend, model=None) if backend.quirks.model_by_option else backend
    return _in_acp(plain, backend.quirks, orders, on_start, executor, model=backend.model)


def dialect_of_talk(backend: Backend) -> Dialect | None:
    """Returns the dialect of the output of a `talking_backend`; None for plain text."""
    if _speaks(backend, "json-lines"):
        return JSON_LINES
    if _is_in_acp(backend):
        return acp_dialect()
    speaking = with_events(backend)
    return speaking.dialect if speaking else None


def way_of_talking(backend: Backend) -> str:
    """Says in a few words how the agent of a `talking_backend` is talked with."""
    if isinstance(backend, TalkingClaude):
        return ClaudeControlWire.words
    if isinstance(backend, TalkingCodex):
        return AppServerWire.words
    if _is_in_acp(backend):
        return AcpWire.words
    if isinstance(backend, ModelBackend):
        return way_of_calls(backend.history_tokens)
    return JsonLinesWire.words if _speaks(backend, "json-lines") else way_of_turns(backend)


def missing_extra(backend: Backend) -> MissingExtraError | None:
    """Returns the error of a `talking_backend` that cannot be talked with without an extra; None if all is there."""
    missing = messages.missing_packages() if _is_in_acp(backend) else []
    return MissingExtraError(backend.name, extra=messages.EXTRA, packages=missing) if missing else None


def asks_itself(backend: Backend) -> str:
    """Says about what an agent asks over its own protocol; "" if it does not, or a hook has to ask."""
    if isinstance(backend, TalkingAcp):
        return f"it asks {backend.quirks.asks}, and the policies answer"
    return f"it asks {ANY.asks}, and the policies answer" if _speaks(backend, "acp") else ""


def _in_acp(
    backend: Backend,
    quirks: AcpAgent,
    orders: SessionOrders,
    on_start: OnStart,
    executor: Executor,
    *,
    model: str | None = None,
) -> AcpConversation:
    def order(_session_id: str | None) -> AttemptOrder:
        if error := missing_extra(backend):
            raise error
        return orders.talking(backend, resume=None)

    known = replace(quirks, ask_mode="") if backend.name in orders.hooked else quirks
    return AcpConversation(backend.name, known, executor, order, on_start, cwd=orders.cwd, model=model)


def _is_in_acp(backend: Backend) -> bool:
    return isinstance(backend, TalkingAcp) or _speaks(backend, "acp")


def _speaks(backend: Backend, protocol: str) -> bool:
    return isinstance(backend, CommandBackend) and backend.conversation == protocol
