"""`aur mcp agent`: serve an agent of a run."""

from __future__ import annotations

from pathlib import Path

import click

from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_spawner.control.own_run import has_own_run, own_project
from aurora_spawner.errors import NotInsideAgentError

__all__ = ["command"]


@click.command(
    "agent",
    cls=AurCommand,
    examples=(("aur mcp agent", "Speak with an agent over standard input and output; its CLI starts it like this."),),
)
def command() -> ExitCode:
    """Serve an agent of a run: board, memory, questions.

    You do not start this yourself: with `agent_tools: true` in the configuration, Claude Code and Codex start it
    beside each task. It lets the agent read and write the board of its run, search the memory and ask you. Which task
    that is, a token in the agent's environment says; without a valid one it is told nothing.
    """
    if not has_own_run():
        raise NotInsideAgentError("use `aur mcp agent`")
    from aurora_cli.mcp_server.agent_server import build_agent_server

    build_agent_server(own_project() or Path.cwd()).run("stdio")
    return ExitCode.DONE
