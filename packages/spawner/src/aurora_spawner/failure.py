"""What an agent itself reports as gone wrong."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


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
    return ReportedFailure(
        **{each.name: stored[each.name] for each in fields(ReportedFailure) if each.name in stored}
    )
