"""Text of an answer, and progress lines while it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_cli.output import note
from aurora_cli.render.words import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_soar import SoarEvent, SoarResult

__all__ = ["as_text", "progress_listener"]


def as_text(result: SoarResult, verbosity: str) -> str:
    """Returns the answer in the requested form."""
    from aurora_soar import Verbosity, render

    return printable(render(result, Verbosity(verbosity))).rstrip("\n")


def progress_listener(verbosity: str) -> Callable[[SoarEvent], None]:
    """Returns a listener that prints a line when an agent ends, and with `verbose` when a phase ends."""
    printed = {"quiet": (), "normal": ("progress",), "verbose": ("progress", "finished")}[verbosity]

    def listen(event: SoarEvent) -> None:
        if event.kind in printed:
            note(one_line(event.message) if event.kind == "progress" else f"{event.phase}: {one_line(event.message)}")

    return listen
