"""The workers that a database knows, for the commands about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aurora_spawner.distributed.attempt_store import AttemptStore, StoredWorker

__all__ = ["change_worker", "known_workers"]


async def known_workers() -> list[StoredWorker]:
    """Returns the workers of all pools."""
    from aurora_soar.taskruns.pools import open_store

    store = open_store()
    try:
        await store.database.make_tables()
        return await store.workers()
    finally:
        store.database.close()


async def change_worker(name: str, change: Callable[[AttemptStore, StoredWorker], Awaitable[None]]) -> StoredWorker:
    """Changes the worker of a name or id, and returns it as it was.

    Raises:
        click.UsageError: no worker, or more than one, has that name.
    """
    from aurora_soar.taskruns.pools import open_store

    store = open_store()
    try:
        await store.database.make_tables()
        found = [each for each in await store.workers() if name in (each.name, each.id)]
        if len(found) != 1:
            problem = "no worker is named" if not found else f"{len(found)} workers are named"
            raise click.UsageError(f"{problem} {name}; `aur worker list --json` shows names and ids")
        await change(store, found[0])
    finally:
        store.database.close()
    return found[0]
