"""`aur workspace list`: list the workspaces."""

from __future__ import annotations

import click

from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json
from aurora_cli.render.workspaces import workspace_line
from aurora_cli.workspaces.readings import all_workspaces, read_each, tell_problems

__all__ = ["command"]


@click.command(
    "list",
    cls=AurCommand,
    examples=(
        ("aur workspace list", "Name, state and folder of each."),
        ("aur workspace list --json", "The same as JSON."),
    ),
)
@json_option
def command(*, as_json: bool) -> int:
    """List the workspaces.

    The folder of a workspace is there, untrusted (some of its settings are ignored), damaged, slow, gone, moved
    (another folder is in its place), or foreign (another user's). Of the last three nothing is read.
    """
    found = read_each(all_workspaces(), lambda aurora: aurora.project.root)
    if as_json:
        emit_json(Schema.WORKSPACES, {"workspaces": [each.to_json() for each in found]})
        return ExitCode.DONE
    for each in found:
        emit(workspace_line(each.workspace, each.state))
    tell_problems(found)
    return ExitCode.DONE
