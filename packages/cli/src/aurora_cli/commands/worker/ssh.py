"""`aur worker ssh`: serve one coordinator that comes over ssh."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from typing import Final

import click

from aurora_cli import wiring
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import AgentNames

__all__ = ["command"]

_PLACE: Final = "over-ssh"


@click.command(
    "ssh",
    cls=AurCommand,
    examples=(
        ("aur worker ssh", "Started by a coordinator over ssh; `pools:` names the host."),
        ("aur worker ssh --allow build,test", "In authorized_keys, for a key that is for this alone."),
    ),
)
@click.option(
    "--allow",
    type=AgentNames(),
    default=(),
    metavar="A,B",
    help="The agents to run (default: all commands of your own).",
)
def command(*, allow: tuple[str, ...]) -> int:
    """Serve one coordinator over ssh.

    It uses standard input and output, and ends with the connection; the attempts that it has started continue. They
    run commands of your own in the current folder, under the policies of its project. It runs
    no agent CLIs: while the connection is lost, nobody would judge their tool calls.
    """
    from aurora_core.settings.user_folder import user_folder
    from aurora_soar.taskruns.pool_worker import open_host
    from aurora_spawner.distributed.ssh.host import serve_streams

    if sys.stdin.isatty():
        raise click.UsageError("a coordinator starts this over ssh; `pools:` in its configuration names this machine")
    home = user_folder(os.environ)
    if home is None:
        raise click.UsageError("a host keeps its attempts in your home folder, and HOME is not set")
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    aurora = wiring.open_folder()
    options = open_host(
        aurora.project_agents, name=socket.gethostname(), allow=allow, place=home / "workers" / _PLACE
    )
    asyncio.run(serve_streams(options))
    return ExitCode.DONE
