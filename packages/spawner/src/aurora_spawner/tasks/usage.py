"""Usage of an attempt: tokens, and the cost if it is known."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.storage.stored_values import read_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_USD: Final = 1_000_000.0
"""The largest cost of an attempt that is accepted; a larger report counts as unknown."""
MOST_TOKENS: Final = 10**12
"""The largest number of tokens of one kind; a larger report is cut to it and not priced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens that were paid for, each counted in one of four kinds; other ways of counting are converted.

    Impossible reports are not accepted: such a cost is unknown, and tokens are counted up to `MOST_TOKENS`.
    """

    input_tokens: int = 0
    """Input tokens that did not come from a cache."""
    output_tokens: int = 0
    """Output tokens, reasoning included."""
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float | None = None
    """The cost in US dollars; None for an unknown cost, which differs from 0."""

    def __post_init__(self) -> None:
        for name in _TOKENS:
            object.__setattr__(self, name, min(getattr(self, name), MOST_TOKENS))
        if self.cost_usd is not None and not 0 <= self.cost_usd <= MOST_USD:
            object.__setattr__(self, "cost_usd", None)

    @property
    def believable(self) -> bool:
        """True if no count reaches `MOST_TOKENS`."""
        return all(getattr(self, name) < MOST_TOKENS for name in _TOKENS)

    @property
    def total_tokens(self) -> int:
        """The tokens of all four kinds."""
        return self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_write_tokens

    def __add__(self, other: Usage) -> Usage:
        """Returns the sum; its cost is unknown if the cost of a part is unknown, unless that part used nothing."""
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cache_read_tokens=self.cache_read_tokens + other.cache_read_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            cost_usd=_cost_of_both(self, other),
        )

    def since(self, before: Usage | None) -> Usage:
        """Returns the growth of a total since an earlier reading; all of it if it shrank, as after a restart."""
        if before is None or any(getattr(self, name) < getattr(before, name) for name in _TOKENS):
            return self
        rest = {name: getattr(self, name) - getattr(before, name) for name in _TOKENS}
        return Usage(**rest, cost_usd=cost_since(self.cost_usd, before.cost_usd))

    def without(self, session: Usage) -> Usage:
        """Returns the usage without the part of the session; the inverse of `with_session`."""
        own = {name: getattr(self, name) - getattr(session, name) for name in _TOKENS}
        return Usage(**own, cost_usd=self.cost_usd if session.cost_usd is None else None)

    def with_session(self, session: Usage) -> Usage:
        """Returns the usage of a process and of its session together: no field is counted in both."""
        both = {name: getattr(self, name) + getattr(session, name) for name in _TOKENS}
        return Usage(**both, cost_usd=self.cost_usd if session.cost_usd is None else session.cost_usd)

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        return asdict(self)


_TOKENS: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
NOTHING: Final = Usage()


def _cost_of_both(one: Usage, other: Usage) -> float | None:
    if one.cost_usd is None or other.cost_usd is None:
        known = other if one == NOTHING else one if other == NOTHING else NOTHING
        return known.cost_usd
    return one.cost_usd + other.cost_usd


def cost_since(total_usd: float | None, before_usd: float | None) -> float | None:
    """Returns the growth of a total since an earlier reading; all of it if it shrank, as after a restart."""
    if total_usd is None or before_usd is None or total_usd < before_usd:
        return total_usd
    return total_usd - before_usd


def usage_from_json(stored: Mapping[str, Any] | None) -> Usage | None:
    """Returns the usage that `Usage.to_json` stored; skips fields of other versions."""
    if stored is None:
        return None
    known = (
        {name: value for name, value in stored.items() if value is not None} if isinstance(stored, dict) else stored
    )
    return Usage(**read_fields(Usage, known))
