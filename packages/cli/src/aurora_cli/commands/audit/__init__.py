"""`aur audit`: the group of the commands that verify and export the journal."""

from __future__ import annotations

import click

from aurora_cli.catalogue import AUDIT
from aurora_cli.lazy import AurGroup

__all__ = ["command"]


@click.group(
    name="audit",
    cls=AurGroup,
    entries=AUDIT,
    examples=(
        ("aur audit verify", "Check the journal's hash chain."),
        ("aur audit export --decisions", "What was judged, asked, answered and merged."),
    ),
)
def command() -> None:
    """Verify and export the journal of runs."""
