"""Starts the live view at a terminal."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from aurora_cli.exits import ExitCode
from aurora_cli.watch.facts import Reader, Wanted
from aurora_cli.watch.steering import Steering

if TYPE_CHECKING:
    from aurora_soar import Aurora

__all__ = ["can_watch", "watch"]


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
    from aurora_cli.watch.app import WatchApp  # textual takes longer to load than the first look

    reader = Reader(aurora, only=run_id)
    try:
        first = reader.look(Wanted())
        app = WatchApp(reader, Steering(aurora), first, project=aurora.project.root.name)
        with app.ending_on_signals():
            outcome = app.run(mouse=False)
    finally:
        reader.close()
    if app.failure is not None:
        raise app.failure
    if outcome is ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    return ExitCode.DONE
