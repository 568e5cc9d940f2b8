"""The worktrees of a run's tasks: each stands on the work of the tasks before it, and ends as a commit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_spawner.errors import ForeignWorktreeError, WorkspaceError
from aurora_spawner.tasks.work import TaskWork
from aurora_spawner.workspaces.merging import commit_merge, is_ancestor, merge_trees
from aurora_spawner.workspaces.results import commit_work
from aurora_spawner.workspaces.worktrees import BASES, BRANCHES, Workspaces, Worktree, slug

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from aurora_spawner.tasks.task import SpawnTask
    from aurora_spawner.workspaces.isolation import Isolation


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWorktrees:
    """Makes the worktrees of one run and commits what its agents leave in them. Threads may share it."""

    isolation: Isolation
    workspaces: Workspaces

    @classmethod
    def of(cls, isolation: Isolation, run_id: str) -> RunWorktrees:
        """Opens the worktrees of a run.

        Raises:
            WorkspaceError: The repository is gone, or is now one that worktrees cannot be made of.
        """
        workspaces = Workspaces(isolation.repository, home=isolation.home, run_id=run_id)
        return cls(isolation=isolation, workspaces=workspaces)

    def path_of(self, task_id: str) -> Path:
        """Returns where a task's worktree is, or would be."""
        return self.workspaces.folder / slug(task_id)

    def branch_of(self, task_id: str) -> str:
        """Returns the branch of a task's worktree, without `refs/heads/`."""
        return f"{BRANCHES}/{self.workspaces.run_id}/{slug(task_id)}"

    def cwd_of(self, worktree: Worktree) -> Path:
        """Returns the folder in which the agent works."""
        return worktree.path / self.isolation.folder

    def prepare(self, task_id: str, before: Mapping[str, TaskWork]) -> Worktree:
        """Makes the worktree of a task; one that an earlier attempt has worked in stays as it is.

        Args:
            before: The work of the tasks that it depends on.

        Raises:
            WorkspaceError: The work of two of them conflicts, or the worktree cannot be made.
        """
        if self.path_of(task_id).exists():
            return self.workspaces.create(task_id, self.isolation.base)
        return self.workspaces.create(task_id, self._joined(before))

    def find(self, task_id: str) -> Worktree:
        """Returns the worktree that a task's agent works in, or has worked in.

        Raises:
            ForeignWorktreeError: It is gone.
        """
        if not self.path_of(task_id).exists():
            raise ForeignWorktreeError(self.path_of(task_id), "is gone; the task's commits are on its branch")
        return self.workspaces.create(task_id, self.isolation.base)

    def has_refs(self, task_id: str) -> bool:
        """Returns True if a task has its branch, or the ref that remembers its base."""
        names = (f"refs/heads/{self.branch_of(task_id)}", f"{BASES}/{self.workspaces.run_id}/{slug(task_id)}")
        return bool(self.workspaces.git.text("for-each-ref", *names))

    def gone(self, task_id: str, base: str) -> Worktree:
        """Returns the worktree of a task whose folder is gone, for the removal of its refs."""
        path, branch = self.path_of(task_id), self.branch_of(task_id)
        return Worktree(path=path, branch=branch, base=base, run_id=self.workspaces.run_id, task_id=task_id)

    def commit(self, worktree: Worktree, task: SpawnTask, *, agent: str) -> TaskWork:
        """Commits the work of an agent, and returns it.

        Raises:
            WorkspaceError: What the agent left cannot be a commit; it stays as it is.
        """
        trailers = {
            "Aurora-Run": self.workspaces.run_id,
            "Aurora-Task": worktree.task_id,
            "Aurora-Agent": agent,
        }
        done = commit_work(worktree, f"{task.headline}\n", trailers=trailers, scope=self._scope(task))
        return TaskWork(
            branch=worktree.branch,
            base=worktree.base,
            commit=done.commit,
            path=str(worktree.path),
            files=len(done.files),
            insertions=sum(file.insertions or 0 for file in done.files),
            deletions=sum(file.deletions or 0 for file in done.files),
            out_of_scope=done.out_of_scope,
        )

    def _scope(self, task: SpawnTask) -> Sequence[str]:
        """Returns the patterns of a task's declared files, relative to the repository."""
        folder = self.isolation.folder
        return task.files if folder == "." else [f"{folder}/{each}" for each in task.files]

    def _joined(self, before: Mapping[str, TaskWork]) -> str:
        """Returns a commit with the work of all tasks before; a merge commit on no branch if one is needed."""
        git = self.workspaces.git
        head, joined = "", list[str]()
        for task_id, work in before.items():
            if not head or is_ancestor(git, head, work.head):
                head = work.head
            elif not is_ancestor(git, work.head, head):
                merge = merge_trees(git, head, work.head)
                if not merge.is_clean:
                    files = ", ".join(merge.conflicts[:5])
                    problem = f"the work of task {task_id} conflicts with that of {', '.join(joined)} in {files}"
                    raise WorkspaceError(git.folder, problem)
                message = f"Merge the work of tasks {', '.join([*joined, task_id])}\n"
                head = commit_merge(git, merge.tree, (head, work.head), message)
            joined.append(task_id)
        return head or self.isolation.base
