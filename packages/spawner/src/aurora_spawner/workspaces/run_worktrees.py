"""The worktrees of a run's tasks: each stands on the work of the tasks before it, and ends as a commit."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from aurora_spawner.tasks.resolved import ResolvedFile
from aurora_spawner.tasks.work import TaskWork
from aurora_spawner.workspaces.attic import put_away
from aurora_spawner.workspaces.checkouts import PROBE, relink
from aurora_spawner.workspaces.conflicts.merger import ConflictMerger
from aurora_spawner.workspaces.conflicts.regenerating import Regenerator
from aurora_spawner.workspaces.conflicts.structural import installed_driver
from aurora_spawner.workspaces.disk_cap import DiskCap
from aurora_spawner.workspaces.errors import CommandStoppedError, ForeignWorktreeError, WorkspaceError
from aurora_spawner.workspaces.merging import commit_merge, is_ancestor
from aurora_spawner.workspaces.names import CHECK, INTEGRATION, base_ref_of, branch_of, held_refs_of, slug
from aurora_spawner.workspaces.ours import release_held
from aurora_spawner.workspaces.results import commit_work
from aurora_spawner.workspaces.setting_up import Preparer
from aurora_spawner.workspaces.supported import first_of
from aurora_spawner.workspaces.unsaved import unsaved
from aurora_spawner.workspaces.worktrees import Workspaces, Worktree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from aurora_spawner.tasks.task import SpawnTask
    from aurora_spawner.workspaces.checks import CommandRunner
    from aurora_spawner.workspaces.git import Git
    from aurora_spawner.workspaces.isolation import Isolation
    from aurora_spawner.workspaces.preparation import Preparation
    from aurora_spawner.workspaces.results import WorkResult
    from aurora_spawner.workspaces.setting_up import Prepared

NO_WORK: Final[Mapping[str, TaskWork]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStart:
    """A worktree that a task can start or continue in."""

    worktree: Worktree
    aside: Path | None = None
    """If the task starts over: what `RunWorktrees.start_over` returns."""
    resolved: tuple[ResolvedFile, ...] = ()
    """Files of the work before it that git alone could not merge, and what merged them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWorktrees:
    """Makes the worktrees of one run and commits what its agents leave in them. Threads may share it."""

    isolation: Isolation
    workspaces: Workspaces
    preparer: Preparer | None = None
    """None if worktrees have nothing but their base commit."""
    disk: DiskCap | None = None

    @classmethod
    def of(cls, isolation: Isolation, run_id: str, preparation: Preparation | None = None) -> RunWorktrees:
        """Opens the worktrees of a run; nothing is written.

        Args:
            preparation: What each has besides its base commit.

        Raises:
            WorkspaceError: The repository is gone, or is now one that worktrees cannot be made of.
        """
        workspaces = Workspaces(isolation.repository, home=isolation.home, run_id=run_id, branches=isolation.branches)
        if preparation is None:
            return cls(isolation=isolation, workspaces=workspaces)
        preparer = Preparer(workspaces.git, isolation.folder, isolation.home.resolve(), preparation)
        disk = DiskCap(folder=workspaces.folder.parent, cap=preparation.max_disk_bytes)
        return cls(isolation=isolation, workspaces=workspaces, preparer=preparer, disk=disk)

    def merger(self, runner: CommandRunner | None = None, *, task_id: str | None = None) -> ConflictMerger:
        """Returns what merges the work of this run.

        Args:
            runner: Runs the commands that make generated files again; None for a merger that only looks.
            task_id: The task for which the work of others is merged; None for the merge of the run.
        """
        preparation = self.preparer.preparation if self.preparer else None
        commands = preparation.regenerate if preparation else {}
        regenerator = None
        if preparation is not None and commands and runner is not None:
            regenerator = Regenerator(
                workspaces=self.workspaces,
                commands=commands,
                runner=replace(runner, timeout_s=preparation.setup_timeout_s),
                folder=self.isolation.folder,
                prepare=self.preparing(runner),
                task_id=task_id,
            )
        return ConflictMerger(
            git=self.workspaces.git,
            driver=installed_driver(self.isolation.repository),
            generated=tuple(commands),
            folder=self.isolation.folder,
            regenerator=regenerator,
        )

    def hold(self, commit: str) -> None:
        """Keeps a commit that no branch has until `release`, whatever `git gc` removes."""
        self.workspaces.git.run("update-ref", f"{held_refs_of(self.workspaces.run_id)}{commit}", commit)

    def release(self) -> None:
        """Lets go of the commits that were held, and of the run's folder if no worktree is left in it."""
        release_held(self.workspaces.git, self.workspaces.run_id)
        for probe in self.workspaces.folder.glob(f"{PROBE}*"):  # of a process that was killed
            shutil.rmtree(probe, ignore_errors=True)
        for lock in self.workspaces.folder.glob(f"{CHECK}.*.lock"):  # only this run's coordinator takes them
            lock.unlink(missing_ok=True)
        with suppress(OSError):
            self.workspaces.folder.rmdir()

    def path_of(self, task_id: str) -> Path:
        """Returns where a task's worktree is, or would be."""
        return self.workspaces.folder / slug(task_id)

    def branch_of(self, task_id: str) -> str:
        """Returns the branch of a task's worktree, without `refs/heads/`."""
        return branch_of(self.isolation.branches, self.workspaces.run_id, slug(task_id))

    @property
    def integration(self) -> str:
        """The integration branch of the run, without `refs/heads/`."""
        return branch_of(self.isolation.branches, self.workspaces.run_id, INTEGRATION)

    def cwd_of(self, worktree: Worktree) -> Path:
        """Returns the folder in which the agent works."""
        return worktree.path / self.isolation.folder

    def heads(self) -> dict[str, str]:
        """Returns the commits of the run's branches, by their names without `refs/heads/`."""
        below = f"refs/heads/{self.isolation.branches}{self.workspaces.run_id}/"
        lines = self.workspaces.git.text(
            "for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", below
        ).splitlines()
        return {name: commit for commit, _, name in (line.partition(" ") for line in lines)}

    def prepare(
        self,
        task_id: str,
        before: Mapping[str, TaskWork],
        runner: CommandRunner | None = None,
        *,
        start: str | None = None,
        also: Mapping[str, TaskWork] = NO_WORK,
    ) -> TaskStart:
        """Makes the worktree of a task; one that an earlier attempt has worked in stays, linked again if need be.

        Args:
            before: The work of the tasks that it depends on.
            runner: Runs the commands that make generated files again, if the work before has to be merged.
            start: The commit that the task starts from instead of that work.
            also: The work of tasks that it does not depend on; a new worktree has it, too, if it can be merged.

        Raises:
            WorkspaceError: The work of two of them conflicts, or the worktree cannot be made.
            DiskCapError: Worktrees take as much of the disk as they may.
        """
        if self.disk is not None and not self.path_of(task_id).exists():
            self.disk.check()
        begun, aside = self.workspaces.base_of(task_id), None
        if begun and not self._has_all_of(begun, before):
            begun, aside = "", self.start_over(task_id)
        base, resolved = begun or start or "", tuple[ResolvedFile, ...]()
        self._link_again(self.path_of(task_id))
        if not base:
            base, resolved = self._joined_with(task_id, before, also, runner)
        return TaskStart(worktree=self.workspaces.create(task_id, base), aside=aside, resolved=resolved)

    def _link_again(self, path: Path) -> None:
        """Links a worktree that has lost its `.git`; one that cannot be linked is told when it is used."""
        if path.is_dir() and not os.path.lexists(path / ".git"):
            with suppress(ForeignWorktreeError):
                relink(path, self.workspaces.git)

    def _joined_with(
        self,
        task_id: str,
        before: Mapping[str, TaskWork],
        also: Mapping[str, TaskWork],
        runner: CommandRunner | None,
    ) -> tuple[str, tuple[ResolvedFile, ...]]:
        """Returns what `_joined` does for the work before, and for other work unless that conflicts."""
        if also:
            try:
                return self._joined(task_id, {**before, **also}, runner)
            except CommandStoppedError:
                raise
            except WorkspaceError:  # the merge of the run will tell; the task does not rest on that work
                pass
        return self._joined(task_id, before, runner)

    def set_up(self, worktree: Worktree, runner: CommandRunner, *, token: str) -> tuple[Worktree, Prepared | None]:
        """Prepares a worktree for its agent; see `Preparer.prepare`.

        Returns:
            The worktree with its variables; and what was done, None if there is nothing to do in this run.
        """
        if self.preparer is None:
            return worktree, None
        prepared = self.preparer.prepare(worktree, runner, token=token)
        return self.preparer.with_variables(worktree), prepared

    def preparing(self, runner: CommandRunner) -> Callable[[Git], Mapping[str, str]]:
        """Returns a function that gives a checkout what a worktree has, and returns its variables."""
        preparer, run_id = self.preparer, self.workspaces.run_id
        if preparer is None:
            return lambda _git: {}
        return lambda git: preparer.prepare_checkout(git, run_id, runner)

    def find(self, task_id: str) -> Worktree:
        """Returns the worktree that a task's agent works in, or has worked in.

        Raises:
            ForeignWorktreeError: It is gone.
        """
        found = self.workspaces.find(task_id)
        return found if self.preparer is None else self.preparer.with_variables(found)

    def has_refs(self, task_id: str) -> bool:
        """Returns True if a task has its branch, or the ref that remembers its base."""
        names = (f"refs/heads/{self.branch_of(task_id)}", base_ref_of(self.workspaces.run_id, slug(task_id)))
        return bool(self.workspaces.git.text("for-each-ref", *names))

    def gone(self, task_id: str, base: str) -> Worktree:
        """Returns the worktree of a task without a look at its folder, which may be gone."""
        path, branch = self.path_of(task_id), self.branch_of(task_id)
        return Worktree(path=path, branch=branch, base=base, run_id=self.workspaces.run_id, task_id=task_id)

    def start_over(self, task_id: str) -> Path | None:
        """Puts the work of earlier attempts at a task into the attic: the next one starts from a fresh base.

        What a kill interrupts, a second call completes.

        Returns:
            The folder with files that no commit can hold, because `.gitignore` hides them; None if there are none.

        Raises:
            WorkspaceError: The work cannot be put away; it stays as it is.
        """
        git, branch = self.workspaces.git, self.branch_of(task_id)
        worktree = self._planned(task_id)
        self._link_again(worktree.path)
        if worktree.path.exists():
            worktree = self.find(task_id)
            done = commit_work(worktree, "Work on a task before it was edited\n", trailers=self._trailers(task_id))
            worktree.git.run("update-ref", "--no-deref", "HEAD", done.commit or worktree.base)
        commit = git.commit_of(f"refs/heads/{branch}")
        if commit and commit != worktree.base:
            self.leave_out(commit)
            put_away(git, branch)
        if worktree.path.exists() and unsaved(worktree.git).ignored:
            return self.workspaces.set_aside(worktree, int(time.time()))
        self.workspaces.remove(worktree)
        return None

    def keep_merge(self, worktree: Worktree, commit: str) -> None:
        """Makes a worktree and its branch stand on a merge with the work of its agent in it."""
        git, branch = worktree.git, f"refs/heads/{worktree.branch}"
        if git.commit_of("HEAD") == commit and git.branch() == branch:
            return
        git.run("symbolic-ref", "HEAD", branch)
        git.run("update-ref", branch, commit)
        git.run("reset", "--quiet", "--hard", commit)

    def reject(self, worktree: Worktree, reason: str) -> str:
        """Puts the work of an agent that is not accepted into the attic, with the reason as its last message.

        Returns:
            The ref that has it.

        Raises:
            WorkspaceError: The worktree has files that no commit has; its commits are in the attic nevertheless.
        """
        git, branch = worktree.git, f"refs/heads/{worktree.branch}"
        head = git.text("rev-parse", "--verify", "HEAD^{commit}")
        tree = git.text("rev-parse", "--verify", f"{head}^{{tree}}")
        noted = commit_merge(git, tree, (head,), f"Not accepted: {reason}\n")
        git.run("update-ref", "--no-deref", "HEAD", noted)
        git.run("update-ref", branch, noted)
        entry = put_away(self.workspaces.git, worktree.branch)
        self.workspaces.remove(worktree)
        return entry.ref

    def leave_out(self, commit: str) -> None:
        """Puts an integration branch that has a commit into the attic; the next merge makes it again, without it.

        A merge that was killed before the journal knew of it may have put the commit there.
        """
        git = self.workspaces.git
        integrated = git.commit_of(f"refs/heads/{self.integration}")
        if integrated and is_ancestor(git, commit, integrated):
            put_away(git, self.integration)

    def commit(
        self, worktree: Worktree, task: SpawnTask, *, agent: str, protect: Sequence[str] = ()
    ) -> tuple[TaskWork, tuple[str, ...]]:
        """Commits the work of an agent.

        Args:
            protect: Patterns of the files whose change is to be reported.

        Returns:
            The work, and a sentence for each thing that the user should know of it.

        Raises:
            WorkspaceError: What the agent left cannot be a commit; it stays as it is.
        """
        trailers = {**self._trailers(worktree.task_id), "Aurora-Agent": agent}
        done = commit_work(
            worktree, f"{task.headline}\n", trailers=trailers, scope=self._scope(task), protect=protect
        )
        work = TaskWork(
            branch=worktree.branch,
            base=worktree.base,
            commit=done.commit,
            path=str(worktree.path),
            files=len(done.files),
            insertions=sum(file.insertions or 0 for file in done.files),
            deletions=sum(file.deletions or 0 for file in done.files),
            out_of_scope=done.out_of_scope,
            protected=done.protected,
        )
        return work, tuple(_sentences(worktree.task_id, done))

    def _trailers(self, task_id: str) -> dict[str, str]:
        return {"Aurora-Run": self.workspaces.run_id, "Aurora-Task": task_id}

    def _planned(self, task_id: str) -> Worktree:
        """Returns the worktree of a task, whether it is there or not."""
        return self.gone(task_id, self.workspaces.base_of(task_id))

    def _scope(self, task: SpawnTask) -> Sequence[str]:
        """Returns the patterns of a task's declared files, relative to the repository."""
        folder = self.isolation.folder
        return task.files if folder == "." else [f"{folder}/{each}" for each in task.files]

    def _has_all_of(self, begun: str, before: Mapping[str, TaskWork]) -> bool:
        return all(is_ancestor(self.workspaces.git, work.head, begun) for work in before.values())

    def _joined(
        self, task_id: str, before: Mapping[str, TaskWork], runner: CommandRunner | None
    ) -> tuple[str, tuple[ResolvedFile, ...]]:
        """Returns a commit with the work of all tasks before, and the files in it that git alone could not merge.

        It is a merge commit on no branch if one is needed.
        """
        git, merger = self.workspaces.git, self.merger(runner, task_id=task_id)
        head, joined, resolved = "", list[str](), list[ResolvedFile]()
        for other, work in before.items():
            if not head or is_ancestor(git, head, work.head):
                head = work.head
            elif not is_ancestor(git, work.head, head):
                merge = merger.merge(head, work.head)
                if not merge.is_clean:
                    files = ", ".join(merge.conflicts[:5])
                    problem = f"the work of task {other} conflicts with that of {', '.join(joined)} in {files}"
                    raise WorkspaceError(git.folder, f"{problem}; {merge.problem}" if merge.problem else problem)
                message = f"Merge the work of tasks {', '.join([*joined, other])}\n"
                head = commit_merge(git, merge.tree, (head, work.head), message)
                resolved += merge.resolved
            joined.append(other)
        return head or self.isolation.base, tuple(dict.fromkeys(resolved))


def _sentences(task_id: str, done: WorkResult) -> Iterator[str]:
    if done.left_behind:
        names = first_of(done.left_behind)
        yield f"task {task_id} committed copies of your files ({names}); its work is one commit without them"
    if done.lost:
        refs = ", ".join(entry.ref for entry in done.lost)
        yield f"task {task_id} left commits that are on no branch of its own; they are {refs}"
    if done.stashed:
        first = "; ".join(f"git stash apply {commit[:12]}" for commit in done.stashed)
        yield f"task {task_id} left work in git's stash, which is no part of its commit: {first}"
    for checkout in done.elsewhere:
        yield (
            f"task {task_id} committed on the branch that is checked out in {checkout}, whose files are those of the "
            "commit before; `git status` shows the difference"
        )
    if done.out_of_scope:
        yield f"task {task_id} changed files that it does not declare: {', '.join(done.out_of_scope)}"
    if done.protected:
        yield f"task {task_id} changed files that checks rest on: {', '.join(done.protected)}"
