"""ACT-R activation: chunks that were used often and recently, and chunks related to them, rank higher.

The total activation of a chunk (Anderson 2007) = base level + spreading + context boost - decay penalty, where

- base level B = ln Σ t_j^-d, t_j seconds since access j (Anderson and Schooler 1991). Only the last accesses are kept
  one by one; older ones enter by Petrov's (2006) approximation, so that storage stays constant.
- d depends on what the chunk is: documents are forgotten slowly, functions quickly; code that changes often, quicker.
- spreading comes from the files in focus, over imports, calls and changes made together (`index.graph`).
- the context boost is the share of the query's words that the chunk's own name has, times at most 0.5.
- the decay penalty is 0.5·log10(days since the last access), at most 2, none within the first hour.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from aurora_core.chunking import ChunkKind, SymbolType

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "KEPT",
    "PRESETS",
    "AccessHistory",
    "ActivationInputs",
    "ActivationPreset",
    "ActivationSettings",
    "activation_score",
    "base_level",
    "decay_of",
    "decay_penalty",
    "total_activation",
]

DECAY: Final = 0.5
KEPT: Final = 10
# What was used within the last minute is what is being looked at: that it matters is known already. A smaller floor
# let the hits of one query crowd into the next (function search: MRR .55 against .57). It also keeps t positive when
# the clock goes back.
MIN_AGE_S: Final = 60.0
RETRIEVAL_THRESHOLD: Final = 1.0
NOISE: Final = 0.5
MAX_CONTEXT_BOOST: Final = 0.5
MAX_PENALTY: Final = 2.0
PENALTY_GRACE_S: Final = 3600.0
CHURN_DECAY: Final = 0.1
_DAY_S: Final = 86_400.0
# The base level of what was never used: as of one access months ago. What spreads to it can still lift it.
NEVER_USED: Final = -8.0

_DECAY_OF_KIND: Final[Mapping[ChunkKind, float]] = {ChunkKind.KB: 0.05, ChunkKind.DOC: 0.02, ChunkKind.REAS: 0.30}
_DECAY_OF_CODE: Final[Mapping[SymbolType, float]] = {
    SymbolType.CLASS: 0.20,
    SymbolType.FUNCTION: 0.40,
    SymbolType.METHOD: 0.40,
}


class ActivationPreset(StrEnum):
    """A named set of weights for the parts of activation."""

    DEFAULT = "default"
    AGGRESSIVE = "aggressive"  # what was used counts twice as much
    CONSERVATIVE = "conservative"  # half as much
    BLA_FOCUSED = "bla_focused"  # base-level activation, hardly its surroundings
    CONTEXT_FOCUSED = "context_focused"  # the surroundings and the query, less the past


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationSettings:
    """The weights of the parts of activation.

    Attributes:
        weight: score that an activation of 1 adds to a hit; small, so that no good match is pushed far down.
        base: factor of the base level's distance from `NEVER_USED`.
        spreading: factor of the activation that spreads from the files in focus.
        context: factor of the context boost.
        factor: share of spreading activation that is left after each edge.
        hops: largest number of edges that activation spreads over.
    """

    weight: float = 0.1
    base: float = 1.0
    spreading: float = 1.0
    context: float = 1.0
    factor: float = 0.7
    hops: int = 3


PRESETS: Final[Mapping[ActivationPreset, ActivationSettings]] = {
    ActivationPreset.DEFAULT: ActivationSettings(),
    ActivationPreset.AGGRESSIVE: ActivationSettings(weight=0.2),
    ActivationPreset.CONSERVATIVE: ActivationSettings(weight=0.05),
    ActivationPreset.BLA_FOCUSED: ActivationSettings(spreading=0.25, context=0.25, hops=1),
    ActivationPreset.CONTEXT_FOCUSED: ActivationSettings(base=0.9, spreading=2.0, context=2.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessHistory:
    """The accesses of a symbol.

    Attributes:
        total: number of all accesses.
        first_at: time of the first access, Unix seconds.
        recent: times of the last accesses, Unix seconds, oldest first, at most `KEPT`.
    """

    total: int
    first_at: float
    recent: tuple[float, ...]

    def accessed(self, now: float) -> AccessHistory:
        """Returns the history with one more access."""
        return AccessHistory(total=self.total + 1, first_at=self.first_at, recent=(*self.recent, now)[-KEPT:])


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationInputs:
    """The inputs of a chunk's activation.

    Attributes:
        history: None for a chunk that was never used.
        decay: d of the base level, see `decay_of`.
        spreading: activation that reaches the chunk's file from the files in focus, 0 to 1.
        overlap: share of the query's words that are in the chunk's name, 0 to 1.
    """

    history: AccessHistory | None
    decay: float
    spreading: float
    overlap: float


def base_level(history: AccessHistory, now: float, decay: float = DECAY) -> float:
    """Returns the base level B of a history; -inf if there was no access.

    The n - k older accesses are taken as spread evenly between the first access and the oldest one kept (Petrov
    2006): (n - k)·(t_n^(1-d) - t_k^(1-d)) / ((1 - d)·(t_n - t_k)).
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


def decay_of(kind: ChunkKind, symbol_type: SymbolType, commits: int) -> float:
    """Returns the decay d, below 1: by the type of chunk, plus 0.1·log10(commits + 1) for changing code."""
    if kind is not ChunkKind.CODE:
        return _DECAY_OF_KIND[kind]
    return min(_DECAY_OF_CODE.get(symbol_type, DECAY) + CHURN_DECAY * math.log10(commits + 1), 0.95)


def decay_penalty(history: AccessHistory, now: float) -> float:
    """Returns the penalty for time since the last access: -0.5·log10(days), from 0 down to -2."""
    age = now - history.recent[-1]
    if age <= PENALTY_GRACE_S:
        return 0.0
    return max(-MAX_PENALTY, min(0.0, -0.5 * math.log10(age / _DAY_S)))


def total_activation(inputs: ActivationInputs, now: float, settings: ActivationSettings) -> float:
    """Returns the total activation in ACT-R's logarithmic units; -inf if no input raises it."""
    around = settings.spreading * inputs.spreading
    boost = settings.context * MAX_CONTEXT_BOOST * inputs.overlap
    if inputs.history is None:
        # Words alone are the text's to judge.
        return -math.inf if around <= 0 else NEVER_USED + (-NEVER_USED) * min(around, 1.0) + boost
    base = base_level(inputs.history, now, inputs.decay) + decay_penalty(inputs.history, now)
    return NEVER_USED + settings.base * (base - NEVER_USED) + around + boost


def activation_score(total: float) -> float:
    """Returns activation as a share: 0 for a chunk that was never used, near 1 for one in constant use.

    It is ACT-R's probability of retrieval, 1 / (1 + e^((threshold - A) / noise)).
    """
    exponent = min((RETRIEVAL_THRESHOLD - total) / NOISE, 700.0)
    return 0.0 if total == -math.inf else 1 / (1 + math.exp(exponent))
