"""A revision of a run's tasks: what takes the place of those that failed, what stays, and what is given up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from aurora_soar.replanning.remaining import OpenTask

__all__ = ["Change", "RevisedTask", "Revision", "fresh_ids"]

_COUNTED: Final = re.compile(r"(?P<before>.*?)(?P<number>[0-9]{1,9})")


class Change(StrEnum):
    """The change of a task: its text and settings stay unless it is new."""

    KEPT = "kept"
    HANDED_OVER = "handed over"
    """Another agent gets it."""
    NEW = "new"


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisedTask:
    """A task of the revision.

    Attributes:
        id: a new task has that of one whose place it takes, or a fresh one.
        words: one line.
        needs: ids of the tasks whose results it reads, done ones included.
        failure: what failed before it; "" if nothing did.
        source_file: the file that a new one starts from; None if none is known.
    """

    id: str
    words: str
    agent: str
    is_persona: bool
    needs: tuple[str, ...]
    is_critical: bool
    change: Change
    failure: str = ""
    source_file: str | None = None
    ideal_agent: str = ""
    ideal_agent_desc: str = ""

    @property
    def is_gap(self) -> bool:
        """True if its ideal agent is not the one that does it."""
        return self.ideal_agent not in ("", self.agent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """The remaining graph of a run, planned anew.

    Attributes:
        failed: the critical tasks that failed for good.
        tasks: what is to be run.
        given_up: tasks that the new plan leaves out; the run still counts them as not done.
        planned_by: the model whose plan it is; None if rules planned.
        note: what became of a model's plan; "" if nothing is to be said.
    """

    run_id: str
    goal: str
    failed: tuple[OpenTask, ...]
    tasks: tuple[RevisedTask, ...]
    given_up: tuple[OpenTask, ...] = ()
    planned_by: str | None = None
    note: str = ""


def fresh_ids(used: Collection[str], like: str) -> Iterator[str]:
    """Yields ids that no task has, counted on from one that a task has: T004 after T003, 2.2 after 2.1."""
    match = _COUNTED.fullmatch(like)
    before, digits = (match["before"], match["number"]) if match else ("", "0")
    number = int(digits)
    while True:
        number += 1
        name = f"{before}{number:0{len(digits)}d}" if digits.startswith("0") else f"{before}{number}"
        if name not in used:
            yield name
