"""The exit statuses of `aur`; scripts may rely on them."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ExitCode"]


class ExitCode(IntEnum):
    """Exit status of an `aur` process."""

    DONE = 0
    NOT_REACHED = 1
    """The goal was not reached: a task failed or was skipped, or no answer was found."""
    USAGE = 2
    """The command line, or a file that it names, is invalid."""
    REFUSED = 3
    """A policy or a budget refused the command."""
    ENVIRONMENT = 4
    """The machine or the project's files prevent the command."""
    INTERRUPTED = 130
