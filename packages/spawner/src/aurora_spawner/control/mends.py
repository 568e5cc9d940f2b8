"""The change between two commits of a task's work, such as the one that mended what a check had found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_spawner.workspaces.diff_reading import read_diff
from aurora_spawner.workspaces.errors import WorkspaceError
from aurora_spawner.workspaces.git import Git

if TYPE_CHECKING:
    from aurora_spawner.tasks.diff_gate import FileDiff
    from aurora_spawner.workspaces.isolation import Isolation


def changed_between(isolation: Isolation, before: str, after: str) -> tuple[FileDiff, ...]:
    """Returns what differs between two commits of a run's repository; nothing if one of them is gone."""
    try:
        return read_diff(Git.of_checkout(isolation.repository), before, after, folder=isolation.folder)
    except WorkspaceError:
        return ()
