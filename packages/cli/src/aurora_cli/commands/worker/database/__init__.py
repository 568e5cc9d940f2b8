"""`aur worker database`: the group of the commands about the database of pools."""

from __future__ import annotations

import click

from aurora_cli.catalogue import WORKER_DATABASE
from aurora_cli.lazy import AurGroup

__all__ = ["command"]


@click.group(
    name="database",
    cls=AurGroup,
    entries=WORKER_DATABASE,
    examples=(
        ("aur worker database init --sql", "Print what would be done, as SQL."),
        ("aur worker database init", "Make the tables and the roles."),
        ("aur worker database roles", "The roles, and the logins that have them."),
    ),
)
def command() -> None:
    """Set up the database of pools, and show its roles."""
