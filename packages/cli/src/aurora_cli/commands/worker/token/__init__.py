"""`aur worker token`: the group of the commands about the tokens of workers."""

from __future__ import annotations

import click

from aurora_cli.catalogue import WORKER_TOKENS
from aurora_cli.lazy import AurGroup

__all__ = ["command"]


@click.group(
    name="token",
    cls=AurGroup,
    entries=WORKER_TOKENS,
    examples=(
        ("aur worker token add build-3 --pool big", "Print a token for a worker, once."),
        ("aur worker token list", "Tokens, and workers that were refused."),
        ("aur worker token revoke build-3", "That worker gets nothing from now on."),
    ),
)
def command() -> None:
    """Make, list and revoke the tokens of workers.

    A token holds for one name, one pool, and the machine that uses it first, until a day. These commands need the
    login that has made the tables.
    """
