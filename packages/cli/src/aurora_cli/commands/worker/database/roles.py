"""`aur worker database roles`: show the roles of the database of pools."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.pool_workers import with_database
from aurora_cli.render.worker_access import show_roles
from aurora_cli.work_options import database_option

if TYPE_CHECKING:
    from aurora_spawner.distributed.database import Database
    from aurora_spawner.distributed.roles import Role

__all__ = ["command"]


@click.command(
    "roles",
    cls=AurCommand,
    examples=(
        ("aur worker database roles", "Each role, and the logins that have it."),
        ("aur worker database roles --json", "The same as JSON."),
    ),
)
@database_option
@json_option
def command(*, as_json: bool) -> int:
    """Show the roles, and the logins that have them.

    The exit status is 1 if they have not been made.
    """
    roles = asyncio.run(with_database(_found))
    show_roles(roles, as_json=as_json)
    return ExitCode.DONE if all(each.exists for each in roles) else ExitCode.NOT_REACHED


async def _found(database: Database) -> list[Role]:
    from aurora_spawner.distributed.roles import found_roles

    return await found_roles(database)
