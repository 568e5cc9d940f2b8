"""Who is asked when an agent cannot do a task, and whose limits an agent shares."""

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

_PROBE = SpawnTask("what would be run?")


def check_fallbacks(fallbacks: Mapping[str, Sequence[str]], backends: Mapping[str, Backend]) -> None:
    """Sees that everybody who is to stand in for somebody is there; a model and the local agent need not be.

    Raises:
        BackendError: A fallback has no backend.
    """
    for agent, names in fallbacks.items():
        for name in names:
            if name not in backends and name not in (MODEL_AGENT, LOCAL_AGENT):
                known = ", ".join(sorted(backends))
                raise BackendError(name, f"is a fallback of {agent} and has no backend; there are: {known}")


def fallback_chain(
    agent: str, policy: RecoveryPolicy, *, backends: Mapping[str, Backend], configured: Sequence[str] = ()
) -> tuple[str, ...]:
    """The agents to fall back to, in order.

    First those that the agent's configuration names, then a direct call of a model, then, if asked for, the agent
    that needs no model. Who is not there is left out, and so is whoever would run a command again that comes before:
    the same under another name fails in the same way.

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
    """What a backend runs, name aside; None where its program is missing."""
    try:
        found: Invocation = backend.invoke(_PROBE)
    except BackendError:
        return None
    return type(backend), found.command, tuple(sorted(found.env.items()))


def provider_of(backend: Backend) -> str:
    """Whose limits an agent meets.

    A backend may say so (`provider`); else all that run the same command share theirs.
    """
    named = getattr(backend, "provider", None)
    if isinstance(named, str) and named:
        return named
    try:
        command = backend.invoke(_PROBE).command
    except BackendError:
        return backend.name
    digest = hashlib.sha256(json.dumps(command).encode()).hexdigest()[:8]
    return f"{backend.name}@{digest}"
