"""Starts the live view at a terminal."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from aurora_cli.exits import ExitCode
from aurora_cli.watch.facts import Reader, Wanted
from aurora_cli.watch.steering import Steering

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aurora_cli.watch.ports import RunsReader, RunsSteering
    from aurora_core.workspaces import Workspace
    from aurora_soar import Aurora

__all__ = ["can_watch", "watch", "watch_all"]


def can_watch() -> bool:
    """Returns True if there is a terminal on which the view can be drawn and steered."""
    streams = (sys.stdin, sys.stdout, sys.stderr)
    return all(each is not None and each.isatty() for each in streams) and os.environ.get("TERM") != "dumb"


def watch(aurora: Aurora, run_id: str | None) -> ExitCode:
    """Shows the live view until the user leaves it; the runs go on.

    Args:
        run_id: The run that is shown alone; None for all.

    Raises:
        UnknownRunError: The journal has no such run.
        JournalError: The journal cannot be read.
        KeyboardInterrupt: The user, or a signal, has interrupted it.
    """
    return _show(Reader(aurora, only=run_id), Steering(aurora), aurora.project.root.name)


def watch_all(workspaces: Callable[[], Sequence[Workspace]]) -> ExitCode:
    """Shows the runs of all workspaces until the user leaves them; the runs go on.

    Args:
        workspaces: Returns them, at each look.

    Raises:
        WorkspaceListError: The list cannot be read.
        KeyboardInterrupt: The user, or a signal, has interrupted it.
    """
    from aurora_cli.watch.workspaces_reader import WorkspacesReader
    from aurora_cli.watch.workspaces_steering import WorkspacesSteering

    return _show(WorkspacesReader(workspaces), WorkspacesSteering(), "all workspaces")


def _show(reader: RunsReader, steering: RunsSteering, title: str) -> ExitCode:
    from aurora_cli.watch.app import WatchApp  # textual takes longer to load than the first look

    try:
        first = reader.look(Wanted())
        app = WatchApp(reader, steering, first, project=title)
        with app.ending_on_signals():
            outcome = app.run(mouse=False)
    finally:
        reader.close()
    if app.failure is not None:
        raise app.failure
    if outcome is ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    return ExitCode.DONE
