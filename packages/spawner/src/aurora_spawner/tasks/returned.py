"""Work that came back to its agent: for an answer that is no document, by a review, or with a user's comments."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from aurora_spawner.storage.stored_values import Reader, count, documents, read_fields


class ReturnedFor(StrEnum):
    """The reason for a return; each has a limit of its own."""

    RESULT = "result"
    """The answer was not the document that the task asks for."""
    REVIEW = "review"
    """The reviewer of the task sent it back."""
    COMMENTS = "comments"
    """A user wrote comments on the lines of its change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """One return; the next attempt at the task is told of it."""

    number: int
    """Of the attempt whose work came back."""
    reason: ReturnedFor
    complaint: str
    """The problem, in one line for people."""
    request: str
    """Instructions to the agent."""
    source: str
    """The author of the remarks."""
    remarks: tuple[str, ...] = ()
    """Texts of that author, word for word; data for the agent."""

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        return {**asdict(self), "reason": self.reason.value, "remarks": list(self.remarks)}


_READERS: Final[dict[str, Reader]] = {"int": count, "ReturnedFor": ReturnedFor}


def returns_from_text(stored: object) -> tuple[Returned, ...]:
    """Returns what the journal has as JSON text of the returns of one task, the oldest first.

    Raises:
        StoredValueError: The value is no list of stored returns.
    """
    return tuple(Returned(**read_fields(Returned, each, _READERS)) for each in documents(stored))
