"""Questions at the terminal while agents continue, such as about the rest of a run in which too many tasks fail."""

from __future__ import annotations

import os
import select
import sys
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final, Protocol
from weakref import WeakKeyDictionary

import click

from aurora_cli.output import note

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

__all__ = [
    "Display",
    "ask_about_held_tasks",
    "check_can_confirm",
    "confirm_unless",
    "giving_way",
    "is_interactive",
    "next_line",
    "turn_at_terminal",
]

_QUESTION: Final = "c = continue, s = skip the rest, l = leave it held?"
_ANSWERS: Final[Mapping[str, bool | None]] = {
    "c": True,
    "continue": True,
    "s": False,
    "skip": False,
    "l": None,
    "leave": None,
}


_LOOK_S: Final = 0.5
"""The time between two looks whether a question was answered elsewhere."""
_YES_OR_NO: Final[Mapping[str, bool]] = {"y": True, "yes": True, "n": False, "no": False, "": False}


def is_interactive() -> bool:
    """Returns True if a question can be shown and answered at a terminal."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def check_can_confirm(*, yes: bool, as_json: bool, needs: str = "ask for confirmation") -> None:
    """Checks that somebody can confirm what a command is about to do, or has done so in advance.

    Raises:
        click.UsageError: nobody can.
    """
    if not yes and (as_json or not is_interactive()):
        raise click.UsageError(f"there is no terminal to {needs}; use --yes", click.get_current_context())


async def ask_about_held_tasks(reason: str) -> bool | None:
    """Asks the user; returns True to continue, False to skip the rest, None or at end of input to leave it held."""
    async with turn_at_terminal():
        note(f"{reason}: {_QUESTION}")
        while line := await next_line():
            answer = line.strip().lower()
            if answer in _ANSWERS:
                return _ANSWERS[answer]
            note(_QUESTION)
        return None


def confirm_unless(question: str, answered: Callable[[], bool]) -> bool | None:
    """Asks for yes or no, with no as the default; returns None if the question is answered elsewhere meanwhile.

    Raises:
        click.Abort: The input has ended.
    """
    while True:
        click.echo(f"{question} [y/N]: ", nl=False, err=True)
        while not select.select([sys.stdin], [], [], _LOOK_S)[0]:
            if answered():
                click.echo(err=True)
                return None
        line = _read_line(sys.stdin.fileno())
        if not line:
            raise click.Abort
        answer = _YES_OR_NO.get(line.strip().lower())
        if answer is not None:
            return answer


class Display(Protocol):
    """Something on the terminal that is redrawn all the time."""

    def give_way(self) -> None:
        """Disappears until `come_back`: a question has the terminal."""
        ...

    def come_back(self) -> None:
        """Shows itself again."""
        ...


_DISPLAYS: Final[list[Display]] = []
_TURNS: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]] = WeakKeyDictionary()


@asynccontextmanager
async def turn_at_terminal() -> AsyncIterator[None]:
    """Lets one question at a time have the terminal, without displays: an event loop has one reader of it."""
    import asyncio

    async with _TURNS.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
        for display in _DISPLAYS:
            display.give_way()
        try:
            yield
        finally:
            for display in _DISPLAYS:
                display.come_back()


@contextmanager
def giving_way(display: Display) -> Iterator[None]:
    """Lets questions at the terminal have it without a display, while the block runs."""
    _DISPLAYS.append(display)
    try:
        yield
    finally:
        _DISPLAYS.remove(display)


async def next_line() -> str:
    """Waits for a line without keeping the event loop; empty at the end of the input, or of the terminal."""
    import asyncio  # every command imports this module, few ask

    loop, descriptor = asyncio.get_running_loop(), sys.stdin.fileno()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
    return _read_line(descriptor)


def _read_line(descriptor: int) -> str:
    """Returns what a terminal has; empty at the end of the input."""
    try:
        return os.read(descriptor, 4096).decode(errors="replace")
    except OSError:  # the terminal was closed
        return ""
