"""`aur worker drain`: let a worker finish its attempts and end."""

from __future__ import annotations

import asyncio

import click

from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.output import emit
from aurora_cli.pool_workers import change_worker
from aurora_cli.work_options import database_option

__all__ = ["command"]


@click.command(
    "drain", cls=AurCommand, examples=(("aur worker drain build-3", "It takes nothing more, and ends by itself."),)
)
@click.argument("name", help="The worker's name or id.")
@database_option
def command(*, name: str) -> int:
    """Let a worker finish its attempts and end.

    It takes nothing more, as after SIGTERM on its own machine.
    """
    found = asyncio.run(change_worker(name, lambda store, each: store.drain(each.id)))
    emit(f"{found.name} drains; it runs {found.running} of {found.concurrency}")
    return ExitCode.DONE
