"""Text of an answer, and progress lines while it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_cli.output import note
from aurora_cli.render.words import one_line, printable
from aurora_soar.registry import LOCAL_AGENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_soar import SoarEvent, SoarResult

__all__ = ["as_text", "planning_note", "progress_listener"]

_WORKS: Final = {"phase3_decompose": "plans", "phase6_synthesize": "writes the answer"}
"""The work of an agent in the phases in which it is waited for alone."""


def as_text(result: SoarResult, verbosity: str) -> str:
    """Returns the answer in the requested form."""
    from aurora_soar import Verbosity, render

    return printable(render(result, Verbosity(verbosity))).rstrip("\n")


def progress_listener(verbosity: str, tool: str | None = None) -> Callable[[SoarEvent], None]:
    """Returns a listener that prints a line when an agent ends, and with `verbose` when a phase ends.

    Args:
        tool: the agent that plans and writes, of which a line says so when it begins: both can take a minute.
    """
    printed = {"quiet": (), "normal": ("progress",), "verbose": ("progress", "finished")}[verbosity]
    works = {} if tool in (None, LOCAL_AGENT) or verbosity == "quiet" else _WORKS

    def listen(event: SoarEvent) -> None:
        if event.kind == "started" and event.phase in works:
            note(f"@{one_line(str(tool))} {works[event.phase]}")
        if event.kind in printed:
            note(one_line(event.message) if event.kind == "progress" else f"{event.phase}: {one_line(event.message)}")

    return listen


def planning_note(tool: str | None) -> None:
    """Prints a line before an agent plans; nothing where rules plan, which takes no time."""
    if tool not in (None, LOCAL_AGENT):
        note(f"@{one_line(str(tool))} plans")
