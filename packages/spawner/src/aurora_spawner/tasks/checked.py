"""The checks of a task's work: commands that Aurora itself runs, and what follows from them."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from aurora_spawner.storage.stored_values import Reader, StoredValueError, count, document, documents, read_fields
from aurora_spawner.tasks.work import CommitId, commit_id

SHOWN_CHARACTERS: Final = 4000
"""Length of the end of a check's output that a result keeps."""

_CHANGING: Final = re.compile(r"0x[0-9a-fA-F]+|\d+")
"""The parts that differ between two runs of the same command: times, counts, addresses."""


class CheckOutcome(StrEnum):
    """The outcome of all checks of one attempt's work."""

    PASSED = "passed"
    FAILED = "failed"
    SAME_AS_BASE = "same_as_base"
    """A check fails with the same output on the commit that the task started from."""
    UNCHANGED = "unchanged"
    """A check fails as it did before, and the agent has changed nothing since."""
    CANNOT_RUN = "cannot_run"
    """A check cannot run here at all, with or without the work: a program is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRun:
    """One command that was run on a task's work."""

    command: str
    status: int | None
    """The exit status, negative for a signal; None if the time limit ended it."""
    seconds: float
    output: str = ""
    """The end of what it printed."""
    changed: tuple[str, ...] = ()
    """Files that it changed and git does not ignore; they were put back."""

    @property
    def passed(self) -> bool:
        """True if it ended by itself with 0."""
        return self.status == 0

    def fails_like(self, other: CheckRun | None) -> bool:
        """Returns True if two runs of a command ended alike, but for numbers and the folders of paths."""
        return other is not None and _essence(self) == _essence(other)

    @property
    def summary(self) -> str:
        """The command and its end, in one line for people."""
        return f"`{self.command}` {self.ending} after {self.seconds:.1f} s"

    @property
    def ending(self) -> str:
        """The end, such as "failed (exit status 1)"."""
        if self.status is None:
            return "did not end in time"
        if self.status < 0:
            return f"was ended by signal {-self.status}"
        return f"failed (exit status {self.status})" if self.status else "passed"


def _essence(run: CheckRun) -> tuple[object, ...]:
    said = (_CHANGING.sub("#", word.rpartition("/")[2]) for word in run.output.split())
    return run.command, run.status, *said


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedWork:
    """The checks of one attempt's work; the first that fails is the last that ran."""

    number: int
    """Of the attempt."""
    outcome: CheckOutcome
    runs: tuple[CheckRun, ...]
    commit: CommitId | None = None
    """The commit whose files were checked; None if the task has no worktree."""
    fails_on_base: bool = False
    """The check that failed also fails on the commit that the task started from."""
    hidden: tuple[str, ...] = ()
    """Files that git ignores, if the checks pass with them and fail without."""

    @property
    def passed(self) -> bool:
        """True if every check passed."""
        return self.outcome is CheckOutcome.PASSED

    @property
    def failed(self) -> CheckRun | None:
        """The check that failed; None if all passed."""
        return None if self.passed or not self.runs else self.runs[-1]

    @property
    def complaint(self) -> str:
        """The failure, in one line for people; empty if all passed."""
        failed = self.failed
        if failed is None:
            return ""
        if self.outcome is CheckOutcome.CANNOT_RUN:
            said = " ".join(failed.output.split())[-200:]
            return f"the check `{failed.command}` cannot run here (exit status {failed.status}): {said}"
        line = f"the check {failed.summary}"
        if self.outcome is CheckOutcome.SAME_AS_BASE:
            return f"{line}, in the same way as on the commit that the task started from"
        if self.outcome is CheckOutcome.UNCHANGED:
            line = f"{line}, as before, and nothing was changed since"
        if self.hidden:
            line = f"{line} without the files that git ignores: {', '.join(self.hidden[:5])}"
        return f"{line}; it fails on the commit that the task started from, too" if self.fails_on_base else line

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        return {**asdict(self), "outcome": self.outcome.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckingWork:
    """The work of an attempt whose checks have begun."""

    number: int
    """Of the attempt."""
    commit: CommitId


def _runs(stored: object) -> tuple[CheckRun, ...]:
    if not isinstance(stored, (list, tuple)):
        raise StoredValueError("must be a list of checks")
    return tuple(CheckRun(**read_fields(CheckRun, each)) for each in stored)


_READERS: Final[dict[str, Reader]] = {
    "int": count,
    "CheckOutcome": CheckOutcome,
    "CommitId": commit_id,
    "tuple[CheckRun, ...]": _runs,
}


def checked_from_json(stored: object) -> CheckedWork:
    """Returns the checks that `CheckedWork.to_json` stored.

    Raises:
        StoredValueError: The value is no stored check.
    """
    return CheckedWork(**read_fields(CheckedWork, stored, _READERS))


def checking_from_text(stored: object) -> CheckingWork:
    """Returns what the journal has as JSON text of checks that have begun.

    Raises:
        StoredValueError: The value is nothing of the kind.
    """
    return CheckingWork(**read_fields(CheckingWork, document(stored), _READERS))


def rounds_from_text(stored: object) -> tuple[CheckedWork, ...]:
    """Returns the checks that the journal has of one task as JSON text, the oldest first.

    Raises:
        StoredValueError: The value is no list of stored checks.
    """
    return tuple(map(checked_from_json, documents(stored)))
