"""Deletes what the git repository of a pool still has of this project's runs, once it is needed there no longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_soar.taskruns.pools import exchange_at
from aurora_spawner import SpawnerError
from aurora_spawner.control.checkpoints import list_checkpoints
from aurora_spawner.control.lookup import find_run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["clear_pool"]


def clear_pool(journal: Path, run_id: str, pools: Mapping[str, str]) -> tuple[str, ...]:
    """Deletes the refs of the runs on a run's pool that are over, as far as their commits are merged or in the attic.

    Workers take the end of a ref for the leave to remove its worktree.

    Args:
        pools: the repositories, by pool.

    Returns:
        A sentence if the repository cannot be reached now; the next run on the pool tries again.
    """
    options = find_run(journal, run_id)[0].options
    pool = options.pool if options is not None else None
    if options is None or options.isolation is None or pool is None or pool not in pools:
        return ()
    from aurora_spawner.distributed.pool_trees import sweep

    over = {
        each.run.run_id
        for each in list_checkpoints(journal)
        if each.run.state.settled and not each.held and each.run.options and each.run.options.pool == pool
    }
    try:
        sweep(exchange_at(pools[pool]), options.isolation.repository, over)
    except SpawnerError as error:
        return (f"the repository of pool {pool} still has refs that are needed no longer: {error}",)
    return ()
