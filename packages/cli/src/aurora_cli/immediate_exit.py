"""Immediate exit on a signal, before the command starts and after it ends, when no cleanup is needed."""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # the public module adds enums and milliseconds
import os
import sys

TYPE_CHECKING = False  # the module of that name would have to be imported
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["hear_of_ended_children", "quit_interrupted", "quit_on_lost_interrupts", "quit_on_signals"]

_INTERRUPTED = 130
_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def quit_on_signals() -> None:
    """Makes signals end this process at once; ignored signals stay ignored."""
    for number in _ENDING_SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, quit_interrupted)


def hear_of_ended_children() -> None:
    """Lets the exit status of each program that this process starts reach it.

    A parent that ignores SIGCHLD hands that on; then each program seems to have ended with 0, a failed check too.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def quit_interrupted(*_: object) -> NoReturn:
    """Ends this process with the exit status of an interruption."""
    try:
        os.write(2, b"interrupted\n")
    finally:
        os._exit(_INTERRUPTED)


def quit_on_lost_interrupts() -> None:
    """Ends this process on an interruption that Python cannot raise, for example in a destructor."""
    sys.unraisablehook = _unraisable


def _unraisable(lost: sys.UnraisableHookArgs) -> None:
    if issubclass(lost.exc_type, KeyboardInterrupt):
        quit_interrupted()
    sys.__unraisablehook__(lost)
