"""`aur worker token list`: list the tokens of workers, and the workers that were refused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.pool_workers import with_tokens
from aurora_cli.render.worker_access import refusal_line, token_line
from aurora_cli.work_options import database_option

if TYPE_CHECKING:
    from aurora_spawner.distributed.worker_tokens import Refusal, TokenStore, WorkerToken

__all__ = ["command"]


@click.command(
    "list",
    cls=AurCommand,
    examples=(
        ("aur worker token list", "Id, worker, pool, state and last day of each."),
        ("aur worker token list --json", "The same as JSON."),
    ),
)
@database_option
@json_option
def command(*, as_json: bool) -> int:
    """List tokens, and workers that were refused.

    A token is valid, expired or revoked. A refusal says what was wrong: no token, an unknown one, one that is not
    valid, or another worker's (foreign).
    """
    tokens, refusals = asyncio.run(with_tokens(_both))
    if as_json:
        document = {"tokens": [each.to_json() for each in tokens], "refusals": [each.to_json() for each in refusals]}
        emit_json(Schema.WORKER_TOKENS, document)
        return ExitCode.DONE
    for token in tokens:
        emit(token_line(token))
    for refusal in refusals:
        emit(refusal_line(refusal))
    if not tokens:
        note("no worker has a token")
    return ExitCode.DONE


async def _both(store: TokenStore) -> tuple[list[WorkerToken], list[Refusal]]:
    return await store.all(), await store.refusals()
