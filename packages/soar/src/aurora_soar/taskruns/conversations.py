"""Conversations with a project's agents: the transport of each, under the project's policies and budget."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from aurora_soar.errors import NoConversationError, UnknownAgentError
from aurora_soar.notifications.messages import notification_of
from aurora_soar.registry import LOCAL_AGENT
from aurora_soar.run_options import project_run_options
from aurora_soar.taskruns.gate import PolicyGate
from aurora_spawner import CliBackend
from aurora_spawner.backends.cli import has_gate
from aurora_spawner.conversations.held import SessionParts
from aurora_spawner.conversations.kinds import SESSION_RUN
from aurora_spawner.conversations.orders import PART
from aurora_spawner.conversations.port import ConversationError
from aurora_spawner.conversations.session_events import SessionNotice
from aurora_spawner.conversations.stored import create_session
from aurora_spawner.conversations.transports import (
    TalkingClaude,
    asks_itself,
    conversation_with,
    dialect_of_talk,
    talking_backend,
)
from aurora_spawner.rate_limits.gate_store import default_state_dir
from aurora_spawner.tasks.run_events import ApprovalAsked

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_soar.notifications.messages import Notification
    from aurora_soar.taskruns.agents import ProjectAgents
    from aurora_spawner import Backend
    from aurora_spawner.conversations.orders import SessionOrders
    from aurora_spawner.conversations.port import Conversation, OnStart
    from aurora_spawner.conversations.session_events import Asked, SessionEvent

__all__ = ["check_talks", "new_session", "question_notification", "session_parts", "talking_agents"]


def talking_agents(agents: ProjectAgents) -> tuple[str, ...]:
    """Names the agents that can be talked with."""
    return tuple(sorted(name for name in agents.backends if name != LOCAL_AGENT))


def check_talks(agents: ProjectAgents, agent: str, where: str) -> None:
    """Refuses an agent that cannot be talked with.

    Args:
        where: the place that names it, for the error.

    Raises:
        UnknownAgentError: there is none of that name.
        UntrustedAgentError: it is the project's own, and not trusted.
        NoConversationError: it holds no conversations.
        OverLimitError: nothing is left of the budget for it.
    """
    agents.check_trusted([(agent, where)])
    if agent not in agents.backends:
        raise UnknownAgentError(agent, where, talking_agents(agents))
    if agent == LOCAL_AGENT:
        raise NoConversationError(agent)
    agents.limits().using([agent]).check([agent], tasks=1)


def new_session(
    agents: ProjectAgents, *, goal: str, agent: str, mode: str, team: bool = False, isolation: str | None = None
) -> str:
    """Writes a session into the journal, and returns its id; nothing starts."""
    options = project_run_options(
        agents.project,
        kind=SESSION_RUN,
        default_agent=agent,
        timeout_s=None,
        recovery=None,
        executor=None,
        state_dir=default_state_dir(),
        gate={},
    )
    tool = (agents.config.tool or "") if team else ""
    return create_session(
        agents.project.runs_db, options, goal=goal, mode=mode, team=team, tool=tool, isolation=isolation or ""
    )


def question_notification(run_id: str, asked: Asked) -> Notification | None:
    """Returns what is told outside of the terminal about a question in a session."""
    event = ApprovalAsked(
        run_id=run_id,
        at=time.time(),
        task_id=PART,
        approval=asked.approval,
        question=asked.question,
        limit_s=asked.limit_s,
    )
    return notification_of(event)


def _gate_words(backend: Backend, found: str, *, hooked: bool) -> str:
    """Says how tool calls of an agent are judged while it is talked with; "" for a program that has no hooks."""
    asks = "" if hooked else asks_itself(backend)
    return asks or (found if isinstance(backend, CliBackend) else "")


def session_parts(
    agents: ProjectAgents,
    *,
    run_id: str,
    started: int,
    asks: bool,
    on_event: Callable[[SessionEvent], None],
) -> SessionParts:
    """Returns what a session of this project needs.

    Args:
        started: the processes that it has had.
        asks: a person can be asked; else the stated defaults hold at once.
    """
    backends = {name: talking_backend(agents.backends[name]) for name in talking_agents(agents)}
    limits = replace(agents.limits(), backends=backends).using(backends)
    executor = limits.executor(resumes=run_id, spawned=started, detached=False)

    def converse(agent: str, orders: SessionOrders, on_start: OnStart) -> Conversation:
        if agent not in backends:
            raise ConversationError(agent, "is not configured any more, or not trusted; switch to another")
        if not isinstance(backends[agent], TalkingClaude):  # which asks over its own wire
            found = agents.gate([agent])
            hooked = found.gate is not None and has_gate(backends[agent])
            orders.hooked |= {agent} if hooked else set()
            words = _gate_words(backends[agent], found.words.get(agent, ""), hooked=hooked)
            if words:
                on_event(SessionNotice(text=f"policy gate of {agent}: {words}"))
        return conversation_with(backends[agent], orders, on_start, executor=executor)

    def turn_limit_s(agent: str) -> float | None:
        """Returns the limit of a turn for which nobody waits, who could interrupt it."""
        if asks or agent not in backends:
            return None
        recovery = agents.policies.recovery
        return backends[agent].timeout_s or max(recovery.timeout_seconds, recovery.max_timeout_seconds)

    return SessionParts(
        converse=converse,
        dialect_of=lambda agent: dialect_of_talk(backends[agent]) if agent in backends else None,
        executor=executor,
        gate=PolicyGate(policies=agents.policies),
        turn_limit_s=turn_limit_s,
        limit_s=agents.policies.policies.approvals.limit_seconds if asks else 0,
        state_dir=default_state_dir(),
        environ=dict(os.environ),
        on_event=on_event,
    )
