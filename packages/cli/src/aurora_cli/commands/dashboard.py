"""`aur dashboard`: watch and steer the runs of the project on a local web page."""

from __future__ import annotations

import socket
from typing import Final

import click

from aurora_cli import wiring
from aurora_cli.errors import PortError
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.output import emit, note
from aurora_cli.workspaces.readings import all_workspaces

__all__ = ["command"]

HOST: Final = "127.0.0.1"


@click.command(
    "dashboard",
    cls=AurCommand,
    examples=(
        ("aur dashboard", "Print the address of the page, and serve it until Ctrl-C."),
        ("aur dashboard --port 9000", "On another port."),
        ("aur dashboard --all", "The runs of all workspaces on one page."),
    ),
)
@click.option("--port", type=click.IntRange(0, 65_535), default=8766, show_default=True, help="0 takes any free one.")
@click.option("--all", "everywhere", is_flag=True, help="Of all workspaces; see `aur workspace`.")
def command(*, port: int, everywhere: bool) -> int:
    """Watch and steer runs on a local web page.

    The page shows runs, tasks, logs, changes, costs, questions and the memory, and updates itself. It is served on
    this machine only. The first address may do everything, the second one only look; both hold a fresh token.
    """
    if everywhere:
        all_workspaces()  # a list that cannot be read is an error of the command
    aurora = None if everywhere else wiring.open_existing()
    try:
        listening = socket.create_server((HOST, port))
    except OSError as error:
        raise PortError(port, error) from error
    with listening:
        import uvicorn

        from aurora_cli.dashboard.access import new_access
        from aurora_cli.dashboard.app import application
        from aurora_cli.dashboard.places import AllWorkspaces, OneProject

        places = AllWorkspaces(all_workspaces) if aurora is None else OneProject(aurora)
        bound = listening.getsockname()[1]
        access = new_access(HOST, bound)
        emit(f"http://{HOST}:{bound}/?token={access.token}")
        note(f"only to look: http://{HOST}:{bound}/?token={access.read_token}")
        config = uvicorn.Config(
            application(places, access), log_level="warning", access_log=False, timeout_graceful_shutdown=2
        )
        uvicorn.Server(config).run(sockets=[listening])
    return ExitCode.DONE
