"""Opens the project of a command, and shows its notices at the terminal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aurora_cli.errors import UnknownPersonaError, WorkspaceUnusableError
from aurora_cli.escapes import printable
from aurora_cli.output import note, note_once
from aurora_cli.render.words import one_line
from aurora_cli.run_names import WORKSPACE
from aurora_cli.user_prompts import ask_about_held_tasks, is_interactive
from aurora_core import Project
from aurora_core.settings.variables import unknown_variables
from aurora_core.workspaces import WorkspaceList, look_at
from aurora_soar.aurora.root import Aurora

if TYPE_CHECKING:
    from aurora_soar.notices import Notice
    from aurora_soar.personas import Persona
    from aurora_spawner.recovery.settings import BatchQuestion

__all__ = [
    "open_around",
    "open_existing",
    "open_folder",
    "open_memory_of_agent",
    "open_new",
    "persona_named",
    "show_notice",
    "workspace_root",
]


def open_existing(folder: Path | None = None, *, tool: str | None = None) -> Aurora:
    """Opens the project that a folder belongs to.

    Args:
        folder: the current folder if None.
        tool: the agent that is the model; None leaves it to the configuration.

    Raises:
        NoProjectError: it belongs to none.
    """
    _name_unknown_variables()
    return Aurora.open(
        folder or _folder(), tool=tool, notify=show_notice, on_batch_held=_batch_question(), existing=True
    )


def _folder() -> Path:
    """Returns the folder of the workspace that the command names; else the current one.

    Raises:
        UnknownWorkspaceError, WorkspaceListError, WorkspaceUnusableError: as `workspace_root`.
    """
    context = click.get_current_context(silent=True)
    name = context.meta.get(WORKSPACE) if context is not None else None
    if name is None:
        return Path.cwd()
    root = workspace_root(name)
    note_once(WORKSPACE, f"in workspace {name} ({one_line(str(root), 400)}); its runs are named {name}:RUN here")
    return root


def workspace_root(name: str) -> Path:
    """Returns the folder of a workspace, if it may be used as it is now.

    Raises:
        UnknownWorkspaceError, WorkspaceListError: there is no such workspace, or the list cannot be read.
        WorkspaceUnusableError: its folder is not the one that was added, or is not the user's.
    """
    found = look_at(WorkspaceList.of(os.environ).named(name))
    if found.project is None:
        raise WorkspaceUnusableError(name, found.problem)
    return found.project.root


def open_memory_of_agent() -> Aurora:
    """Opens the project of the current folder; inside an agent in a worktree, the one that its run belongs to.

    Raises:
        NoProjectError: there is none.
    """
    if Project.find(Path.cwd()) is not None:
        return open_existing()
    from aurora_spawner.control.own_run import own_project  # few searches need it

    return open_existing(own_project())


def open_around(path: Path) -> Aurora:
    """Opens the project of the current folder; if there is none, the one that a path belongs to.

    A folder that belongs to none would be a project of its own.

    Raises:
        NoProjectError: a file belongs to none.
    """
    if Project.find(Path.cwd()):
        return open_folder()
    return open_folder(path) if path.is_dir() else open_existing(path.resolve().parent)


def open_folder(folder: Path | None = None, *, tool: str | None = None, max_concurrent: int | None = None) -> Aurora:
    """Opens the project that a folder belongs to or would be, with the options of the command line.

    Args:
        folder: the current folder if None.
    """
    _name_unknown_variables()
    return Aurora.open(
        folder or _folder(),
        tool=tool,
        max_concurrent=max_concurrent,
        notify=show_notice,
        on_batch_held=_batch_question(),
    )


def open_new(folder: Path) -> Aurora:
    """Opens a folder as the root of a project, whatever project it lies in; nothing is made."""
    return Aurora(Project(root=folder), notify=show_notice)


def show_notice(notice: Notice) -> None:
    """Prints a notice on standard error."""
    note(printable(f"warning: {notice.message}" if notice.warning else notice.message))


def persona_named(aurora: Aurora, name: str) -> Persona:
    """Returns the persona of a name.

    Raises:
        UnknownPersonaError: there is none of that name.
    """
    found = aurora.personas.get(name)
    if found is None:
        from aurora_soar.taskruns.backends import known_agents  # most commands need no agents

        bare = name.removeprefix("@")
        raise UnknownPersonaError(bare, aurora.personas.by_id, is_agent=bare in known_agents(aurora.config))
    return found


def _name_unknown_variables() -> None:
    """Prints a note about each variable that looks like one of Aurora's and is none; agents may have such."""
    found = unknown_variables(os.environ)
    if not found:
        return
    from aurora_spawner.supervision.environment import inside_agent  # most commands need nothing of the spawner

    if inside_agent(os.environ):
        return
    for unknown in found:
        guess = f"; did you mean {unknown.nearest}?" if unknown.nearest else ""
        note_once(
            unknown.name, f"warning: {one_line(unknown.name)} is no variable of Aurora and has no effect{guess}"
        )


def _batch_question() -> BatchQuestion | None:
    return ask_about_held_tasks if is_interactive() else None
