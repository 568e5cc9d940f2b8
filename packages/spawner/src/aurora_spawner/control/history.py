"""The durations of earlier tasks, by agent."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from aurora_spawner.control.audit import existing_journal
from aurora_spawner.journal.recovery_views import load_durations

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_NEWEST: Final = 1_000
"""Tasks of a journal that are looked at."""


def durations_of_agents(journal: Path) -> Mapping[str, tuple[float, ...]]:
    """Returns the seconds that the newest successful tasks of each agent took; empty without a journal.

    Raises:
        JournalError: The journal cannot be read, or one that the state folder knows is gone.
    """
    found: dict[str, list[float]] = defaultdict(list)
    with existing_journal(journal) as store:
        if store is None:
            return {}
        for agent, took_s in load_durations(store, newest=_NEWEST):
            found[agent].append(took_s)
    return {agent: tuple(durations) for agent, durations in found.items()}
