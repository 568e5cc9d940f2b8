"""The standing of an attempt in the queue of its pool: what the choice of the next one looks at. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

LARGEST_PRIORITY: Final = 2_000_000_000
"""The most that a column of whole numbers holds; larger priorities count as this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The standing of an attempt: attempts of one lane go in the order in which they came."""

    priority: int = 0
    workspace: str = ""
    """The project, of which several runs share what is its share of the pool."""
    agent: str = ""
    provider: str = ""
    """The account whose limits its agent meets."""

    @property
    def rank(self) -> int:
        """The priority as a number of which the smallest goes first."""
        return -max(-LARGEST_PRIORITY, min(LARGEST_PRIORITY, self.priority))

    def lane(self, run_id: str, labels: Collection[str]) -> str:
        """Returns the name of the lane of a run's attempts with this standing and these labels."""
        said = json.dumps([self.workspace, run_id, self.agent, self.provider, sorted(set(labels))])
        return hashlib.sha256(said.encode()).hexdigest()[:16]
