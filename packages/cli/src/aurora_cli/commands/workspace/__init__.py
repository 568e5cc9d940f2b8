"""`aur workspace`: the group of the commands about workspaces."""

from __future__ import annotations

import click

from aurora_cli.catalogue import WORKSPACES
from aurora_cli.lazy import AurGroup

__all__ = ["command"]


@click.group(
    name="workspace",
    cls=AurGroup,
    entries=WORKSPACES,
    examples=(
        ("aur workspace add ~/shop", "See and steer this project's runs from anywhere."),
        ("aur workspace status", "What is at work in each workspace."),
        ("aur status --all", "The unfinished runs of all of them."),
        ("aur pause shop:spawn-1763690000000", "Pause a run of one."),
    ),
)
def command() -> None:
    """See and steer several projects from one place.

    A workspace is a project under a name. Each keeps its own journal; its runs are named WORKSPACE:RUN, and every
    command that takes a run takes such a name.
    """
