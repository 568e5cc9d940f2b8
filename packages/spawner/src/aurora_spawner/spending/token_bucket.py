"""The start rate of attempts: a token bucket, pure of clocks."""

from __future__ import annotations

from dataclasses import dataclass

from aurora_spawner.errors import SpawnerError


@dataclass(slots=True)
class TokenBucket:
    """A token bucket that allows `burst` starts at once and `rate_per_s` on average after that.

    Raises:
        SpawnerError: The rate or the burst allows nothing.
    """

    rate_per_s: float
    burst: int = 1
    _tokens: float = 0.0
    _at: float | None = None

    def __post_init__(self) -> None:
        if not self.rate_per_s > 0 or self.burst < 1:
            raise SpawnerError(f"a start rate needs a rate above 0 and a burst of at least 1, not {self}")
        self._tokens = float(self.burst)

    def delay_s(self, now: float) -> float:
        """Takes a token and returns 0, or returns the seconds until the next token without taking it.

        Args:
            now: Seconds on any clock that does not go back.
        """
        if self._at is not None:
            self._tokens = min(float(self.burst), self._tokens + (now - self._at) * self.rate_per_s)
        self._at = now
        # a token that lacks only a rounding error is granted, or a wait of no length would never end
        if self._tokens >= 1 - 1e-9:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self.rate_per_s
