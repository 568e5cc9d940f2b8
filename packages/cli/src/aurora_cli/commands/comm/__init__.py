"""`aur comm`: the group of the commands about the board of a run; without a command it shows the board."""

from __future__ import annotations

import click

from aurora_cli.catalogue import COMM
from aurora_cli.lazy import AurGroup

__all__ = ["command"]


@click.group(
    name="comm",
    cls=AurGroup,
    entries=COMM,
    default="show",
    examples=(
        ("aur comm", "The board of the newest run; inside an agent, that of its own run."),
        ("aur comm show spawn-1763690000000 --watch", "Follow what agents post."),
        ('aur comm send "The port is 8081" --to 1.2', "Tell one task something."),
    ),
)
def command() -> None:
    """Show the board of a run, and post on it.

    Agents of a run share facts, decisions, questions and hand-overs on its board. `aur comm` alone is `aur comm
    show`.
    """
