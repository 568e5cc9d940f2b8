"""`aur worker database init`: make the tables and the roles of the database of pools."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, note
from aurora_cli.pool_workers import with_database
from aurora_cli.render.worker_access import show_roles
from aurora_cli.work_options import database_option
from aurora_soar.user_only import check_user

if TYPE_CHECKING:
    from aurora_spawner.distributed.database import Database
    from aurora_spawner.distributed.roles import Role

__all__ = ["command"]


@click.command(
    "init",
    cls=AurCommand,
    examples=(
        ("aur worker database init --sql", "Print the migration; nothing is changed."),
        ("aur worker database init", "Run it."),
    ),
)
@click.option("--sql", "as_sql", is_flag=True, help="Print the statements for the roles instead of running them.")
@database_option
@json_option
def command(*, as_sql: bool, as_json: bool) -> int:
    """Make the tables and the roles of the database of pools.

    The roles are named after the database: coordinator for `aur spawn`, worker, and reader. Each has the least rights
    that it needs. From then on every worker needs a token. Run again, it changes nothing.
    """
    if as_sql and as_json:
        raise click.UsageError("--sql prints statements, and --json the roles; leave one out")
    check_user("roles of the database are", "ask the user to run: aur worker database init")
    if as_sql:
        emit(asyncio.run(with_database(_statements)))
        return ExitCode.DONE
    roles = asyncio.run(with_database(_made))
    show_roles(roles, as_json=as_json)
    if not as_json:
        worker = next(each.name for each in roles if each.kind == "worker")
        note(f"make a login for each machine, such as: CREATE ROLE build3 LOGIN PASSWORD '…' IN ROLE \"{worker}\"")
    return ExitCode.DONE


async def _statements(database: Database) -> str:
    from aurora_spawner.distributed.roles import generated

    return await generated(database)


async def _made(database: Database) -> list[Role]:
    from aurora_spawner.distributed.roles import found_roles, set_up

    await set_up(database)
    return await found_roles(database)
