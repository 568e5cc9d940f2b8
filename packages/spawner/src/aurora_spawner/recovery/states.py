"""The nine recovery states of a task and the one table of their transitions.

A task executes, is retried on the same agent while its policy allows, and then falls back to other agents in the
order of its chain. An attempt that does not count (a rate limit, a lost supervisor, the end of the coordinator) is
deferred: the task returns to the state before the attempt.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from aurora_spawner.errors import IllegalTransitionError

if TYPE_CHECKING:
    from collections.abc import Mapping


class RecoveryState(StrEnum):
    """The state of a task between its first attempt and its result."""

    INITIAL = "initial"
    EXECUTING = "executing"
    RETRY_PENDING = "retry_pending"
    RETRYING = "retrying"
    FALLBACK_PENDING = "fallback_pending"
    FALLBACK_EXECUTING = "fallback_executing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CIRCUIT_OPEN = "circuit_open"

    @property
    def terminal(self) -> bool:
        """True if no transition leaves it."""
        return self in (RecoveryState.SUCCEEDED, RecoveryState.FAILED)

    @property
    def attempting(self) -> bool:
        """True if an attempt runs in it."""
        return self in ATTEMPTING


class RecoveryStep(StrEnum):
    """The steps that change the state of a task."""

    START = "start"
    SUCCEED = "succeed"
    AWAIT_RETRY = "await_retry"
    RETRY = "retry"
    AWAIT_FALLBACK = "await_fallback"
    FALL_BACK = "fall_back"
    OPEN_CIRCUIT = "open_circuit"
    DEFER = "defer"
    GIVE_UP = "give_up"


_S, _E = RecoveryState, RecoveryStep

ATTEMPTING: Final = frozenset({_S.EXECUTING, _S.RETRYING, _S.FALLBACK_EXECUTING})

RECOVERY_TRANSITIONS: Final[Mapping[tuple[RecoveryState, RecoveryStep], RecoveryState]] = {
    (_S.INITIAL, _E.START): _S.EXECUTING,
    (_S.INITIAL, _E.OPEN_CIRCUIT): _S.CIRCUIT_OPEN,
    (_S.INITIAL, _E.GIVE_UP): _S.FAILED,
    (_S.EXECUTING, _E.SUCCEED): _S.SUCCEEDED,
    (_S.EXECUTING, _E.AWAIT_RETRY): _S.RETRY_PENDING,
    (_S.EXECUTING, _E.AWAIT_FALLBACK): _S.FALLBACK_PENDING,
    (_S.EXECUTING, _E.DEFER): _S.INITIAL,
    (_S.EXECUTING, _E.GIVE_UP): _S.FAILED,
    (_S.RETRY_PENDING, _E.RETRY): _S.RETRYING,
    # Its provider was stopped while it waited: an agent that cannot answer is not retried.
    (_S.RETRY_PENDING, _E.AWAIT_FALLBACK): _S.FALLBACK_PENDING,
    (_S.RETRY_PENDING, _E.GIVE_UP): _S.FAILED,
    (_S.RETRYING, _E.SUCCEED): _S.SUCCEEDED,
    (_S.RETRYING, _E.AWAIT_RETRY): _S.RETRY_PENDING,
    (_S.RETRYING, _E.AWAIT_FALLBACK): _S.FALLBACK_PENDING,
    (_S.RETRYING, _E.DEFER): _S.RETRY_PENDING,
    (_S.RETRYING, _E.GIVE_UP): _S.FAILED,
    (_S.FALLBACK_PENDING, _E.FALL_BACK): _S.FALLBACK_EXECUTING,
    # The agent it waits for has become unusable; the next of the chain takes its place.
    (_S.FALLBACK_PENDING, _E.AWAIT_FALLBACK): _S.FALLBACK_PENDING,
    (_S.FALLBACK_PENDING, _E.GIVE_UP): _S.FAILED,
    (_S.FALLBACK_EXECUTING, _E.SUCCEED): _S.SUCCEEDED,
    (_S.FALLBACK_EXECUTING, _E.AWAIT_FALLBACK): _S.FALLBACK_PENDING,
    (_S.FALLBACK_EXECUTING, _E.DEFER): _S.FALLBACK_PENDING,
    (_S.FALLBACK_EXECUTING, _E.GIVE_UP): _S.FAILED,
    (_S.CIRCUIT_OPEN, _E.FALL_BACK): _S.FALLBACK_EXECUTING,
    (_S.CIRCUIT_OPEN, _E.AWAIT_FALLBACK): _S.FALLBACK_PENDING,
    (_S.CIRCUIT_OPEN, _E.GIVE_UP): _S.FAILED,
}


def advance(state: RecoveryState, step: RecoveryStep) -> RecoveryState:
    """Returns the state after a step.

    Raises:
        IllegalTransitionError: The table has no such change.
    """
    target = RECOVERY_TRANSITIONS.get((state, step))
    if target is None:
        raise IllegalTransitionError(state, step)
    return target
