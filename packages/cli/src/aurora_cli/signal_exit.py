"""End on a signal with one line at most, while there is nothing yet, or nothing any more, to put in order."""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # the public module adds enums and milliseconds
import os
import sys

TYPE_CHECKING = False  # the module of that name would have to be imported
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["quit_interrupted", "quit_on_lost_interrupts", "quit_on_signals"]

_INTERRUPTED = 130
_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def quit_on_signals() -> None:
    """Lets signals end this process at once; those that it ignores stay ignored."""
    for number in _ENDING_SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, quit_interrupted)


def quit_interrupted(*_: object) -> NoReturn:
    """Ends this process as an interrupted one."""
    try:
        os.write(2, b"interrupted\n")
    finally:
        os._exit(_INTERRUPTED)


def quit_on_lost_interrupts() -> None:
    """Lets an interruption count that Python cannot raise where it comes, as in a destructor."""
    sys.unraisablehook = _unraisable


def _unraisable(lost: sys.UnraisableHookArgs) -> None:
    if issubclass(lost.exc_type, KeyboardInterrupt):
        quit_interrupted()
    sys.__unraisablehook__(lost)
