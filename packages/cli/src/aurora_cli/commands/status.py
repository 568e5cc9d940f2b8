"""`aur status`: show what runs now."""

from __future__ import annotations

import time

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render.runs import provider_lines, status_document, status_lines
from aurora_spawner.control.audit import check_not_gone
from aurora_spawner.control.lookup import titles_of
from aurora_spawner.providers.gate_store import ProviderStore, default_state_dir

__all__ = ["command"]


@click.command(
    "status",
    cls=AurCommand,
    examples=(
        ("aur status", "The runs that are running, paused or interrupted."),
        ("aur status --watch", "All runs live, with keys to pause, cancel and approve."),
        ("aur status spawn-1763690000000 --json", "One run as JSON."),
    ),
)
@click.argument("run_id", metavar="[RUN]", required=False, help="A run's id (default: all unfinished runs).")
@click.option("--watch", is_flag=True, help="Show it live, with keys to steer the runs; needs a terminal.")
@json_option
def command(*, run_id: str | None, watch: bool, as_json: bool) -> int:
    """Show what runs now: each unfinished run, its progress and its running agents.

    A paused or stopped provider is listed with the reason and the end of its pause: a rate limit, the usage window of
    a plan, or a rejected key.
    """
    if watch:
        return _watch(run_id, as_json=as_json)
    aurora = wiring.open_existing()
    found, now = aurora.status(run_id), time.time()
    if not found:
        check_not_gone(aurora.project.runs_db)
    with ProviderStore(default_state_dir(), tolerant=True) as store:
        gates = store.gates()
        if store.trouble:
            note(store.trouble)
    if as_json:
        emit_json(Schema.STATUS, status_document(found, gates, now=now))
        return ExitCode.DONE
    for status in found:
        titles = titles_of(aurora.project.runs_db, status.run_id)
        for line in status_lines(status, titles, now=now):
            emit(line)
    for line in provider_lines(gates, found, now=now):
        emit(line)
    if not found:
        note("nothing is running, and no run was interrupted")
    return ExitCode.DONE


def _watch(run_id: str | None, *, as_json: bool) -> int:
    from aurora_cli.watch.start import can_watch, watch  # nothing else needs it

    if as_json:
        raise click.UsageError("--watch is for a person at a terminal, and --json for programs; leave one out")
    if not can_watch():
        raise click.UsageError(
            "--watch needs a terminal to draw on; for programs and files there is: aur status --json"
        )
    with wiring.open_existing() as aurora:
        return watch(aurora, run_id)
