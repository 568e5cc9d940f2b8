"""`aur config`: the group of the commands about settings."""

from __future__ import annotations

import click

from aurora_cli.catalogue import CONFIG
from aurora_cli.lazy import AurGroup

__all__ = ["command"]


@click.group(
    name="config",
    cls=AurGroup,
    entries=CONFIG,
    examples=(
        ("aur config list", "Every setting, and where its value comes from."),
        ("aur config set spawner.max_concurrent 8", "Change one in this project's configuration."),
    ),
)
def command() -> None:
    """Show and change settings."""
