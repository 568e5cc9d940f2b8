"""`aur worker remove`: remove a worker that is gone from the list."""

from __future__ import annotations

import asyncio

import click

from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.output import emit
from aurora_cli.pool_workers import change_worker
from aurora_cli.render.words import count
from aurora_cli.work_options import database_option

__all__ = ["command"]


@click.command(
    "remove", cls=AurCommand, examples=(("aur worker remove build-3", "One whose machine does not come back."),)
)
@click.argument("name", help="The worker's name or id.")
@database_option
def command(*, name: str) -> int:
    """Remove a worker that is gone from the list.

    One that still lives drains. What it ran counts as lost once its lease is over, and its tasks have another
    attempt.
    """
    found = asyncio.run(change_worker(name, lambda store, each: store.remove(each.id)))
    emit(f"{found.name} is removed; it had {count(found.running, 'attempt')} under way")
    return ExitCode.DONE
