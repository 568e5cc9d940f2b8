"""The recovery settings of a run."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003 -- read by whoever inspects the fields
from types import MappingProxyType

from aurora_spawner.rate_limits.gate_store import ProviderStore, default_state_dir
from aurora_spawner.recovery.policy import RecoveryPolicy
from aurora_spawner.recovery.states import RecoveryState

StateWatcher = Callable[[str, str, RecoveryState, RecoveryState], None]
"""Receives task, agent, the state before and the state after."""
BatchQuestion = Callable[[str], bool | Awaitable[bool | None] | None]
"""Receives the reason why the rest of a run is held; returns True to continue, False to skip the rest, None to leave
the run paused. An awaitable answer is awaited while attempts continue, and cancelled when the run ends or continues.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverySettings:
    """The recovery of a run.

    A plain policy may be given instead, for settings with that policy and defaults.
    """

    policy: RecoveryPolicy = field(default_factory=RecoveryPolicy)
    fallbacks: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """The fallbacks of each agent, in order; a model and the local agent follow as the policy says."""
    state_dir: Path | None = field(default_factory=default_state_dir)
    """The folder of the provider limits that all runs of the user share; None for limits of this run alone."""
    gates: Callable[[str], ProviderStore] | None = None
    """Opens the provider limits that a run of this name shares with more than the runs of the user; None for those in
    `state_dir`."""
    adhoc: frozenset[str] = frozenset()
    """Agents generated for this run."""
    on_state_change: StateWatcher | None = None
    on_batch_held: BatchQuestion | None = None
    clock: Callable[[], float] = time.time
    """Unix time."""
    chance: Callable[[], float] = random.random
    """From 0 to 1, for jitter."""


def settings_of(recovery: RecoverySettings | RecoveryPolicy | None) -> RecoverySettings | None:
    """Returns the settings of a caller's argument."""
    return RecoverySettings(policy=recovery) if isinstance(recovery, RecoveryPolicy) else recovery
