"""A guard for the terminal of a session: a small process that gives it back as it was if `aur` is killed."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["guarded_terminal"]

_SCRIPT: Final = """\
trap '' HUP INT QUIT TERM TSTP TTOU
modes() { stty -g <&2 2>/dev/null; }
before=$(modes) && echo ready || exit
left=' '
while read -r _; do
  now=$(modes)
  case $left in *" $now "*) ;; *) left="$left$now " ;; esac
done
now=$(modes)
case $left in *" $now "*) stty "$before" <&2 2>/dev/null ;; esac
"""
"""Reads a line for each change of the modes, and at the end of its input restores those from before.

Only modes that `aur` had set are replaced: a shell that has taken the terminal back may have set its own by then. The
terminal is its standard error, so that both of its pipes are free.
"""


@contextmanager
def guarded_terminal() -> Iterator[Callable[[], None]]:
    """Guards the terminal that is the standard input while the block runs.

    Yields:
        A function to call after each change of the terminal's modes.
    """
    pipe = subprocess.PIPE
    guard = subprocess.Popen(["sh", "-c", _SCRIPT], stdin=pipe, stdout=pipe, stderr=sys.stdin, process_group=0)
    assert guard.stdin is not None
    assert guard.stdout is not None
    told = guard.stdin

    def tell() -> None:
        with suppress(OSError):  # it has ended: a system without `stty` has no guard
            told.write(b"\n")
            told.flush()

    try:
        guard.stdout.readline()
        yield tell
    finally:
        guard.kill()  # before its input ends: whoever comes next sets the modes that they want
        guard.wait()
        guard.stdout.close()
        with suppress(OSError):  # what was told to a guard that has ended
            told.close()
