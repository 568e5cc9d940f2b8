"""`aur worker token revoke`: revoke tokens of a worker."""

from __future__ import annotations

import asyncio

import click

from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit_json, note
from aurora_cli.pool_workers import with_tokens
from aurora_cli.render.words import count, one_line
from aurora_cli.work_options import database_option
from aurora_soar.user_only import check_user

__all__ = ["command"]


@click.command(
    "revoke",
    cls=AurCommand,
    examples=(
        ("aur worker token revoke build-3", "All tokens of that worker."),
        ("aur worker token revoke 4f1c09aa", "One, by its id."),
    ),
)
@click.argument("name", help="A worker's name, or a token's id.")
@database_option
@json_option
def command(*, name: str, as_json: bool) -> int:
    """Revoke the tokens of a worker.

    It gets nothing from then on: it ends its agents at its next heartbeat, and what they have done counts no longer.
    Their tasks have another attempt.
    """
    check_user("tokens of workers are", "ask the user to run: aur worker token revoke")
    revoked = asyncio.run(with_tokens(lambda store: store.revoke(name)))
    if as_json:
        emit_json(Schema.WORKER_TOKENS_REVOKED, {"revoked": [each.id for each in revoked]})
    note(f"{count(len(revoked), 'token')} of {one_line(name)} revoked")
    return ExitCode.DONE
