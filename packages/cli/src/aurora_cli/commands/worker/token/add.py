"""`aur worker token add`: make a token for a worker."""

from __future__ import annotations

import asyncio

import click

from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import FiniteRange, json_option, one_word
from aurora_cli.output import emit, emit_json, note
from aurora_cli.pool_workers import DAY_S, with_tokens
from aurora_cli.render.moments import to_the_minute
from aurora_cli.work_options import database_option
from aurora_soar.user_only import check_user

__all__ = ["command"]


@click.command(
    "add",
    cls=AurCommand,
    examples=(
        ("aur worker token add build-3 --pool big", "It holds for 90 days."),
        ("aur worker token add build-3 --pool big --days 7 > token", "Into a file, which only you should read."),
    ),
)
@click.argument("name", callback=one_word, help="The worker's name, as in `aur worker --name`.")
@click.option("--pool", required=True, metavar="NAME", callback=one_word, help="The pool that it may serve.")
@click.option("--days", type=FiniteRange(0.01, 3650), default=90.0, show_default=True, help="Days until it expires.")
@database_option
@json_option
def command(*, name: str, pool: str, days: float, as_json: bool) -> int:
    """Make a token for a worker, and print it once.

    The database keeps a hash of it. The worker gets it by AURORA_WORKER_TOKEN or --token-file.
    """
    check_user("tokens of workers are", "ask the user to run: aur worker token add")
    made, secret = asyncio.run(with_tokens(lambda store: store.add(name, pool=pool, lasts_s=days * DAY_S)))
    if as_json:
        emit_json(Schema.WORKER_TOKEN_ADDED, {**made.to_json(), "token": secret})
    else:
        emit(secret)
    note(
        f"token {made.id} is for worker {name} of pool {pool}, until {to_the_minute(made.expires_at)}; "
        "it is not shown again"
    )
    return ExitCode.DONE
