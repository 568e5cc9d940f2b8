"""`aur worker budget`: the budget of a pool, which all runs on it share."""

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
    from aurora_spawner.distributed.pool_money import PoolBudgetStatus

__all__ = ["command"]

_MOST_USD = 1_000_000_000.0


@click.command(
    "budget",
    cls=AurCommand,
    examples=(
        ("aur worker budget", "The budget and the cost of each pool this month."),
        ("aur worker budget big --monthly 200", "At most $200 a month, in all runs on the pool."),
        ("aur worker budget big --none", "Remove the budget."),
    ),
)
@click.argument("pool", required=False, callback=one_word, help="The pool (default: all pools, only to show).")
@click.option(
    "--monthly",
    type=click.FloatRange(0, _MOST_USD),
    metavar="USD",
    help="The most to spend in a calendar month (UTC).",
)
@click.option("--none", "no_budget", is_flag=True, help="Remove the budget.")
@database_option
@json_option
def command(*, pool: str | None, monthly: float | None, no_budget: bool, as_json: bool) -> int:
    """Show or set the budget that all runs on a pool share.

    It applies in addition to the budget of each user. An attempt that does not fit is not started.
    """
    changes = no_budget or monthly is not None
    if no_budget and monthly is not None:
        raise click.UsageError("--monthly and --none: give one of them")
    if changes and pool is None:
        raise click.UsageError("name the pool whose budget it is")
    if pool is not None:
        pools = wiring.open_folder().config.pools
        instead = "your own budget counts its runs: aur budget set --monthly USD"
        refuse_host(pool, pools, what="budget of its own", instead=instead)
    found = asyncio.run(with_tables(lambda database: _budgets(database, pool, monthly, remove=no_budget)))
    if as_json:
        emit_json(Schema.WORKER_BUDGETS, {"budgets": [each.to_json() for each in found]})
        return ExitCode.DONE
    for each in found:
        limit = "no budget" if each.monthly_usd is None else f"${each.monthly_usd:.2f} a month"
        line = f"{each.pool}  {limit}  {each.month}: ${each.spent_usd:.2f} spent, ${each.reserved_usd:.2f} reserved"
        emit(printable(line))
    if not found:
        note(
            "no pool has a budget, and none has costs this month"
            if pool is None
            else printable(f"pool {pool} has no budget")
        )
    return ExitCode.DONE


async def _budgets(
    database: Database, pool: str | None, monthly: float | None, *, remove: bool
) -> list[PoolBudgetStatus]:
    """Changes a budget if that is asked for, and returns those of the pool."""
    from aurora_spawner.distributed.pool_money import BudgetStore

    store = BudgetStore(database)
    if pool is not None and monthly is not None:
        await store.set(pool, monthly)
    if pool is not None and remove and not await store.remove(pool):
        raise click.UsageError(f"pool {pool} has no budget")
    return [each for each in await store.all() if pool in (None, each.pool)]
