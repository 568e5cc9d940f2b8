"""The fallback chain of an agent, and the provider whose limits it shares."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from aurora_spawner.errors import BackendError
from aurora_spawner.recovery.machine import LOCAL_AGENT, MODEL_AGENT
from aurora_spawner.tasks.task import SpawnTask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aurora_spawner.backends.base import Backend, Invocation
    from aurora_spawner.recovery.policy import RecoveryPolicy

_SAMPLE_TASK = SpawnTask("a task")


def check_fallbacks(fallbacks: Mapping[str, Sequence[str]], backends: Mapping[str, Backend]) -> None:
    """Checks that every configured fallback has a backend; the model and the local agent may lack one.

    Raises:
        BackendError: A fallback has no backend.
    """
    for agent, names in fallbacks.items():
        for name in names:
            if name not in backends and name not in (MODEL_AGENT, LOCAL_AGENT):
                known = ", ".join(sorted(backends))
                raise BackendError(name, f"is a fallback of {agent} and has no backend; known are {known}")


def fallback_chain(
    agent: str, policy: RecoveryPolicy, *, backends: Mapping[str, Backend], configured: Sequence[str] = ()
) -> tuple[str, ...]:
    """Returns the agents to fall back to, in order.

    First the fallbacks of the agent's configuration, then a direct call of a model, then, if the policy says so, the
    local agent. Agents that are not installed are left out. So is an agent with the command of an earlier one: the
    same command under another name fails in the same way.
    """
    if not policy.strategy.falls_back:
        return ()
    wanted = [name for name in configured if name != MODEL_AGENT or policy.fallback_to_llm]
    wanted += [MODEL_AGENT] if policy.fallback_to_llm else []
    wanted += [LOCAL_AGENT] if policy.fallback_to_local else []
    chain, launches = [], [_launch(backends[agent])] if agent in backends else []
    for name in dict.fromkeys(wanted):
        launch = _launch(backends[name]) if name in backends else None
        if name != agent and launch is not None and launch not in launches:
            chain.append(name)
            launches.append(launch)
    return tuple(chain)


def _launch(backend: Backend) -> tuple[object, ...] | None:
    """Returns the command and environment of a backend; None if its program is missing."""
    try:
        found: Invocation = backend.invoke(_SAMPLE_TASK)
    except BackendError:
        return None
    return type(backend), found.command, tuple(sorted(found.env.items()))


def provider_of(backend: Backend) -> str:
    """Returns the provider whose limits an agent shares.

    A backend may name it (`provider`); else all backends with the same command share one.
    """
    named = getattr(backend, "provider", None)
    if isinstance(named, str) and named:
        return named
    try:
        command = backend.invoke(_SAMPLE_TASK).command
    except BackendError:
        return backend.name
    digest = hashlib.sha256(json.dumps(command).encode()).hexdigest()[:8]
    return f"{backend.name}@{digest}"
