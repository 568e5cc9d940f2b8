"""What a run is told about recovery."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003 -- read by whoever inspects the fields
from types import MappingProxyType

from aurora_spawner.providers.gate_store import default_state_dir
from aurora_spawner.recovery.policy import RecoveryPolicy
from aurora_spawner.recovery.states import RecoveryState

StateWatcher = Callable[[str, str, RecoveryState, RecoveryState], None]
"""Given task, agent, the state before and the state after."""
BatchQuestion = Callable[[str], bool | Awaitable[bool | None] | None]
"""Given why the rest of a run is held: true to go on, false to skip it, None to leave it paused. What is awaitable is
awaited while attempts go on, and cancelled when the run ends or goes on before there is an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverySettings:
    """How a run recovers.

    A plain policy stands for settings with that policy and the other fields as they are here.
    """

    policy: RecoveryPolicy = field(default_factory=RecoveryPolicy)
    fallbacks: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """By agent, who comes next when it fails; a model and the local agent follow as the policy says."""
    state_dir: Path | None = field(default_factory=default_state_dir)
    """Where provider limits are remembered for all runs of the user; None for this run alone."""
    adhoc: frozenset[str] = frozenset()
    """Agents made up for this run."""
    on_state_change: StateWatcher | None = None
    on_batch_held: BatchQuestion | None = None
    clock: Callable[[], float] = time.time
    """Unix time."""
    chance: Callable[[], float] = random.random
    """From 0 to 1, for jitter."""


def settings_of(recovery: RecoverySettings | RecoveryPolicy | None) -> RecoverySettings | None:
    """Settings from what a caller gave."""
    return RecoverySettings(policy=recovery) if isinstance(recovery, RecoveryPolicy) else recovery
