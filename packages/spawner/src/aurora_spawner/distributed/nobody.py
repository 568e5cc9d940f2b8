"""Finds out why an attempt waits in its queue: nobody who is there could take it, or something holds it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from aurora_spawner.distributed.attempt_store import StoredWorker
    from aurora_spawner.distributed.pool_limits import PoolLimit
    from aurora_spawner.rate_limits.gate import ProviderGate


def nobody_for(workers: Sequence[StoredWorker], *, pool: str, labels: Collection[str], agent: str) -> str:
    """Returns why no worker takes an attempt now; "" if one that serves its pool could."""
    serving = [each for each in workers if each.pool == pool and each.state == "serving"]
    if not serving:
        return f"no worker serves pool {pool} now"
    labelled = [each for each in serving if set(labels) <= set(each.labels)]
    if not labelled:
        there = ", ".join(sorted({label for each in serving for label in each.labels})) or "none"
        return f"no worker of pool {pool} has the labels {', '.join(labels)}; there are: {there}"
    if not any(agent in each.agents for each in labelled):
        return f"no worker of pool {pool} that could take it runs {agent}"
    return ""


def held_for(
    limits: Sequence[PoolLimit], gates: Sequence[ProviderGate], *, pool: str, agent: str, provider: str
) -> str:
    """Returns the limit or the provider for which an attempt waits now; "" if there is none.

    Args:
        gates: Those that are not open.
    """
    for limit in limits:
        if limit.pool == pool and limit.agent in ("", agent) and limit.running >= limit.most:
            whose = f"agent {agent} is at its limit" if limit.agent else "it is at its limit"
            return f"pool {pool}: {whose} of {limit.most} at once, in all runs"
    return next((gate.describe() for gate in gates if gate.provider == provider), "")
