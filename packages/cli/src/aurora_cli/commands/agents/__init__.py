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
        ("aur agents list", "The personas of this project and your own."),
        ("aur agents show qa-test-architect", "One of them."),
    ),
)
def command() -> None:
    """Find personas and check agents.

    A persona is a Markdown file whose front matter describes its purpose. Aurora reads the agent folders of 27 tools
    (.claude/agents, .github/agents, …) in the project and in your home. A task names a persona by `- Agent: @name`.
    """
