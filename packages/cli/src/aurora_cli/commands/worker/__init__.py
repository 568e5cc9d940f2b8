"""`aur worker`: serve a pool with this machine's agents; and the group of the commands about workers."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from click.core import ParameterSource

from aurora_cli import wiring
from aurora_cli.catalogue import WORKERS
from aurora_cli.escapes import printable
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurGroup
from aurora_cli.options import AgentNames, labels_in, one_word
from aurora_cli.output import note
from aurora_cli.work_options import database_option
from aurora_soar.taskruns.pools import WORKER_TOKEN_VARIABLE

if TYPE_CHECKING:
    from aurora_soar.aurora.root import Aurora
    from aurora_spawner.distributed.announced import AnnouncedTool
    from aurora_spawner.distributed.worker import Worker

__all__ = ["command"]

_UNREADABLE: Final = re.compile(r"[^A-Za-z0-9._-]+")


@click.group(
    name="worker",
    cls=AurGroup,
    entries=WORKERS,
    invoke_without_command=True,
    examples=(
        ("aur worker --pool big --concurrency 4", "Serve a pool with all commands of your own and all agent CLIs."),
        ("aur worker --pool big --allow build,test", "With two of them."),
        ("aur worker --pool big --labels gpu,linux", "Also for tasks that need these labels, or some of them."),
        ("aur worker list", "Pools, workers, and what they run."),
        ("aur worker drain build-3", "Let a worker end with its last attempt."),
        ("aur worker token add build-3 --pool big", "Make a token for a worker."),
    ),
)
@click.option("--pool", metavar="NAME", callback=one_word, help="The pool to serve.")
@database_option
@click.option(
    "--concurrency", type=click.IntRange(1, 1000), default=1, show_default=True, help="Attempts at the same time."
)
@click.option(
    "--name",
    metavar="NAME",
    callback=one_word,
    help="The worker's name on this machine; the machine's own by default.",
)
@click.option(
    "--allow",
    type=AgentNames(),
    default=(),
    metavar="A,B",
    help="The agents to run (default: all commands of your own and all agent CLIs).",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help=f"The file with the worker's token, which only you can read; {WORKER_TOKEN_VARIABLE} by default.",
)
@click.option(
    "--labels",
    callback=labels_in,
    default="",
    metavar="A,B",
    help="What this machine has, such as gpu; tasks that need labels go to workers that have all of them.",
)
@click.pass_context
def command(
    context: click.Context,
    *,
    pool: str | None,
    concurrency: int,
    name: str | None,
    allow: tuple[str, ...],
    token_file: Path | None,
    labels: tuple[str, ...],
) -> int:
    """Serve a pool with this machine's agents; manage workers.

    A worker runs commands of your own and agent CLIs under the policies of the project that it is started in, in that
    folder. SIGTERM and Ctrl-C let it take nothing more and end with its last attempt; a second one leaves the
    attempts to the next process of the same name, as does a crash.
    """
    if context.invoked_subcommand is not None:
        _refuse_options(context, context.invoked_subcommand)
        return ExitCode.DONE
    if pool is None:
        raise click.UsageError("name the pool: aur worker --pool NAME")
    from aurora_core.settings.user_folder import user_folder
    from aurora_soar.taskruns.pool_worker import open_worker, worker_token

    logging.getLogger("psycopg").setLevel(logging.CRITICAL)  # the worker says what matters in its own words
    home = user_folder(os.environ)
    if home is None:
        raise click.UsageError("a worker keeps its attempts in your home folder, and HOME is not set")
    aurora = wiring.open_folder()
    name = name or socket.gethostname()
    worker = open_worker(
        aurora.project_agents,
        pool=pool,
        name=name,
        concurrency=concurrency,
        allow=allow,
        token=worker_token(token_file),
        labels=labels,
        place=home / "workers" / _UNREADABLE.sub("_", f"{pool}--{name}"),
        tell=lambda line: note(printable(line)),
        tools=lambda: _tools(aurora),
    )
    return asyncio.run(_serve(worker))


def _tools(aurora: Aurora) -> list[AnnouncedTool]:
    """Finds out which agents are on this machine, with their versions and sign-ins."""
    from aurora_soar.doctor.agents import installed_agents
    from aurora_spawner.distributed.announced import AnnouncedTool

    found = installed_agents(aurora.agents, os.environ, home=Path.home(), folder=aurora.project.root)
    return [
        AnnouncedTool(name=each.name, kind=each.kind, version=each.version, signed_in=each.signed_in.value)
        for each in found
    ]


def _refuse_options(context: click.Context, subcommand: str) -> None:
    """Refuses the options of serving before a subcommand, where they would do nothing.

    Raises:
        click.UsageError: One was given.
    """
    for option in context.command.params:
        served = option.expose_value and context.get_parameter_source(str(option.name))
        if served is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{option.opts[0]} is for serving a pool, and not for `aur worker {subcommand}`")


async def _serve(worker: Worker) -> ExitCode:
    """Serves until it has drained; a second signal leaves the attempts as they are."""
    serving = asyncio.ensure_future(worker.run())
    asked = False

    def on_signal() -> None:
        nonlocal asked
        if asked:
            serving.cancel()
            return
        asked = True
        note("draining: ends after its running attempts; once more leaves them to its next process")
        worker.drain()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    try:
        await serving
    except asyncio.CancelledError:
        return ExitCode.NOT_REACHED
    return ExitCode.DONE
