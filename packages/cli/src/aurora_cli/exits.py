"""The exit statuses of `aur`; scripts may rely on them."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ExitCode"]


class ExitCode(IntEnum):
    """What a finished `aur` process says to its caller."""

    DONE = 0
    NOT_REACHED = 1
    """The run did not reach its goal: a task failed or was skipped, an answer was not found."""
    USAGE = 2
    """The command line, or a file that it names, asks for something that makes no sense."""
    REFUSED = 3
    """A policy or a budget said no."""
    ENVIRONMENT = 4
    """The machine or the project's files are not in a state to work with."""
    INTERRUPTED = 130
