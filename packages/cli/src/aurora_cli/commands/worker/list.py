"""`aur worker list`: list the workers of all pools."""

from __future__ import annotations

import asyncio

import click

from aurora_cli.documents import Schema
from aurora_cli.escapes import printable
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.pool_workers import known_workers
from aurora_cli.work_options import database_option

__all__ = ["command"]


@click.command(
    "list",
    cls=AurCommand,
    examples=(
        ("aur worker list", "Pool, name, attempts, last sign of life, agents and labels of each."),
        ("aur worker list --json", "The same as JSON, with ids."),
    ),
)
@database_option
@json_option
def command(*, as_json: bool) -> int:
    """List the workers of all pools.

    A worker is serving, draining, or silent: it gave no sign of life for longer than a lease. Below it are the agent
    CLIs on its machine, with their versions and sign-ins; at the end, the providers that are paused or stopped.
    """
    found, gates = asyncio.run(known_workers())
    if as_json:
        shut = [
            {"provider": each.provider, "state": each.state.value, "until": each.until or None, "reason": each.reason}
            for each in gates
        ]
        emit_json(Schema.WORKERS, {"workers": [each.to_json() for each in found], "gates": shut})
        return ExitCode.DONE
    for each in found:
        line = (
            f"{each.pool}  {each.name}  {each.state}  {each.running}/{each.concurrency}  seen {each.seen_s:.0f} s ago"
        )
        labels = f"  [{', '.join(each.labels)}]" if each.labels else ""
        emit(printable(f"{line}  {', '.join(each.agents)}{labels}"))
        for tool in each.tools:
            if tool.kind != "command":
                emit(printable(f"  {tool.name}  {tool.version or 'no version'}  signed in: {tool.signed_in}"))
    for gate in gates:
        emit(printable(gate.describe()))
    if not found:
        note("no worker has announced itself")
    return ExitCode.DONE
