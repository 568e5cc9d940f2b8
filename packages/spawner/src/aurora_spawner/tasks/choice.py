"""The choice among the candidates of a task: which one was taken, by whom, and why."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from aurora_spawner.storage.stored_values import read_fields


class ChosenBy(StrEnum):
    """The one who has chosen."""

    RULE = "rule"
    """The order of `tasks/candidates.py`."""
    USER = "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The candidate that was taken; kept with the result of the task that has the candidates."""

    winner: str
    """The id of the candidate; the branch of the work is its branch."""
    by: ChosenBy
    why: str
    """In one line for people."""

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        return {**asdict(self), "by": self.by.value}


def choice_from_json(stored: object) -> Choice:
    """Returns the choice that `Choice.to_json` stored.

    Raises:
        StoredValueError: The value is no stored choice.
    """
    return Choice(**read_fields(Choice, stored, {"ChosenBy": ChosenBy}))
