"""Finds out if nobody who is there now could take an attempt that waits in its queue. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from aurora_spawner.distributed.attempt_store import StoredWorker


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
