"""`aur mcp`: the group of the commands about MCP, the Model Context Protocol."""

from __future__ import annotations

import click

from aurora_cli.catalogue import MCP
from aurora_cli.lazy import AurGroup

__all__ = ["command"]


@click.group(
    name="mcp",
    cls=AurGroup,
    entries=MCP,
    examples=(
        ("aur mcp install claude", "Let Claude Code use this project's memory and runs."),
        ("aur mcp serve --http", "Serve over HTTP on this machine, with a token."),
    ),
)
def command() -> None:
    """Serve memory, plans and runs to MCP clients.

    MCP is the Model Context Protocol, by which programs such as Claude Code and Codex use the tools of others.
    """
