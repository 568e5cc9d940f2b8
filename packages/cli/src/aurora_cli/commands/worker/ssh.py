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
        ("aur worker ssh", "What a coordinator calls over ssh; `pools:` names the host."),
        ("aur worker ssh --allow build,test", "In authorized_keys, for a key that may do nothing else."),
    ),
)
@click.option(
    "--allow",
    type=AgentNames(),
    default=(),
    metavar="A,B",
    help="The agents to run; all commands of your own by default.",
)
def command(*, allow: tuple[str, ...]) -> int:
    """Serve one coordinator that comes over ssh.

    It speaks over standard input and output, and ends with the connection; the attempts that it has started go on.
    They run agents that are commands of your own, under the policies of the project that it is started in, in that
    folder. It runs no agent CLIs, whose tool calls nobody would judge while the connection is lost.
    """
    from aurora_core.settings.user_folder import user_folder
    from aurora_soar.taskruns.pool_worker import open_host
    from aurora_spawner.distributed.ssh.host import serve_streams

    if sys.stdin.isatty():
        raise click.UsageError("a coordinator starts this over ssh; `pools:` in its configuration names this machine")
    home = user_folder(os.environ)
    if home is None:
        raise click.UsageError("a host keeps its attempts in your home folder, and you have none: set HOME")
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    aurora = wiring.open_folder()
    options = open_host(
        aurora.project_agents, name=socket.gethostname(), allow=allow, place=home / "workers" / _PLACE
    )
    asyncio.run(serve_streams(options))
    return ExitCode.DONE
