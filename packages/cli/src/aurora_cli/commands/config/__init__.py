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
    """Show and change settings.

    Settings are in two files of YAML: .aurora/config.yaml of the project, and your own for all projects. The
    project's file comes before your own, a variable like AURORA_TOOL before both, and an option of a command before
    all of them.
    """
