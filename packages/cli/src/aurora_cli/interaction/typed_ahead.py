"""Input that is typed while an agent answers: it stays out of the answer, and stands at the next prompt."""

from __future__ import annotations

import sys
import termios
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from aurora_cli.user_prompts import giving_way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["without_echo"]

_LOCAL_MODES: Final = 3
"""The place of the local modes among the attributes of a terminal."""


@contextmanager
def without_echo(changed: Callable[[], None]) -> Iterator[None]:
    """Keeps the terminal from showing what is typed while the block runs; a question shows it as usual.

    Args:
        changed: called after the echo is switched off.
    """
    try:
        before = termios.tcgetattr(sys.stdin.fileno())
    except (termios.error, OSError, ValueError):  # the input is no terminal
        yield
        return
    silence = _Silence(sys.stdin.fileno())
    with giving_way(silence):
        silence.come_back()
        changed()
        try:
            yield
        finally:
            with suppress(termios.error):  # the terminal was closed
                termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, before)


class _Silence:
    """Echo that is off except while a question has the terminal."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def give_way(self) -> None:
        """Shows what is typed."""
        self._set(echo=True)

    def come_back(self) -> None:
        """Shows it no longer."""
        self._set(echo=False)

    def _set(self, *, echo: bool) -> None:
        with suppress(termios.error):  # the terminal was closed
            modes = termios.tcgetattr(self._descriptor)
            modes[_LOCAL_MODES] = modes[_LOCAL_MODES] | termios.ECHO if echo else modes[_LOCAL_MODES] & ~termios.ECHO
            termios.tcsetattr(self._descriptor, termios.TCSANOW, modes)
