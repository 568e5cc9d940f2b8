"""What recovery raises; SpawnerError is above them all.

SpawnerError
├── RecoveryPolicyError    a policy that says something impossible: the field, and what it can be
└── ProviderStateError     the record of provider limits cannot be used: the path
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_spawner.errors import SpawnerError

if TYPE_CHECKING:
    from pathlib import Path


class RecoveryPolicyError(SpawnerError):
    """A recovery policy was given a field that it does not have, or a value that the field cannot have."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"recovery policy: {field} {problem}")
        self.field = field
        self.problem = problem


class ProviderStateError(SpawnerError):
    """The file that remembers provider limits cannot be opened, read or written."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}; provider limits are not shared between runs until that is put right")
        self.path = path
