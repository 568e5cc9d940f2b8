"""`aur status`: show what runs now."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import in_workspace, json_option, name_here
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render.runs import provider_lines, status_document, status_lines
from aurora_soar.taskruns.run_kinds import RUNS_OF_TASKS
from aurora_spawner.control.audit import check_not_gone
from aurora_spawner.control.checkpoints import list_checkpoints
from aurora_spawner.control.lookup import titles_of
from aurora_spawner.rate_limits.gate_store import ProviderStore, default_state_dir

if TYPE_CHECKING:
    from aurora_soar import Aurora
    from aurora_spawner.control.status import RunStatus
    from aurora_spawner.rate_limits.gate import ProviderGate

__all__ = ["command"]

_LOOKED_AT: Final = 20
"""The newest runs among which one of tasks is looked for; the others answered questions."""


@click.command(
    "status",
    cls=AurCommand,
    examples=(
        ("aur status", "The runs that are running, paused or interrupted."),
        ("aur status --watch", "All runs live, with keys to pause, cancel and approve."),
        ("aur status spawn-1763690000000 --json", "One run as JSON."),
        ("aur status --all", "The unfinished runs of all workspaces; with --watch live."),
    ),
)
@click.argument(
    "run_id",
    metavar="[RUN]",
    required=False,
    callback=in_workspace,
    help="A run's id (default: all unfinished runs).",
)
@click.option("--watch", is_flag=True, help="Show it live, with keys to steer the runs; needs a terminal.")
@click.option("--all", "everywhere", is_flag=True, help="Of all workspaces; see `aur workspace`.")
@json_option
def command(*, run_id: str | None, watch: bool, everywhere: bool, as_json: bool) -> int:
    """Show what runs now: each unfinished run, its progress and its running agents.

    A paused or stopped provider is listed with the reason and the end of its pause: a rate limit, the usage window of
    a plan, or a rejected key.
    """
    if everywhere and run_id is not None:
        raise click.UsageError("--all is about all runs of all workspaces; leave it out, or the run")
    if watch:
        return _watch(run_id, everywhere=everywhere, as_json=as_json)
    if everywhere:
        return _show_all(as_json=as_json)
    aurora = wiring.open_existing()
    found, now = aurora.status(run_id), time.time()
    if not found:
        check_not_gone(aurora.project.runs_db)
    gates = _gates()
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
        note(f"nothing is running, and no run was interrupted{_newest(aurora)}")
    return ExitCode.DONE


def _newest(aurora: Aurora) -> str:
    """Returns the newest run of tasks and its state, as the end of a sentence; "" if there is none."""
    found = list_checkpoints(aurora.project.runs_db, limit=_LOOKED_AT)
    run = next((each.run for each in found if each.run.kind in RUNS_OF_TASKS), None)
    return f"; the newest run ({run.state}): aur runs show {name_here(run.run_id)}" if run is not None else ""


def _gates() -> list[ProviderGate]:
    with ProviderStore(default_state_dir(), tolerant=True) as store:
        gates = store.gates()
        if store.trouble:
            note(store.trouble)
    return gates


def _show_all(*, as_json: bool) -> int:
    """Shows the unfinished runs of all workspaces; one that cannot be read is told, and holds up no other."""
    from aurora_cli.workspaces.naming import named_status
    from aurora_cli.workspaces.readings import all_workspaces, read_each, tell_problems  # nothing else needs them

    found, gates, now = read_each(all_workspaces(), _with_titles), _gates(), time.time()
    if as_json:
        of_each = [each.to_json() | {"runs": _documents(each.value)} for each in found]
        providers = status_document([], gates, now=now)["providers"]
        emit_json(Schema.STATUS_OF_WORKSPACES, {"workspaces": of_each, "providers": providers})
        return ExitCode.DONE
    shown = [(each.workspace.name, *pair) for each in found for pair in each.value or ()]
    for name, status, titles in shown:
        for line in status_lines(named_status(name, status), titles, now=now):
            emit(line)
    for line in provider_lines(gates, [status for _, status, _ in shown], now=now):
        emit(line)
    tell_problems(found)
    if not shown and any(each.is_read for each in found):
        note("nothing is running, and no run was interrupted")
    return ExitCode.DONE


def _with_titles(aurora: Aurora) -> list[tuple[RunStatus, dict[str, str]]]:
    from aurora_cli.workspaces.readings import unfinished

    return [(status, titles_of(aurora.project.runs_db, status.run_id)) for status in unfinished(aurora)]


def _documents(value: list[tuple[RunStatus, dict[str, str]]] | None) -> list[dict[str, object]] | None:
    return None if value is None else [status.to_dict() for status, _ in value]


def _watch(run_id: str | None, *, everywhere: bool, as_json: bool) -> int:
    from aurora_cli.watch.start import can_watch, watch, watch_all  # nothing else needs it

    if as_json:
        raise click.UsageError("--watch is for a person at a terminal, and --json for programs; leave one out")
    if not can_watch():
        raise click.UsageError(
            "--watch needs a terminal to draw on; for programs and files there is: aur status --json"
        )
    if everywhere:
        from aurora_cli.workspaces.readings import all_workspaces

        return watch_all(all_workspaces)
    with wiring.open_existing() as aurora:
        return watch(aurora, run_id)
