"""Wirings of a server of tools (MCP), one for each CLI that takes one, beside the servers that the user has."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_spawner.gates.wirings import GateWiring

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME: Final = "aurora_run"
"""The name of the server; the user may have one of ours that is called `aurora`."""
CALL_LIMIT_S: Final = 86_400
"""The time that a call may take: a person may have to be asked."""
START_LIMIT_S: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolServer:
    """The server of one attempt, which its CLI starts and speaks with over standard input and output."""

    command: tuple[str, ...]
    env: Mapping[str, str]
    """The variables by which it knows the attempt; CLIs pass on few of their own."""


def claude(server: ToolServer) -> GateWiring:
    """Wires Claude Code; its tools are there from the start, and need no approval."""
    entry = {
        "type": "stdio",
        "command": server.command[0],
        "args": list(server.command[1:]),
        "env": dict(server.env),
        "alwaysLoad": True,
    }
    config = json.dumps({"mcpServers": {NAME: entry}})
    return GateWiring(arguments=("--mcp-config", config, "--allowedTools", f"mcp__{NAME}"))


def codex(server: ToolServer) -> GateWiring:
    """Wires Codex by overrides of its configuration; its tools need no approval."""
    settings = {
        "command": json.dumps(server.command[0]),
        "args": json.dumps(list(server.command[1:])),
        "env": f"{{{','.join(f'{name}={json.dumps(value)}' for name, value in server.env.items())}}}",
        "startup_timeout_sec": str(START_LIMIT_S),
        "tool_timeout_sec": str(CALL_LIMIT_S),
        "required": "true",  # else its first turn begins without the tools
        "default_tools_approval_mode": json.dumps("approve"),
    }
    return GateWiring(
        arguments=tuple(
            word for key, value in settings.items() for word in ("-c", f"mcp_servers.{NAME}.{key}={value}")
        )
    )
