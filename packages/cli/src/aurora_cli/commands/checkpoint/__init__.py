"""`aur checkpoint`: the group of the commands about checkpoints."""

from __future__ import annotations

import click

from aurora_cli.catalogue import CHECKPOINT
from aurora_cli.lazy import AurGroup

__all__ = ["command"]


@click.group(
    name="checkpoint",
    cls=AurGroup,
    entries=CHECKPOINT,
    examples=(("aur checkpoint export spawn-1763690000000", "Export the run to .aurora/checkpoints/."),),
)
def command() -> None:
    """Export a run's state from the journal."""
