"""The wait before a retry; pure of clocks and chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_spawner.recovery.policy import Backoff

if TYPE_CHECKING:
    from aurora_spawner.recovery.policy import RecoveryPolicy


def retry_wait_s(policy: RecoveryPolicy, retry: int, *, chance: float = 1.0) -> float:
    """Returns the seconds before a retry.

    Args:
        retry: Its number, from 1.
        chance: From 0 to 1; with jitter, 0 halves the wait and 1 leaves it whole.
    """
    wait = min(policy.max_delay, _unbounded(policy, retry))
    return wait * (0.5 + 0.5 * chance) if policy.jitter else wait


def _unbounded(policy: RecoveryPolicy, retry: int) -> float:
    if policy.backoff is Backoff.IMMEDIATE:
        return 0.0
    if policy.backoff is Backoff.FIXED:
        return policy.base_delay
    if policy.backoff is Backoff.LINEAR:
        return policy.base_delay * retry
    exponent = min(retry - 1, 64)  # beyond any cap; more would overflow
    try:
        return policy.base_delay * policy.backoff_factor**exponent
    except OverflowError:
        return policy.max_delay
