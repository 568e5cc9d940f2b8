"""The worker's side of trees: a repository of its own, in which each attempt has a worktree and its work is a commit.

What an attempt leaves stays here as commits until the coordinator has deleted its ref in the pool's repository, which
it does once the work is merged or in its attic. A lost attempt's work goes to the attic of this repository at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_spawner.distributed.exchange import REFS, MissingTreeError, result_ref, start_ref
from aurora_spawner.storage.private_files import make_private_folder
from aurora_spawner.workspaces.attic import sweep_attic
from aurora_spawner.workspaces.errors import UnfinishedWorkError, WorkspaceError
from aurora_spawner.workspaces.git import Git
from aurora_spawner.workspaces.isolation import Isolation, MergeMode
from aurora_spawner.workspaces.names import slug
from aurora_spawner.workspaces.present import present_commit
from aurora_spawner.workspaces.put_away import move_to_attic, put_commit
from aurora_spawner.workspaces.results import commit_work
from aurora_spawner.workspaces.run_worktrees import RunWorktrees
from aurora_spawner.workspaces.turns import turn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from aurora_spawner.distributed.documents import OrderDocument
    from aurora_spawner.distributed.exchange import Exchange
    from aurora_spawner.distributed.worker_preparation import PreparedPlace, WorkerPreparation

PUSHED: Final = "refs/aurora/pushed/"
"""Refs of this repository for what was pushed; the ref in the pool's repository, without its beginning, follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPlace:
    """The folder of an agent, and variables that it needs there."""

    cwd: Path
    variables: Mapping[str, str]
    """An author for commits of its own, where the worker's user has configured none."""
    worktree: Path | None = None
    """The top of its worktree, which it must not leave; None for an attempt without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerTrees:
    """The worktrees of a worker's attempts, in a folder of its own."""

    folder: Path
    exchange: Exchange
    preparation: WorkerPreparation | None = None
    """Prepares each worktree for its agent; None gives it its commit and nothing else."""

    def begin(self, document: OrderDocument) -> AgentPlace:
        """Fetches what an attempt starts from and makes its worktree; returns where its agent works.

        Raises:
            ExchangeError: The pool's repository cannot be reached, or does not have the commit.
            WorkspaceError: The worktree cannot be made, as on a full disk.
        """
        assert document.tree is not None
        start, store = document.tree.start, self._store()
        self.exchange.fetch(store, start_ref(document.run_id, start), start)
        worktree = self._worktrees(document.run_id, start).workspaces.create(_name_of(document), start)
        cwd = worktree.path / document.tree.folder
        if not cwd.resolve().is_relative_to(worktree.path.resolve()) or not cwd.is_dir():
            raise MissingTreeError(f"{document.tree.folder} is no folder of commit {start[:12]}")
        return AgentPlace(cwd=cwd, variables=store.identity(), worktree=worktree.path)

    def prepare(
        self, preparation: WorkerPreparation, document: OrderDocument, *, token: str, stopped: Callable[[], bool]
    ) -> PreparedPlace:
        """Prepares the worktree of an attempt for its agent; see `WorkerPreparation.prepare`."""
        assert document.tree is not None
        worktree = self._worktrees(document.run_id, document.tree.start).find(_name_of(document))
        home = (self.folder / "worktrees").resolve()
        return preparation.prepare(worktree, document, home=home, token=token, stopped=stopped)

    def found(self, document: OrderDocument) -> AgentPlace:
        """Returns the place of an agent that an earlier process has begun."""
        assert document.tree is not None
        worktree = self._worktrees(document.run_id, document.tree.start).path_of(_name_of(document))
        return AgentPlace(cwd=worktree / document.tree.folder, variables={}, worktree=worktree)

    def commit(self, document: OrderDocument, *, token: str) -> str:
        """Commits what an attempt has left, finished or not.

        Returns:
            The commit; "" if nothing has changed, or its worktree was never complete.

        Raises:
            WorkspaceError: What is there cannot be a commit, as on a full disk; it stays where it is.
        """
        assert document.tree is not None
        worktrees, name = self._worktrees(document.run_id, document.tree.start), _name_of(document)
        if not _is_complete(worktrees, name):  # its missing files are nobody's work
            return ""
        worktree = worktrees.find(name)
        trailers = {
            "Aurora-Run": document.run_id,
            "Aurora-Task": document.task_id,
            "Aurora-Agent": document.agent,
            "Aurora-Attempt": token,
        }
        try:
            commit = commit_work(worktree, f"{document.tree.title}\n", trailers=trailers).commit or worktree.base
        except UnfinishedWorkError:  # its coordinator judges that; nothing of it is lost here
            commit = present_commit(worktree, f"{document.tree.title}\n")
            worktree.git.run("update-ref", f"refs/heads/{worktree.branch}", commit)
        return "" if commit == document.tree.start else commit

    def push(self, document: OrderDocument, commit: str, *, fence: int) -> None:
        """Pushes the work of an attempt to the ref of its fence, which must not be there yet.

        Raises:
            PushRefusedError: Its coordinator has fenced it off, or the pool's repository does not want it.
            ExchangeUnreachableError: That cannot be reached, or is full.
        """
        ref, store = result_ref(document.run_id, document.task_id, document.number, fence), self._store()
        self.exchange.push_new(store, commit, ref)
        store.run("update-ref", f"{PUSHED}{ref.removeprefix(REFS)}", commit)

    def place_of(self, document: OrderDocument) -> str:
        """Says where the work of an attempt is on this machine."""
        assert document.tree is not None
        worktrees = self._worktrees(document.run_id, document.tree.start)
        name = _name_of(document)
        return f"{worktrees.path_of(name)}, on the branch {worktrees.branch_of(name)}"

    def put_away(self, document: OrderDocument) -> tuple[str, ...]:
        """Puts the work of a lost attempt into the attic of this repository; returns its refs there.

        Raises:
            WorkspaceError: It cannot be put away, or ignored files are there, too; they stay where they are.
        """
        assert document.tree is not None
        worktrees, name = self._worktrees(document.run_id, document.tree.start), _name_of(document)
        if not _is_complete(worktrees, name):
            self.drop(document)
            return ()
        return tuple(entry.ref for entry in move_to_attic(worktrees, name))

    def drop(self, document: OrderDocument) -> None:
        """Removes the worktree of an attempt that has changed nothing.

        Raises:
            WorkspaceError: It holds work, and stays.
        """
        assert document.tree is not None
        worktrees, name = self._worktrees(document.run_id, document.tree.start), _name_of(document)
        base = worktrees.workspaces.base_of(name)
        if not base:
            return
        if not _is_complete(worktrees, name):
            worktrees.workspaces.create(name, base)  # which knows what a crash may have left
        worktrees.workspaces.remove(worktrees.gone(name, base), ignored_too=True)

    def clean(self) -> list[str]:
        """Removes the worktrees of attempts whose work is safe on its coordinator's side; says so of each.

        What was pushed and is no longer in the pool's repository is safe. Its commits stay in the attic for a while.

        Raises:
            ExchangeError: The pool's repository cannot be reached.
            WorkspaceError: Git failed.
        """
        if not (self.folder / "repository").exists():
            return []
        store = self._store()
        lines = store.text("for-each-ref", "--format=%(objectname) %(refname)", PUSHED).splitlines()
        pushed = {ref.removeprefix(PUSHED): commit for commit, _, ref in (line.partition(" ") for line in lines)}
        if not pushed:
            return []
        there = {ref.removeprefix(REFS) for ref in self.exchange.refs(store, f"{REFS}*")}
        done = [self._remove(store, name, commit) for name, commit in pushed.items() if name not in there]
        if done:
            sweep_attic(store)
            Git(store.folder, git_dir=store.git_dir, settings=("gc.auto=6700",)).run("gc", "--auto", "--quiet")
        return done

    def _remove(self, store: Git, pushed: str, commit: str) -> str:
        run_id, task, number, _fence = pushed.split("/")
        worktrees, name = self._worktrees(run_id, commit), f"{task}-{number}"
        put_commit(store, worktrees.branch_of(name), commit)
        base = worktrees.workspaces.base_of(name)
        said = f"the work of attempt {number} at task {task} of {run_id} is safe; its worktree is removed"
        try:
            if base:
                worktrees.workspaces.remove(worktrees.gone(name, base), ignored_too=True)
        except WorkspaceError as error:
            said = f"the worktree of attempt {number} at task {task} of {run_id} stays: {error}"
        store.run("update-ref", "-d", f"{PUSHED}{pushed}")
        return said

    def _store(self) -> Git:
        """Returns git in the worker's repository, which is made if it is new."""
        place = self.folder / "repository"
        try:
            make_private_folder(self.folder)
        except OSError as error:
            raise WorkspaceError(self.folder, f"cannot be made: {error.strerror}") from error
        if not place.exists():
            with turn(self.folder / ".lock"):
                draft = place.with_name("repository.draft")
                Git(self.folder).run("init", "--quiet", "--template=", "--initial-branch=none", str(draft))
                if not place.exists():
                    draft.rename(place)
        return Git(place, git_dir=place / ".git")

    def _worktrees(self, run_id: str, base: str) -> RunWorktrees:
        isolation = Isolation(
            repository=self._store().folder,
            folder=".",
            home=self.folder / "worktrees",
            base=base,
            head=base,
            target=None,
            merge=MergeMode.NEVER,
        )
        return RunWorktrees.of(isolation, run_id)


def _is_complete(worktrees: RunWorktrees, name: str) -> bool:
    """Returns True if a worktree is there, and no crash has left it half made."""
    return any(each.path == worktrees.path_of(name) for each in worktrees.workspaces.existing())


def _name_of(document: OrderDocument) -> str:
    """Returns the name of an attempt's worktree, which is told from the name of its ref."""
    return f"{slug(document.task_id)}-{document.number}"
