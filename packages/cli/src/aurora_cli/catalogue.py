"""Every command of `aur` and its one line of help, known without importing the command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["CATALOGUE", "MEM", "Entry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One command.

    Attributes:
        name: as it is typed after its group's name.
        module: the module whose attribute `command` is the click command.
        summary: its line in the help of its group.
        entries: the commands below it, for a group.
    """

    name: str
    module: str
    summary: str
    entries: tuple[Entry, ...] = ()


MEM: Final[tuple[Entry, ...]] = (
    Entry(name="index", module="aurora_cli.commands.mem_index", summary="Bring the index up to date with the files."),
    Entry(name="search", module="aurora_cli.commands.mem_search", summary="Find the chunks that fit a query."),
    Entry(name="stats", module="aurora_cli.commands.mem_stats", summary="Show what the memory holds."),
)

CATALOGUE: Final[tuple[Entry, ...]] = (
    Entry(name="init", module="aurora_cli.commands.init", summary="Set up a folder: configuration, policies, index."),
    Entry(
        name="soar", module="aurora_cli.commands.soar", summary="Answer a question from the project, with sources."
    ),
    Entry(name="spawn", module="aurora_cli.commands.spawn", summary="Run the tasks of a task file side by side."),
    Entry(
        name="mem", module="aurora_cli.commands.mem", summary="Index and search the project's memory.", entries=MEM
    ),
    Entry(name="completion", module="aurora_cli.commands.completion", summary="Let your shell complete aur's words."),
    Entry(name="doctor", module="aurora_cli.commands.doctor", summary="Check that everything Aurora needs is there."),
)
