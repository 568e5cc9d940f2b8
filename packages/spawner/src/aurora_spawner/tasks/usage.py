"""What an attempt used of a model: tokens, and money where it is known."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.storage.stored_values import read_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_USD: Final = 1_000_000.0
"""No attempt costs more; who tells so is not believed."""
MOST_TOKENS: Final = 10**12
"""Of a kind; what is told beyond is counted as so many, and not priced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens that were paid for, each in one of the four kinds only; agents that count otherwise are converted.

    What no attempt can have used is not believed: such a cost is unknown, and tokens are counted up to `MOST_TOKENS`.
    """

    input_tokens: int = 0
    """Read anew; what came from a cache is not among them."""
    output_tokens: int = 0
    """Written, reasoning included."""
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float | None = None
    """None: unknown, which is not the same as nothing."""

    def __post_init__(self) -> None:
        for name in _TOKENS:
            object.__setattr__(self, name, min(getattr(self, name), MOST_TOKENS))
        if self.cost_usd is not None and not 0 <= self.cost_usd <= MOST_USD:
            object.__setattr__(self, "cost_usd", None)

    @property
    def believable(self) -> bool:
        """Whether no kind of tokens was cut down to what is possible."""
        return all(getattr(self, name) < MOST_TOKENS for name in _TOKENS)

    @property
    def total_tokens(self) -> int:
        """All four kinds."""
        return self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_write_tokens

    def __add__(self, other: Usage) -> Usage:
        """Both together; the sum's cost is unknown where one does not know its own, unless that one used nothing."""
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cache_read_tokens=self.cache_read_tokens + other.cache_read_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            cost_usd=_cost_of_both(self, other),
        )

    def since(self, before: Usage | None) -> Usage:
        """The part of a growing total that came after an earlier reading; one that has shrunk was begun anew."""
        if before is None or any(getattr(self, name) < getattr(before, name) for name in _TOKENS):
            return self
        rest = {name: getattr(self, name) - getattr(before, name) for name in _TOKENS}
        return Usage(**rest, cost_usd=cost_since(self.cost_usd, before.cost_usd))

    def without(self, session: Usage) -> Usage:
        """What `with_session` was called on."""
        own = {name: getattr(self, name) - getattr(session, name) for name in _TOKENS}
        return Usage(**own, cost_usd=self.cost_usd if session.cost_usd is None else None)

    def with_session(self, session: Usage) -> Usage:
        """What a process counted of itself, and what it counted for its session: no field is in both."""
        both = {name: getattr(self, name) + getattr(session, name) for name in _TOKENS}
        return Usage(**both, cost_usd=self.cost_usd if session.cost_usd is None else session.cost_usd)

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON values."""
        return asdict(self)


_TOKENS: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
NOTHING: Final = Usage()


def _cost_of_both(one: Usage, other: Usage) -> float | None:
    if one.cost_usd is None or other.cost_usd is None:
        known = other if one == NOTHING else one if other == NOTHING else NOTHING
        return known.cost_usd
    return one.cost_usd + other.cost_usd


def cost_since(total_usd: float | None, before_usd: float | None) -> float | None:
    """The part of a growing total that came after an earlier reading of it.

    A total that has shrunk was begun anew, and is all new.
    """
    if total_usd is None or before_usd is None or total_usd < before_usd:
        return total_usd
    return total_usd - before_usd


def usage_from_json(stored: Mapping[str, Any] | None) -> Usage | None:
    """The usage that `Usage.to_json` stored; fields of other versions are passed over."""
    if stored is None:
        return None
    known = (
        {name: value for name, value in stored.items() if value is not None} if isinstance(stored, dict) else stored
    )
    return Usage(**read_fields(Usage, known))
