"""`aur dashboard`: watch and steer the runs of the project on a web page."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from aurora_cli import wiring
from aurora_cli.errors import PortError
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.output import emit, note
from aurora_cli.workspaces.readings import all_workspaces
from aurora_core.settings.config import load_config
from aurora_core.settings.keys import KeyStore, system_ring

if TYPE_CHECKING:
    from aurora_cli.dashboard.entrances import Certificate
    from aurora_soar import Aurora

__all__ = ["command"]

HOST: Final = "127.0.0.1"
CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2, beside those of 1.3; older versions of uvicorn would offer none but what both have outlived."""
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    "dashboard",
    cls=AurCommand,
    examples=(
        ("aur dashboard", "Print the address of the page, and serve it until Ctrl-C."),
        ("aur dashboard --port 9000", "On another port."),
        ("aur dashboard --all", "The runs of all workspaces on one page."),
        (
            "aur dashboard --host 10.0.0.5 --certificate page.pem --private-key page.key",
            "For other machines; dashboard.password or dashboard.oidc must be set.",
        ),
    ),
)
@click.option("--port", type=click.IntRange(0, 65_535), default=8766, show_default=True, help="0 takes any free one.")
@click.option("--host", default=HOST, show_default=True, help="The address of this machine to listen on.")
@click.option("--certificate", type=_FILE, metavar="FILE", help="Serve by https, with this certificate (PEM).")
@click.option("--private-key", type=_FILE, metavar="FILE", help="The private key of the certificate (PEM).")
@click.option("--all", "everywhere", is_flag=True, help="Of all workspaces; see `aur workspace`.")
def command(*, port: int, host: str, certificate: Path | None, private_key: Path | None, everywhere: bool) -> int:
    """Watch and steer runs on a web page.

    The page shows runs, tasks, logs, changes, costs, questions and the memory, and updates itself. It is served on
    this machine only. For other machines, --host needs TLS and either a password (dashboard.password) or sign-in by
    OpenID Connect (dashboard.oidc). The first printed address allows everything, the second one only reading; each
    contains a fresh token.
    """
    if (certificate is None) != (private_key is None):
        raise click.UsageError("--certificate and --private-key belong together")
    if everywhere:
        all_workspaces()  # a list that cannot be read is an error of the command
    aurora = None if everywhere else wiring.open_existing()
    from aurora_cli.dashboard.entrances import Certificate, check_host

    tls = Certificate(chain=certificate, key=private_key) if certificate and private_key else None
    config = load_config(None, environ=os.environ).dashboard  # of the user alone: no project says who gets in
    check_host(host, tls, config)
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise PortError(host, port, error) from error
    with listening:
        _serve(listening, host, tls, aurora)
    return ExitCode.DONE


def _serve(listening: socket.socket, host: str, tls: Certificate | None, aurora: Aurora | None) -> None:
    """Serves the pages of a project, or of all workspaces, until the user ends it."""
    import uvicorn

    from aurora_cli.dashboard.app import application
    from aurora_cli.dashboard.entrances import entrances
    from aurora_cli.dashboard.places import AllWorkspaces, OneProject

    places = AllWorkspaces(all_workspaces) if aurora is None else OneProject(aurora)
    keys = KeyStore(ring=system_ring(), env_file=None, environ=os.environ)
    found = entrances(
        load_config(None, environ=os.environ).dashboard,
        (host, listening.getsockname()[1]),
        tls=tls is not None,
        key=lambda name: keys.find(name).value,
        told=note,
        record=places.record,
    )
    emit(f"{found.address}/?token={found.access.token}")
    note(f"read-only link: {found.address}/?token={found.access.read_token}")
    if found.sign_in is not None:
        note(f"sign-in page: {found.address}/sign-in")
    config = uvicorn.Config(
        application(places, found.access, found.sign_in),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
        proxy_headers=False,
        server_header=False,
        ssl_certfile=None if tls is None else tls.chain,
        ssl_keyfile=None if tls is None else tls.key,
        ssl_ciphers=CIPHERS,
    )
    uvicorn.Server(config).run(sockets=[listening])
