"""`aur plan`: the group of the commands about plans."""

from __future__ import annotations

import click

from aurora_cli.catalogue import PLAN
from aurora_cli.lazy import AurGroup

__all__ = ["command"]


@click.group(
    name="plan",
    cls=AurGroup,
    entries=PLAN,
    examples=(
        ("aur plan list", "The plans and how much of each is done."),
        ("aur plan show 1", "The plan with the number 0001."),
        ("aur plan archive 1", "Move it into the archive."),
        ("aur plan replan spawn-1763690000000", "Plan anew what a failed run has left."),
    ),
)
def command() -> None:
    """List, show and archive plans; plan a run's rest anew."""
