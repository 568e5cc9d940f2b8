"""How an answer looks, and what is told while it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_cli.output import note
from aurora_cli.render.words import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_soar import SoarEvent, SoarResult

__all__ = ["as_text", "progress_listener"]


def as_text(result: SoarResult, verbosity: str) -> str:
    """Writes the answer in the form that was asked for."""
    from aurora_soar import Verbosity, render

    return printable(render(result, Verbosity(verbosity))).rstrip("\n")


def progress_listener(verbosity: str) -> Callable[[SoarEvent], None]:
    """Returns a listener that tells each agent's end, and with `verbose` each phase's too."""
    told = {"quiet": (), "normal": ("progress",), "verbose": ("progress", "finished")}[verbosity]

    def narrate(event: SoarEvent) -> None:
        if event.kind in told:
            note(one_line(event.message) if event.kind == "progress" else f"{event.phase}: {one_line(event.message)}")

    return narrate
