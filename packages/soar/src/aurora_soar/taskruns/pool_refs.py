"""Deletes what pools still have of the trees of this project's runs, once it is needed there no longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_soar.taskruns.pools import trees_of
from aurora_spawner import SpawnerError
from aurora_spawner.control.checkpoints import list_checkpoints
from aurora_spawner.control.lookup import attempts_of, find_run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aurora_core.settings.config import PoolConfig

__all__ = ["clear_pool"]


def clear_pool(journal: Path, run_id: str, pools: Mapping[str, PoolConfig]) -> tuple[str, ...]:
    """Deletes the refs of runs that are over on a run's pools, as far as their commits are merged or in the attic.

    Workers and hosts take the end of a ref for the leave to remove its worktree.

    Args:
        pools: those that the configuration describes, by name.

    Returns:
        A sentence for each that cannot be reached now; the next run on it tries again.
    """
    options = find_run(journal, run_id)[0].options
    if options is None or options.isolation is None or options.pool is None:
        return ()
    from aurora_spawner.distributed.pool_trees import sweep

    runs = [each.run for each in list_checkpoints(journal) if each.run.state.settled and not each.held]
    on_pools = {run.run_id: run.options.pool for run in runs if run.options and run.options.pool}
    left = []
    for name in _used(journal, run_id, options.pool, pools):
        over = {each for each, pool in on_pools.items() if pool == name or pools[name].ssh}
        try:
            sweep(trees_of(pools[name]), options.isolation.repository, over)
        except SpawnerError as error:
            left.append(f"pool {name} still has refs that are no longer needed: {error}")
    return tuple(left)


def _used(journal: Path, run_id: str, pool: str, pools: Mapping[str, PoolConfig]) -> list[str]:
    """Returns the pools that may have trees of a run: its own, and the hosts of single tasks."""
    hosts = {each.supervisor.host for each in attempts_of(journal, run_id) if each.supervisor}
    return [name for name, each in pools.items() if (each.ssh in hosts if each.ssh else name == pool)]
