"""`aur worktrees list`: list the worktrees of all runs."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render.worktrees import list_document, list_lines
from aurora_spawner.workspaces.disk_cap import most_bytes

__all__ = ["command"]


@click.command(
    "list",
    cls=AurCommand,
    examples=(
        ("aur worktrees list", "Run, task, state, size and folder of each."),
        ("aur worktrees list --json", "The same as JSON, with branches and commits."),
    ),
)
@json_option
def command(*, as_json: bool) -> int:
    """List the worktrees of all runs, with what is left of crashed runs.

    Worktrees of other tools are not listed. A worktree is running, merged, unmerged, unchanged, discarded, gone
    (its folder was removed), broken, left from a check, or holds uncommitted files.
    """
    aurora = wiring.open_existing()
    found, cap = aurora.worktrees(), aurora.preparation.max_disk_bytes
    places = [each.ours.path for each in found if each.ours.path is not None]
    if places:
        cap = most_bytes(places[0], sum(each.size for each in found), cap)
    if as_json:
        emit_json(Schema.WORKTREES, list_document(found, cap=cap))
        return ExitCode.DONE
    for line in list_lines(found, cap=cap):
        emit(line)
    if not found:
        note("no worktree of a run in this repository")
    return ExitCode.DONE
