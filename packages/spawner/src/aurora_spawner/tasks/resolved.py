"""Files that git alone could not merge, and what merged them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.storage.stored_values import Reader, StoredValueError, read_fields

if TYPE_CHECKING:
    from collections.abc import Mapping


class Resolver(StrEnum):
    """The kind of what merges a file in which two sides conflict."""

    COMMAND = "command"
    """A command that makes the file again from the merged files."""
    DRIVER = "driver"
    """A merge driver that knows the structure of the file."""
    AGENT = "agent"


class HunkChoice(StrEnum):
    """The outcome of one hunk in conflict, found by comparing the texts."""

    INTEGRATED = "integrated"
    """The text of the work that was merged before."""
    TASK = "task"
    """The text of the task's work."""
    BASE = "base"
    """The text from before both."""
    COMBINED = "combined"
    """None of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedFile:
    """One file that git alone could not merge."""

    path: str
    kind: Resolver
    by: str
    """The command, the program, or the agent with its task."""
    hunks: tuple[HunkChoice, ...] = ()
    """For an agent: the hunks in conflict, in their order; empty for a conflict without text, such as a deletion."""

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        return {**asdict(self), "kind": self.kind.value, "hunks": [each.value for each in self.hunks]}


def resolved_files(stored: object) -> tuple[ResolvedFile, ...]:
    """Returns the files that were stored with `ResolvedFile.to_json`.

    Raises:
        StoredValueError: The value is no list of such files.
    """
    if not isinstance(stored, list):
        raise StoredValueError("must be a list")
    return tuple(ResolvedFile(**read_fields(ResolvedFile, each, _READERS)) for each in stored)


def _choices(value: object) -> tuple[HunkChoice, ...]:
    if not isinstance(value, list):
        raise StoredValueError("must be a list")
    return tuple(map(HunkChoice, value))


_READERS: Final[Mapping[str, Reader]] = {"Resolver": Resolver, "tuple[HunkChoice, ...]": _choices}
