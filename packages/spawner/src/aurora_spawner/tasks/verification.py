"""The extent to which a task's result is proven by commands that Aurora ran itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aurora_spawner.tasks.checked import CheckedWork, CheckRun
    from aurora_spawner.tasks.review import Review


class Verified(StrEnum):
    """The extent of the proof."""

    FULLY = "verified"
    """All checks passed on exactly the committed files."""
    PARTLY = "partly verified"
    """Some checks passed; or all of them, but one changed files, or other tasks may have changed the folder."""
    NOT = "unverified"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The extent of the proof, and what was run."""

    level: Verified
    ran: str
    """The commands and their ends, in one line; says so if nothing was run."""

    def __str__(self) -> str:
        return f"{self.level}: {self.ran}"


def verification_of(checked: CheckedWork | None, *, done: bool, review: Review | None = None) -> Verification:
    """Returns the extent to which checks prove a result.

    Args:
        done: the task has succeeded.
        review: of the work; it is told, and proves nothing.
    """
    verdict = f"; {review.line}" if review else ""
    if checked is None:
        return Verification(level=Verified.NOT, ran=f"no check was run{verdict}")
    ran = "; ".join(map(_line, checked.runs))
    if checked.fails_on_base:
        ran += ", and fails without the work, too"
    if checked.passed and checked.commit is None:
        ran += ", in a folder that is not the task's own"
    return Verification(level=_level(checked, done=done), ran=f"{ran}{verdict}")


def _line(run: CheckRun) -> str:
    changed = f" and changed {', '.join(run.changed[:3])} (put back)" if run.changed else ""
    return f"`{run.command}` {run.ending} in {run.seconds:.1f} s{changed}"


def _level(checked: CheckedWork, *, done: bool) -> Verified:
    if not done:
        return Verified.NOT
    if checked.passed and checked.commit is not None and not any(each.changed for each in checked.runs):
        return Verified.FULLY
    return Verified.PARTLY if any(each.passed for each in checked.runs) else Verified.NOT
