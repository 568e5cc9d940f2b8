"""`aur worktrees`: the group of the commands about worktrees."""

from __future__ import annotations

import click

from aurora_cli.catalogue import WORKTREES
from aurora_cli.lazy import AurGroup

__all__ = ["command"]


@click.group(
    name="worktrees",
    cls=AurGroup,
    entries=WORKTREES,
    examples=(
        ("aur worktrees list", "All worktrees of ours in this repository, and what they hold."),
        ("aur worktrees clean --dry-run", "What a clean-up would remove, and why it would keep the rest."),
    ),
)
def command() -> None:
    """List and clean up the worktrees of tasks."""
