"""`aur budget`: the group of the commands about money."""

from __future__ import annotations

import click

from aurora_cli.catalogue import BUDGET
from aurora_cli.lazy import AurGroup

__all__ = ["command"]


@click.group(
    name="budget",
    cls=AurGroup,
    entries=BUDGET,
    examples=(
        ("aur budget show", "What this month has cost, and what is left."),
        ("aur budget set --monthly 50", "Spend no more than 50 USD a month."),
    ),
)
def command() -> None:
    """See and limit what agents cost.

    One ledger, ~/.aurora/budget.db, holds what the agents of all your projects cost. Before an agent starts, what it
    is likely to cost is set aside; when it ends, what it did cost takes the place of that.
    """
