"""Failures that agents report."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.storage.stored_values import read_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_WAIT_S: Final = 86_400.0
"""The longest wait that is accepted from a provider: a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedFailure:
    """A failure that an agent reports."""

    code: str = ""
    """The agent's code for it: rate_limit_error, UNAUTHENTICATED, error_max_turns."""
    status: int | None = None
    """The HTTP status of the provider's answer."""
    message: str = ""
    retry_after_s: float | None = None

    @property
    def text(self) -> str:
        """The failure in words, for people."""
        said = self.message.strip() or self.code or "an error without a description"
        return said if self.status is None or str(self.status) in said else f"{said} (status {self.status})"

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        return asdict(self)


def failure_from_json(stored: Mapping[str, Any] | None) -> ReportedFailure | None:
    """Returns the failure that `ReportedFailure.to_json` stored; skips fields of other versions."""
    if stored is None:
        return None
    return ReportedFailure(**read_fields(ReportedFailure, stored))


def believed_wait_s(said: object, *, unit_s: float = 1.0) -> float | None:
    """Returns the wait that a provider names, in seconds, at most a day; None if the value is not a wait.

    Args:
        unit_s: The unit of the value, in seconds.
    """
    if not isinstance(said, int | float | str) or isinstance(said, bool):
        return None
    try:
        wait_s = float(said) * unit_s
    except ValueError:
        return None
    except OverflowError:  # a whole number beyond all floats
        wait_s = float("inf") if int(said) > 0 else -1.0
    return min(wait_s, LONGEST_WAIT_S) if wait_s >= 0 else None
