"""The report of a replay."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The first decision that comes out otherwise."""

    seq: int
    """The number of the event in the journal."""
    at: float
    """Unix time."""
    kind: str
    task_id: str | None
    state: str
    """The state in which the decision was made, in words."""
    recorded: str
    """The decision in the journal, in words."""
    made: str
    """The decision of the replay, in words."""


class DifferenceFoundError(Exception):
    """Raised where a decision comes out otherwise."""

    def __init__(self, difference: Difference) -> None:
        self.difference = difference
        super().__init__(difference.recorded)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReport:
    """The outcome of a replay."""

    run_id: str
    events: int
    """The number of events of the run."""
    decisions: int
    """The number of decisions that came out the same."""
    coordinators: int
    """The number of coordinators that worked on the run."""
    last_seq: int
    """The number of the last event that was replayed."""
    live: bool
    """True if a coordinator works on the run still: it was replayed up to now."""
    difference: Difference | None
    """None if every decision came out the same."""
    changed: str | None
    """The change from outside that the hashes of the run tell of; None without one."""
    notes: tuple[str, ...] = ()
    """Sentences on decisions that were not made again."""
    taken: Mapping[str, int]
    """The events that were taken as they are, by kind: what people, agents, the system and other runs did."""

    @property
    def identical(self) -> bool:
        """True if every decision came out the same."""
        return self.difference is None

    def to_dict(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        return {**asdict(self), "identical": self.identical, "notes": list(self.notes), "taken": dict(self.taken)}
