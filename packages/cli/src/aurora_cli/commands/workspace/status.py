"""`aur workspace status`: show what is at work in each workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json
from aurora_cli.render.workspaces import activity_document, activity_words, workspace_line
from aurora_cli.workspaces.readings import all_workspaces, read_each, tell_problems, unfinished

if TYPE_CHECKING:
    from aurora_spawner.control.status import RunStatus

__all__ = ["command"]


@click.command(
    "status",
    cls=AurCommand,
    examples=(
        ("aur workspace status", "Runs, agents and open questions of each."),
        ("aur workspace status --json", "The same as JSON."),
    ),
)
@json_option
def command(*, as_json: bool) -> int:
    """Show what is at work in each workspace.

    The exit status is 1 if one could not be read.
    """
    found = read_each(all_workspaces(), unfinished)
    if as_json:
        documents = [each.to_json() | {"activity": _numbers(each.value)} for each in found]
        emit_json(Schema.WORKSPACES_STATUS, {"workspaces": documents})
    else:
        for each in found:
            words = "" if each.value is None else activity_words(each.value)
            emit(workspace_line(each.workspace, each.state, words))
        tell_problems(found)
    return ExitCode.DONE if all(each.is_read for each in found) else ExitCode.NOT_REACHED


def _numbers(value: list[RunStatus] | None) -> dict[str, int] | None:
    return None if value is None else activity_document(value)
