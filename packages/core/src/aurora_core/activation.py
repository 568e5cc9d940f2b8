"""ACT-R base-level activation: what was used often and lately is likelier to be needed.

B = ln Σ t_j^-d (Anderson and Schooler 1991), t_j seconds since access j, d = 0.5. Only the last accesses are kept
one by one; older ones enter by Petrov's (2006) approximation, so that storage stays constant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

__all__ = ["KEPT", "AccessHistory", "activation_score", "base_level"]

DECAY: Final = 0.5
KEPT: Final = 10
# Two accesses within a second are as good as one second apart; it also keeps t positive when the clock goes back.
MIN_AGE_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessHistory:
    """When a symbol was used.

    Attributes:
        total: all accesses ever.
        first_at: the first one, Unix seconds.
        recent: the last ones, Unix seconds, oldest first, at most `KEPT`.
    """

    total: int
    first_at: float
    recent: tuple[float, ...]

    def accessed(self, now: float) -> AccessHistory:
        """The history with one more access."""
        return AccessHistory(total=self.total + 1, first_at=self.first_at, recent=(*self.recent, now)[-KEPT:])


def base_level(history: AccessHistory, now: float, decay: float = DECAY) -> float:
    """B for a history; -inf where there was no access.

    The older n - k accesses are taken as spread evenly between the first and the oldest one kept (Petrov 2006):
    (n - k)·(t_n^(1-d) - t_k^(1-d)) / ((1 - d)·(t_n - t_k)).
    """
    ages = [max(now - at, MIN_AGE_S) for at in history.recent]
    total = math.fsum(age**-decay for age in ages)
    older = history.total - len(ages)
    if older > 0 and ages:
        oldest, kept = max(now - history.first_at, MIN_AGE_S), ages[0]
        if oldest > kept:
            spread = (oldest ** (1 - decay) - kept ** (1 - decay)) / ((1 - decay) * (oldest - kept))
            total += older * spread
        else:
            total += older * kept**-decay
    return math.log(total) if total > 0 else -math.inf


def activation_score(base: float) -> float:
    """Activation as a share, 0 for what was never used and near 1 for what is used all the time."""
    return 0.0 if base == -math.inf else 1 / (1 + math.exp(-base - 4))
