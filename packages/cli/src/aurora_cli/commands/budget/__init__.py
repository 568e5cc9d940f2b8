"""`aur budget`: the group of the commands about cost."""

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
        ("aur budget show", "This month's cost and what is left."),
        ("aur budget set --monthly 50", "Spend at most $50 a month."),
    ),
)
def command() -> None:
    """Show and limit the cost of agents.

    One ledger, ~/.aurora/budget.db, records the cost of the agents in all your projects. Before an agent starts, its
    estimated cost is reserved; when it ends, its real cost replaces the reservation.
    """
