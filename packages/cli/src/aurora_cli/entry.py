"""The first module that `aur` imports: it handles signals cleanly while the rest is still being imported."""

from __future__ import annotations

import gc

from aurora_cli.immediate_exit import (
    hear_of_ended_children,
    quit_interrupted,
    quit_on_lost_interrupts,
    quit_on_signals,
)

__all__ = ["main"]


def main() -> int:
    """Runs `aur` with the arguments and streams of this process; returns its exit status."""
    try:
        quit_on_signals()
        quit_on_lost_interrupts()
        hear_of_ended_children()
        from aurora_cli.main import main as run

        return run()
    except KeyboardInterrupt:  # between the removal of one handler and the installation of the next
        quit_interrupted()
    finally:
        gc.freeze()  # the interpreter's last collections would visit all imports, for a sixth of a short command
