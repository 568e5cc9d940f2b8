"""`aur mcp serve`: serve the project to an MCP client."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from aurora_cli import wiring
from aurora_cli.errors import PortError
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import ExistingPath
from aurora_cli.output import note

if TYPE_CHECKING:
    from pathlib import Path

    from mcp.server.mcpserver import MCPServer

__all__ = ["command"]

TOKEN_VARIABLE: Final = "AURORA_MCP_TOKEN"  # noqa: S105 -- the name of a variable
SHORTEST_TOKEN: Final = 16
END_LIMIT_S: Final = 1
"""Seconds in which calls may end after a signal; a client may be waiting an hour for the end of a run."""


@click.command(
    "serve",
    cls=AurCommand,
    examples=(
        ("aur mcp serve", "Speak with a client over standard input and output; clients start it like this."),
        ("aur mcp serve --http --port 8765", "Over HTTP on this machine; prints the address and the token."),
    ),
)
@click.option("--folder", type=ExistingPath("folder"), help="The project's folder (default: the current one).")
@click.option("--http", "over_http", is_flag=True, help="Serve over HTTP on this machine.")
@click.option(
    "--port", type=click.IntRange(1, 65_535), default=8765, show_default=True, help="With --http: the port."
)
def command(*, folder: Path | None, over_http: bool, port: int) -> int:
    """Serve this project to an MCP client.

    Clients start this by themselves once `aur mcp install` has added it to their configuration. A client can search
    the memory, look up definitions, plan goals, start runs under your policies and budget, and watch and cancel them.
    Questions of a run are shown to the person at the client, who answers them; a model cannot.
    With --http every request needs the token, which is printed at the start or comes from AURORA_MCP_TOKEN.
    """
    ctx = click.get_current_context()
    if not over_http and ctx.get_parameter_source("port") is not click.core.ParameterSource.DEFAULT:
        raise click.UsageError("--port needs --http")
    root = wiring.open_existing(folder).project.root
    from aurora_cli.mcp_server.server import build_server

    server = build_server(root)
    if over_http:
        return _serve_http(server, port)
    if sys.stdin.isatty():
        note("this waits for a client, which speaks JSON; aur mcp install sets one up, Ctrl-C ends this")
    server.run("stdio")
    return ExitCode.DONE


def _serve_http(server: MCPServer[Any], port: int) -> ExitCode:
    import uvicorn

    from aurora_cli.mcp_server.http import HOST, PATH, application, new_token

    given = os.environ.get(TOKEN_VARIABLE, "")
    if given and len(given) < SHORTEST_TOKEN:
        raise click.UsageError(f"{TOKEN_VARIABLE} is too short; use at least {SHORTEST_TOKEN} characters")
    try:
        listening = socket.create_server((HOST, port))
    except OSError as error:
        raise PortError(HOST, port, error) from error
    token = given or new_token()
    note(f"http://{HOST}:{port}{PATH}")
    note(f"token: {TOKEN_VARIABLE}" if given else f"token: {token}")
    settings = uvicorn.Config(
        application(server, port=port, token=token),
        host=HOST,
        port=port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=END_LIMIT_S,
    )
    with listening:
        uvicorn.Server(settings).run(sockets=[listening])
    return ExitCode.DONE
