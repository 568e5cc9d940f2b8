"""`aur runs list`: list runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render.runs import as_document, as_lines
from aurora_soar.taskruns.resume import list_resumable
from aurora_spawner.control.audit import check_not_gone
from aurora_spawner.control.checkpoints import list_checkpoints

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_soar import Aurora
    from aurora_spawner.control.checkpoints import RunSummary

__all__ = ["command", "show_resumable"]


@click.command(
    "list",
    cls=AurCommand,
    examples=(
        ("aur runs list", "The newest twenty runs."),
        ("aur runs list --limit 100 --json", "The newest hundred runs as JSON."),
        ("aur runs list --all", "The newest runs of all workspaces."),
    ),
)
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Maximum number of runs.")
@click.option("--all", "everywhere", is_flag=True, help="Of all workspaces; see `aur workspace`.")
@json_option
def command(*, limit: int, everywhere: bool, as_json: bool) -> int:
    """List runs, newest first.

    A question of `aur soar` is one run; the parts of it that agents look up, and each call of a model, are runs of
    their own beside it.
    """
    if everywhere:
        return _show_all(limit, as_json=as_json)
    journal = wiring.open_existing().project.runs_db
    found = list_checkpoints(journal, limit=limit)
    if not found:
        check_not_gone(journal)
    return show(found, as_json=as_json, if_none="no run in this project yet")


def _show_all(limit: int, *, as_json: bool) -> ExitCode:
    """Lists the newest runs of all workspaces together; as JSON, those of each."""
    from aurora_cli.workspaces.naming import named_summary
    from aurora_cli.workspaces.readings import all_workspaces, read_each, tell_problems  # nothing else needs them

    found = read_each(all_workspaces(), lambda aurora: _runs_of(aurora, limit))
    if as_json:
        of_each = [
            each.to_json() | {"runs": None if each.value is None else as_document(each.value)["runs"]}
            for each in found
        ]
        emit_json(Schema.RUNS_OF_WORKSPACES, {"workspaces": of_each})
        return ExitCode.DONE
    runs = [named_summary(each.workspace.name, run) for each in found for run in each.value or ()]
    for line in as_lines(sorted(runs, key=lambda each: each.run.created_at, reverse=True)[:limit]):
        emit(line)
    tell_problems(found)
    if not runs and any(each.is_read for each in found):
        note("no run in any workspace yet")
    return ExitCode.DONE


def _runs_of(aurora: Aurora, limit: int) -> list[RunSummary]:
    journal = aurora.project.runs_db
    found = list_checkpoints(journal, limit=limit)
    if not found:
        check_not_gone(journal)
    return found


def show(found: Sequence[RunSummary], *, as_json: bool, if_none: str) -> ExitCode:
    """Prints runs.

    Args:
        if_none: the note instead of a list without runs.
    """
    if as_json:
        emit_json(Schema.RUNS, as_document(found))
        return ExitCode.DONE
    for line in as_lines(found):
        emit(line)
    if not found:
        note(if_none)
    return ExitCode.DONE


def show_resumable(*, as_json: bool) -> ExitCode:
    """Prints the runs of task files that can be resumed."""
    found = list_resumable(wiring.open_existing().project.runs_db)
    return show(found, as_json=as_json, if_none="no run was cut off")
