"""`aur mem semantic`: the group of the commands about search by meaning."""

from __future__ import annotations

import click

from aurora_cli.catalogue import SEMANTIC
from aurora_cli.lazy import AurGroup

__all__ = ["command"]


@click.group(
    name="semantic",
    cls=AurGroup,
    entries=SEMANTIC,
    examples=(
        ("aur mem semantic on", "Make a model of this project's words, offline, from weights that are installed."),
        ("aur mem semantic status", "Whether it is on, and how many chunks have vectors."),
    ),
)
def command() -> None:
    """Turn search by meaning on or off for this project."""
