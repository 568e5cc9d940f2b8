"""`aur policies`: the group of the commands about what agents may do."""

from __future__ import annotations

import click

from aurora_cli.catalogue import POLICIES
from aurora_cli.lazy import AurGroup

__all__ = ["command"]


@click.group(
    name="policies",
    cls=AurGroup,
    entries=POLICIES,
    examples=(
        ("aur policies check 'rm -rf build'", "What the policies say to a command."),
        ("aur policies test examples.yaml", "Test the policies with your own examples."),
    ),
)
def command() -> None:
    """Show, check and test what agents may do.

    The policies are in .aurora/policies.yaml; without that file the defaults are in force. A file with any error
    stops every command that needs it.
    """
