"""`aur mem`: the group of the memory commands."""

from __future__ import annotations

import click

from aurora_cli.catalogue import MEM
from aurora_cli.lazy import AurGroup

__all__ = ["command"]


@click.group(
    name="mem",
    cls=AurGroup,
    entries=MEM,
    examples=(
        ("aur mem index", "Index the files that changed since the last time."),
        ("aur mem search parse config --limit 5", "Find the five best matches."),
    ),
)
def command() -> None:
    """Index and search the project's memory."""
