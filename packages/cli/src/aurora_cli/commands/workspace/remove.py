"""`aur workspace remove`: forget a workspace."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit_json, note
from aurora_cli.render.words import one_line
from aurora_cli.render.workspaces import workspace_document
from aurora_core import AuroraCoreError
from aurora_core.workspaces import WorkspaceList
from aurora_soar.user_only import check_user

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["command"]


def _complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    try:
        found = WorkspaceList.of(os.environ).all()
    except AuroraCoreError:  # nothing can be offered; the command says why
        return []
    return [CompletionItem(each.name, help=str(each.root)) for each in found if each.name.startswith(incomplete)]


@click.command(
    "remove",
    cls=AurCommand,
    examples=(("aur workspace remove shop", "It is listed no longer; its folder stays as it is."),),
)
@click.argument("name", shell_complete=_complete, help="The workspace's name.")
@json_option
def command(*, name: str, as_json: bool) -> int:
    """Forget a workspace; nothing is deleted, and its runs go on."""
    check_user("the list of workspaces is", "ask the user to run: aur workspace remove")
    removed = WorkspaceList.of(os.environ).remove(name)
    if as_json:
        emit_json(Schema.WORKSPACE_REMOVED, workspace_document(removed))
    note(f"{removed.name} is forgotten; {one_line(str(removed.root), 400)} stays as it is")
    return ExitCode.DONE
