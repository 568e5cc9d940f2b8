"""Every command of `aur` and its one line of help, known without importing the command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["AGENTS", "AUDIT", "BUDGET", "CATALOGUE", "CHECKPOINT", "KEYS", "MEM", "RUNS", "Entry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One command.

    Attributes:
        name: as it is typed after its group's name.
        module: of aurora_cli.commands; its attribute `command` is the click command.
        summary: its line in the help of its group.
        section: the heading above it in the help of its group.
        entries: the commands below it, for a group.
    """

    name: str
    module: str
    summary: str
    section: str = "Commands"
    entries: tuple[Entry, ...] = ()


MEM: Final[tuple[Entry, ...]] = (
    Entry(name="index", module="mem.index", summary="Bring the index up to date with the files."),
    Entry(name="search", module="mem.search", summary="Find the chunks that fit a query."),
    Entry(
        name="show",
        module="mem.show",
        summary="Show a definition by its name or place, and its callers.",
    ),
    Entry(name="stats", module="mem.stats", summary="Show what the memory holds."),
    Entry(name="watch", module="mem.watch", summary="Index the project, then follow its files."),
    Entry(name="forget", module="mem.forget", summary="Forget earlier answers."),
    Entry(name="rebuild", module="mem.rebuild", summary="Make the memory again from the files."),
)

RUNS: Final[tuple[Entry, ...]] = (
    Entry(name="list", module="runs.list", summary="List runs, the newest first."),
    Entry(name="show", module="runs.show", summary="Show a run and what came of its tasks."),
    Entry(name="clean", module="runs.clean", summary="Remove what old runs left behind."),
)

CHECKPOINT: Final[tuple[Entry, ...]] = (
    Entry(name="export", module="checkpoint.export", summary="Write a run as a JSON file."),
)

AGENTS: Final[tuple[Entry, ...]] = (
    Entry(name="list", module="agents.list", summary="List the personas that tasks can name."),
    Entry(name="show", module="agents.show", summary="Show a persona."),
    Entry(name="search", module="agents.search", summary="Find the persona for a piece of work."),
    Entry(name="refresh", module="agents.refresh", summary="Read all personas anew."),
    Entry(name="doctor", module="agents.doctor", summary="Check the agents that are installed."),
)

AUDIT: Final[tuple[Entry, ...]] = (
    Entry(name="verify", module="audit.verify", summary="Check that the journal is as written."),
)

BUDGET: Final[tuple[Entry, ...]] = (
    Entry(name="show", module="budget.show", summary="Show what this month has cost, and what is left."),
    Entry(name="set", module="budget.set", summary="Set limits for all your projects."),
    Entry(name="reset", module="budget.reset", summary="Count nothing of what this month has cost so far."),
    Entry(name="history", module="budget.history", summary="List what attempts have cost, the newest first."),
)

KEYS: Final[tuple[Entry, ...]] = (
    Entry(name="set", module="keys.set", summary="Keep a key in the system's keyring."),
    Entry(name="list", module="keys.list", summary="Say where each key is found; never what it is."),
    Entry(name="remove", module="keys.remove", summary="Forget a key of the system's keyring."),
)

CATALOGUE: Final[tuple[Entry, ...]] = (
    Entry(
        name="soar",
        module="soar",
        summary="Answer a question from the project, with sources.",
        section="Ask and work",
    ),
    Entry(
        name="spawn",
        module="spawn",
        summary="Run the tasks of a task file side by side.",
        section="Ask and work",
    ),
    Entry(
        name="mem",
        module="mem",
        summary="Index and search the project's memory.",
        section="Ask and work",
        entries=MEM,
    ),
    Entry(
        name="agents",
        module="agents",
        summary="Find personas and check agents.",
        section="Ask and work",
        entries=AGENTS,
    ),
    Entry(name="status", module="status", summary="Show what runs now.", section="Runs"),
    Entry(name="logs", module="logs", summary="Show what a task's agent prints.", section="Runs"),
    Entry(name="pause", module="pause", summary="Let a run start nothing more for now.", section="Runs"),
    Entry(name="resume", module="resume", summary="Go on with a run that was paused or cut off.", section="Runs"),
    Entry(name="cancel", module="cancel", summary="End a run, or one of its tasks.", section="Runs"),
    Entry(name="runs", module="runs", summary="List, show and clean runs.", section="Runs", entries=RUNS),
    Entry(
        name="checkpoint",
        module="checkpoint",
        summary="Take a run's state out of the journal.",
        section="Runs",
        entries=CHECKPOINT,
    ),
    Entry(
        name="budget",
        module="budget",
        summary="See and limit what agents cost.",
        section="Runs",
        entries=BUDGET,
    ),
    Entry(name="audit", module="audit", summary="Check the journal of runs.", section="Runs", entries=AUDIT),
    Entry(
        name="init",
        module="init",
        summary="Set up a folder: configuration, policies, index.",
        section="Set up",
    ),
    Entry(
        name="trust",
        module="trust",
        summary="Show what a project would run, and trust it.",
        section="Set up",
    ),
    Entry(
        name="keys",
        module="keys",
        summary="Keep the keys of model providers.",
        section="Set up",
        entries=KEYS,
    ),
    Entry(
        name="doctor",
        module="doctor",
        summary="Check that everything Aurora needs is there.",
        section="Set up",
    ),
    Entry(
        name="completion",
        module="completion",
        summary="Let your shell complete aur's words.",
        section="Set up",
    ),
)
