"""What an agent itself reports as gone wrong."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.storage.stored_values import read_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_WAIT_S: Final = 86_400.0
"""A provider that asks for more patience than a day is believed a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedFailure:
    """What an agent says went wrong."""

    code: str = ""
    """Its own word for it: rate_limit_error, UNAUTHENTICATED, error_max_turns."""
    status: int | None = None
    """Of the provider's answer."""
    message: str = ""
    retry_after_s: float | None = None

    @property
    def text(self) -> str:
        """In words, for people."""
        said = self.message.strip() or self.code or "an error that it does not describe"
        return said if self.status is None or str(self.status) in said else f"{said} (status {self.status})"

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON values."""
        return asdict(self)


def failure_from_json(stored: Mapping[str, Any] | None) -> ReportedFailure | None:
    """The failure that `ReportedFailure.to_json` stored; fields of other versions are passed over."""
    if stored is None:
        return None
    return ReportedFailure(**read_fields(ReportedFailure, stored))


def believed_wait_s(said: object, *, unit_s: float = 1.0) -> float | None:
    """How long to wait where a provider said so, in seconds: a day at most; None for what is no time to wait.

    Args:
        unit_s: What it counts in.
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
