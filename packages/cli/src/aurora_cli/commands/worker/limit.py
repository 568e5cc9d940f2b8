"""`aur worker limit`: limit the attempts of a pool that run at once, in all runs together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.escapes import printable
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option, one_word
from aurora_cli.output import emit, emit_json, note
from aurora_cli.pool_workers import refuse_host, with_tables
from aurora_cli.work_options import database_option

if TYPE_CHECKING:
    from aurora_spawner.distributed.database import Database
    from aurora_spawner.distributed.pool_limits import PoolLimit

__all__ = ["command"]

_MOST = 1_000_000


@click.command(
    "limit",
    cls=AurCommand,
    examples=(
        ("aur worker limit", "All limits, and how many attempts run."),
        ("aur worker limit big --at-most 20", "At most twenty attempts at once, in all runs together."),
        ("aur worker limit big --agent report --at-most 2", "At most two of them with the agent report."),
        ("aur worker limit big --agent report --none", "Remove that limit."),
    ),
)
@click.argument("pool", required=False, callback=one_word, help="The pool (default: all pools, only to show).")
@click.option("--agent", default="", metavar="NAME", help="The agent to limit (default: all agents together).")
@click.option("--at-most", type=click.IntRange(0, _MOST), metavar="N", help="Attempts at once; with 0, none starts.")
@click.option("--none", "no_limit", is_flag=True, help="Remove the limit.")
@database_option
@json_option
def command(*, pool: str | None, agent: str, at_most: int | None, no_limit: bool, as_json: bool) -> int:
    """Limit the attempts of a pool that run at once.

    A limit applies to all runs on the pool together. Attempts that already run continue.
    """
    changes = no_limit or at_most is not None
    if no_limit and at_most is not None:
        raise click.UsageError("--at-most and --none: give one of them")
    if changes and pool is None:
        raise click.UsageError("name the pool whose limit it is")
    if agent and not changes:
        raise click.UsageError("--agent goes with --at-most or --none")
    if pool is not None:
        instead = f"set how many attempts of each run it takes by `pools: {{{pool}: {{concurrency: N}}}}`"
        pools = wiring.open_folder().config.pools
        refuse_host(pool, pools, what="limits of all runs together", instead=instead)
    found = asyncio.run(with_tables(lambda database: _limits(database, pool, agent, at_most, remove=no_limit)))
    if as_json:
        emit_json(Schema.WORKER_LIMITS, {"limits": [each.to_json() for each in found]})
        return ExitCode.DONE
    for each in found:
        whose = f"agent {each.agent}" if each.agent else "all agents"
        emit(printable(f"{each.pool}  {whose}  at most {each.most}  {each.running} running"))
    if not found:
        note("no pool has a limit" if pool is None else printable(f"pool {pool} has no limit"))
    return ExitCode.DONE


async def _limits(
    database: Database, pool: str | None, agent: str, at_most: int | None, *, remove: bool
) -> list[PoolLimit]:
    """Changes a limit if that is asked for, and returns those of the pool."""
    from aurora_spawner.distributed.pool_limits import LimitStore

    store = LimitStore(database)
    if pool is not None and at_most is not None:
        await store.set(pool, agent, at_most)
    if pool is not None and remove and not await store.remove(pool, agent):
        raise click.UsageError(f"pool {pool} has no such limit")
    return [each for each in await store.all() if pool in (None, each.pool)]
