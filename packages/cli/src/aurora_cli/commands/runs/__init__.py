"""`aur runs`: the group of the commands about runs."""

from __future__ import annotations

import click

from aurora_cli.catalogue import RUNS
from aurora_cli.lazy import AurGroup

__all__ = ["command"]


@click.group(
    name="runs",
    cls=AurGroup,
    entries=RUNS,
    examples=(
        ("aur runs list", "The newest runs and their states."),
        ("aur runs show spawn-1763690000000", "One run, task by task."),
    ),
)
def command() -> None:
    """List, show and clean runs."""
