"""The merge at the end of a run: every outcome is in the journal before it is reported."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aurora_spawner.journal.facts import RunDelivered, WorkMerged, entry_of
from aurora_spawner.workspaces.isolation import MergeMode
from aurora_spawner.workspaces.run_merge import merge_run

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from aurora_spawner.journal.facts import Entry
    from aurora_spawner.tasks.result import SpawnResult
    from aurora_spawner.workspaces.run_merge import MergeResult
    from aurora_spawner.workspaces.run_worktrees import RunWorktrees


async def merge_results(
    worktrees: RunWorktrees, results: Mapping[str, SpawnResult], *, discarded: Collection[str]
) -> MergeResult:
    """Merges the work of the tasks that succeeded, as the run's options say.

    Args:
        discarded: Tasks whose work the user does not want.
    """
    wanted = {task_id: result.work for task_id, result in results.items() if task_id not in discarded}
    works = {task_id: work for task_id, work in wanted.items() if work is not None}
    agents = {task_id: result.agent for task_id, result in results.items()}
    deliver = worktrees.isolation.merge is MergeMode.AUTO
    return await asyncio.to_thread(merge_run, worktrees, works, deliver=deliver, agents=agents)


def merge_entries(run_id: str, merged: MergeResult) -> list[Entry]:
    """Returns what the journal is told of a merge."""
    entries = [
        entry_of(WorkMerged(merge=each.to_json()), run_id=run_id, task_id=task_id)
        for task_id, each in merged.merge.tasks.items()
    ]
    return [*entries, entry_of(RunDelivered(delivery=merged.merge.delivery.to_json()), run_id=run_id)]
