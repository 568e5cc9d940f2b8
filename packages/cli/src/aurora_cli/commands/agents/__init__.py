"""`aur agents`: the group of the commands about agents and personas."""

from __future__ import annotations

import click

from aurora_cli.catalogue import AGENTS
from aurora_cli.lazy import AurGroup

__all__ = ["command"]


@click.group(
    name="agents",
    cls=AurGroup,
    entries=AGENTS,
    examples=(
        ("aur agents list", "The personas of this project and yours."),
        ("aur agents show qa-test-architect", "One of them."),
    ),
)
def command() -> None:
    """Find personas and check agents.

    A persona is a Markdown file with a head that says what it is for, in the agent folder of any of 27 tools
    (.claude/agents, .github/agents, …) of the project or of your home. Tasks name one by `- Agent: @name`.
    """
