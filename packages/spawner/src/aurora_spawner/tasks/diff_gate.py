"""The port to a gate that judges the diff of a task, which the spawner itself does not have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDiff:
    """The change of one file."""

    path: str
    """Relative to the folder of the run."""
    kind: str
    """Git's letter: A added, M modified, D deleted, T changed its type."""
    lines: int
    """The number of lines that were added or removed; 0 for a binary file."""
    added: tuple[tuple[int, str], ...] = ()
    """The added lines with their numbers; of a symbolic link, the path that it leads to."""
    complete: bool = True
    """False if there are more added lines than `added` has."""
    is_link: bool = False
    """True for a symbolic link."""
    made_executable: bool = False
    """True if it may be run now, and might not before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkDiff:
    """The change that one task has made."""

    task_id: str
    agent: str
    planned: tuple[str, ...]
    """Patterns of the files that the task declares; empty if it declares none."""
    files: tuple[FileDiff, ...]


class DiffFinding(Protocol):
    """Something in a diff that a rule objects to."""

    @property
    def rule(self) -> str:
        """The rule."""
        ...

    @property
    def denied(self) -> bool:
        """True if it cannot be approved."""
        ...

    @property
    def subject(self) -> str:
        """The files, for a person."""
        ...

    @property
    def reason(self) -> str:
        """The effect of the diff, in words."""
        ...

    @property
    def shape(self) -> str:
        """The range of an approval for the whole run; "" if there is none."""
        ...


class DiffGate(Protocol):
    """A judge of diffs, called in a thread.

    An error that it raises ends the run: without the gate, no work may be taken.
    """

    def judge(self, diff: WorkDiff) -> Sequence[DiffFinding]:
        """Returns what the rules object to; nothing if the work may be taken."""
        ...
