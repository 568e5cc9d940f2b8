"""The merge at the end of a run: every outcome is in the journal before it is reported."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aurora_spawner.journal.entries import entry_of
from aurora_spawner.journal.work_facts import RunDelivered, WorkMerged
from aurora_spawner.runs.merge_gate import ENDED
from aurora_spawner.runs.merge_runner import merge_runner, unsandboxed_notice
from aurora_spawner.runs.resolving import resolutions_of
from aurora_spawner.runs.worktree_stages import aside_notice
from aurora_spawner.sandbox.commands import confined_for
from aurora_spawner.tasks.candidates import without_work
from aurora_spawner.tasks.work import Delivery
from aurora_spawner.workspaces.checks import CommandCheck
from aurora_spawner.workspaces.errors import WorkspaceError
from aurora_spawner.workspaces.put_away import bring_back, is_put_away, move_to_attic
from aurora_spawner.workspaces.run_merge import deliverable, left_behind, merge_run, remove_merged

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from aurora_spawner.journal.entries import Entry
    from aurora_spawner.journal.writer import FactWriter
    from aurora_spawner.runs.merge_gate import Permit
    from aurora_spawner.runs.resume_state import ResumeState
    from aurora_spawner.sandbox.settings import Confining
    from aurora_spawner.tasks.result import SpawnResult
    from aurora_spawner.tasks.task import SpawnTask
    from aurora_spawner.tasks.work import RunMerge, TaskMerge, TaskWork
    from aurora_spawner.workspaces.checks import CommandRunner
    from aurora_spawner.workspaces.merge_queue import Check
    from aurora_spawner.workspaces.run_worktrees import RunWorktrees


@dataclass(slots=True, kw_only=True)
class Integration:
    """Brings the finished work of a run together, as often as it is asked, and writes down what became of it.

    Attributes:
        checks: shell commands that must pass with the merged work.
        environment: that of the commands of a merge.
        confining: the confinement of each agent; the commands run in the sandbox of those whose work is merged.
        discarded: tasks whose work the user does not want.
        stopped: asked between two steps; True ends the merge, which a second call then completes.
        merges: those so far, by task.
        notices: sentences about the latest merge, for the report of the run.
    """

    run_id: str
    worktrees: RunWorktrees
    writer: FactWriter
    checks: Sequence[str]
    environment: Mapping[str, str]
    confining: Confining | None
    discarded: Collection[str]
    stopped: Callable[[], bool]
    merges: dict[str, TaskMerge]
    notices: list[str] = field(default_factory=list)
    permit: Permit | None = None
    """The answer of the merge gate; None without a gate."""
    waiting: RunMerge | None = None
    """The merge that the gate was asked about; None before."""
    _checked: dict[str, Check] = field(default_factory=dict)
    """The answers of the check so far, by tree."""
    _flaky: bool = False
    """A check has failed once and passed on the same commit."""

    def left_out(self, results: Mapping[str, SpawnResult], tasks: Mapping[str, SpawnTask]) -> frozenset[str]:
        """Returns the tasks whose work is not merged as theirs, or not wanted."""
        return frozenset(self.discarded) | without_work(tasks, results)

    @property
    def undelivered(self) -> RunMerge | None:
        """The merge whose delivery was to be approved when the run ended; None if it was not."""
        if self.waiting is None or self.permit is None:
            return None
        refused = replace(self.waiting.delivery, outcome=Delivery.REFUSED, refusal=self.permit.refusal or ENDED)
        return replace(self.waiting, delivery=refused)

    async def merge(
        self, results: Mapping[str, SpawnResult], tasks: Mapping[str, SpawnTask], *, deliver: bool
    ) -> RunMerge:
        """Merges the work of the tasks that succeeded.

        Args:
            tasks: Those of the run.
            deliver: Bring the merged work to the target branch, and to the user's checkout if that is clean.

        Raises:
            JournalError: The journal could not be written.
        """
        self.notices = await bring_candidates_back(self.worktrees, results)
        works, unsandboxed = _works(results, self.left_out(results, tasks)), set[str]()
        agents = {results[task_id].agent for task_id in works}
        confined = confined_for(self.confining, agents, told=unsandboxed.add)
        runner = merge_runner(self.environment, confined=confined, stopped=self.stopped)
        merge = await asyncio.to_thread(
            merge_run,
            self.worktrees,
            works,
            deliver=deliver,
            agents={task_id: result.agent for task_id, result in results.items()},
            check=checks_of(self.worktrees, self.checks, runner),
            merger=self.worktrees.merger(runner),
            resolutions=resolutions_of(tasks, results),
            known=self.merges,
            checked=self._checked,
            stopped=self.stopped,
            may_deliver=self.permit or deliverable,
        )
        self.notices += [unsandboxed_notice(each) for each in sorted(unsandboxed)]
        self.merges.update(merge.tasks)
        self._flaky = self._flaky or merge.delivery.flaky
        merge = replace(merge, delivery=replace(merge.delivery, flaky=self._flaky))
        await self.writer.write(*merge_entries(self.run_id, merge))
        return merge


def checks_of(worktrees: RunWorktrees, commands: Sequence[str], runner: CommandRunner) -> CommandCheck | None:
    """Returns the check of merged work; None without commands."""
    if not commands:
        return None
    return CommandCheck(
        workspaces=worktrees.workspaces,
        commands=tuple(commands),
        runner=runner,
        folder=worktrees.isolation.folder,
        prepare=worktrees.preparing(runner),
    )


async def remove_worktrees(
    worktrees: RunWorktrees,
    results: Mapping[str, SpawnResult],
    merge: RunMerge | None,
    *,
    discarded: Collection[str],
) -> tuple[str, ...]:
    """Removes the worktrees that are needed no longer; returns a sentence for each that stays."""
    works = _works(results, discarded)
    merged = () if merge is None else await asyncio.to_thread(remove_merged, worktrees, works, merge)
    try:
        left = await asyncio.to_thread(left_behind, worktrees, results)
        await asyncio.to_thread(worktrees.release)
    except WorkspaceError as error:  # nothing is lost, and the run has its last word
        left = (f"what tasks have left in their worktrees could not be looked at: {error}",)
    return (*merged, *left)


async def bring_candidates_back(worktrees: RunWorktrees, results: Mapping[str, SpawnResult]) -> list[str]:
    """Gives candidates that were taken their branches again, if they had lost an earlier choice.

    Returns:
        A sentence for each that has none now; the attic still has its work.
    """
    works = {each.worker: each.work for each in results.values() if each.choice is not None and each.work is not None}
    missing = []
    for task_id, work in works.items():
        try:
            if await asyncio.to_thread(is_put_away, worktrees, task_id, work):
                await asyncio.to_thread(bring_back, worktrees, task_id, work)
        except WorkspaceError as error:
            missing.append(f"candidate {task_id}, which was taken, has no branch: {error}")
    return missing


async def put_candidates_away(worktrees: RunWorktrees, untaken: Sequence[str]) -> list[str]:
    """Puts the work of candidates that were not taken into the attic; returns a sentence for each that stays."""
    kept = []
    for task_id in untaken:
        try:
            await asyncio.to_thread(move_to_attic, worktrees, task_id)
        except WorkspaceError as error:
            kept.append(f"the worktree of candidate {task_id}, which was not taken, stays: {error}")
    return kept


async def start_edited_over(worktrees: RunWorktrees, state: ResumeState) -> list[str]:
    """Puts the work on tasks that were edited since, and what resolved its conflicts, into the attic.

    Returns a sentence for each folder that stays.

    Before the journal knows that they are open again: a resume after a kill then finds them edited once more.

    Raises:
        WorkspaceError: The work on one cannot be put away.
    """
    notices = []
    useless = [task_id for task_id in state.states if state.graph.tasks[task_id].resolves in state.edited]
    for task_id in (*state.edited, *useless):
        aside = await asyncio.to_thread(worktrees.start_over, task_id)
        if aside is not None:
            notices.append(aside_notice(task_id, aside))
    return notices


def _works(results: Mapping[str, SpawnResult], discarded: Collection[str]) -> dict[str, TaskWork]:
    works = {task_id: result.work for task_id, result in results.items() if task_id not in discarded}
    return {task_id: work for task_id, work in works.items() if work is not None}


def merge_entries(run_id: str, merge: RunMerge) -> list[Entry]:
    """Returns what the journal is told of a merge."""
    entries = [
        entry_of(WorkMerged(merge=each.to_json()), run_id=run_id, task_id=task_id)
        for task_id, each in merge.tasks.items()
    ]
    return [*entries, entry_of(RunDelivered(delivery=merge.delivery.to_json()), run_id=run_id)]
