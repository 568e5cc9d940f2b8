"""`aur workspace add`: add a project to the workspaces."""

from __future__ import annotations

import os
from pathlib import Path

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import ExistingPath, json_option, one_word
from aurora_cli.output import emit_json, note
from aurora_cli.render.words import one_line
from aurora_cli.render.workspaces import workspace_document
from aurora_core.workspaces import WorkspaceList
from aurora_soar.user_only import check_user

__all__ = ["command"]


@click.command(
    "add",
    cls=AurCommand,
    examples=(
        ("aur workspace add", "The project of the current folder, under the name of its folder."),
        ("aur workspace add ~/code/shop --name till", "Another one, under a name of your own."),
    ),
)
@click.argument(
    "path", required=False, type=ExistingPath("folder"), help="A folder of the project (default: the current one)."
)
@click.option("--name", metavar="NAME", callback=one_word, help="Its name (default: that of its folder).")
@json_option
def command(*, path: Path | None, name: str | None, as_json: bool) -> int:
    """Add a project to the workspaces.

    A project that is in the list already gets the new name. Nothing in the project is changed, and trust in it is
    another matter: see `aur trust`.
    """
    check_user("the list of workspaces is", "ask the user to run: aur workspace add")
    project = wiring.open_existing(path or Path.cwd()).project
    added = WorkspaceList.of(os.environ).add(project, name)
    if as_json:
        emit_json(Schema.WORKSPACE_ADDED, workspace_document(added))
    note(f"{one_line(str(added.root), 400)} is workspace {added.name}; its runs are named {added.name}:RUN")
    return ExitCode.DONE
