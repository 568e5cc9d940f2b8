"""The coordinator's side of trees: the start of an attempt goes to the pool's repository, and its work comes back.

The worktree of a task stays on this machine, where its checks, its review and the merge are; it never sees the agent,
only the commits that the agent's worker has pushed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.distributed.documents import TreeDocument
from aurora_spawner.distributed.exchange import (
    REFS,
    ExchangeError,
    ExchangeUnreachableError,
    MissingTreeError,
    PushRefusedError,
    result_ref,
    start_ref,
    until_carried,
)
from aurora_spawner.storage.private_files import make_private_folder
from aurora_spawner.tasks.work import is_branch_of_run
from aurora_spawner.workspaces.attic import ATTIC
from aurora_spawner.workspaces.errors import WorkspaceError
from aurora_spawner.workspaces.git import Git
from aurora_spawner.workspaces.put_away import put_commit
from aurora_spawner.workspaces.task_checks import put_back_later
from aurora_spawner.workspaces.unsaved import unsaved
from aurora_spawner.workspaces.worktrees import Worktree

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder, OrderedTree
    from aurora_spawner.distributed.documents import OrderDocument
    from aurora_spawner.distributed.exchange import TreeExchange

_PLACE: Final = "tree"
"""The file in an attempt's folder that names the worktree of its task, for the next coordinator."""
_HEADS: Final = "refs/heads/"
_TITLE_LENGTH: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolTrees:
    """Carries the trees of attempts to the workers of a pool and back."""

    exchange: TreeExchange

    def send(self, order: AttemptOrder, tree: OrderedTree) -> TreeDocument:
        """Pushes the commit that a task's worktree stands on, once for each run and commit.

        Raises:
            ExchangeError: The pool's repository does not take it.
            WorkspaceError: The worktree is gone.
            OSError: The attempt's folder cannot be written to.
        """
        worktree = _worktree(tree.path, order.run_id, order.task_id)
        start = worktree.git.text("rev-parse", "--verify", "HEAD^{commit}")
        _write_place(order.folder, tree.path)
        self.exchange.push_new(worktree.git, start, start_ref(order.run_id, start))
        title = tree.title.encode(errors="replace").decode()[:_TITLE_LENGTH]
        return TreeDocument(start=start, folder=str(order.cwd.relative_to(tree.path)), title=title)

    def bring(self, folder: Path, document: OrderDocument, *, fence: int, commit: str) -> None:
        """Makes the worktree of a task stand on the work that a worker has delivered.

        A second call completes what a kill has cut off. Changes that are in the worktree, and in no commit, go to the
        attic first.

        Args:
            folder: Of the attempt.
            fence: That of the accepted result; it says which of the refs of the attempt counts.

        Raises:
            MissingTreeError: The ref is not exactly the delivered commit.
            ExchangeError: The pool's repository cannot be reached.
            WorkspaceError: The worktree is gone, or cannot take the commit; the pool's repository still has it.
        """
        worktree = _worktree(_read_place(folder), document.run_id, document.task_id)
        git, ref = worktree.git, result_ref(document.run_id, document.task_id, document.number, fence)
        self.exchange.fetch(git, ref, commit, checked=True)
        if git.commit_of(commit) != commit:
            raise MissingTreeError(f"{ref} of the pool's repository came without its commit {commit[:12]}")
        here = git.text("rev-parse", "--verify", "HEAD^{commit}")
        if here != commit:
            on = git.branch()
            if unsaved(git).changed:
                put_back_later(worktree, here)
            if on:
                git.run("symbolic-ref", "HEAD", on)
            git.run("update-ref", "HEAD", commit)
        git.run("reset", "--quiet", "--hard", commit)

    def fence_off(self, folder: Path, document: OrderDocument, *, fence: int) -> str:
        """Takes the ref of a lost attempt, so that its worker can no longer push there.

        Returns:
            A sentence if its worker was faster: that work is not merged, and is in the attic; else "".

        Raises:
            ExchangeError: The pool's repository cannot be reached. Its ref is not looked at, whoever writes it.
            WorkspaceError: The worktree of its task is gone.
        """
        assert document.tree is not None
        worktree = _worktree(_read_place(folder), document.run_id, document.task_id)
        ref = result_ref(document.run_id, document.task_id, document.number, fence)
        try:
            self.exchange.push_new(worktree.git, document.tree.start, ref)
        except PushRefusedError:
            commit = self.exchange.commit_at(worktree.git, ref)
            self.exchange.fetch(worktree.git, ref, commit, checked=True)
            entry = put_commit(worktree.git, f"{worktree.branch}.lost/{commit}", commit)
            return f"attempt {document.number} at task {document.task_id} is lost; what it had pushed is {entry.ref}"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedWork:
    """The work of an attempt on its tree, as its worker has delivered it."""

    folder: Path
    """That of the attempt."""
    document: OrderDocument
    fence: int
    commit: str

    @property
    def ref(self) -> str:
        """The ref that carries it."""
        return result_ref(self.document.run_id, self.document.task_id, self.document.number, self.fence)


async def bring_work(
    trees: PoolTrees | None,
    end: AttemptEnd,
    work: CarriedWork,
    *,
    pool: str,
    within_s: float,
    stopped: Callable[[], bool],
    tell: Callable[[str], None],
) -> AttemptEnd:
    """Brings the work of an attempt into its task's worktree; returns its end, another one if that fails.

    Args:
        within_s: The time for which a repository that cannot be reached is tried again.
        stopped: True gives that up.
        tell: Receives the first problem.

    Raises:
        ExchangeUnreachableError: It cannot be reached, and `within_s` is 0.
    """
    if trees is None:
        problem = f"pool {pool} has no repository for trees any more"
        return replace(end, reason=EndReason.NOT_CARRIED, stderr=f"{problem}; the work is in its {work.ref}")
    try:
        await until_carried(
            lambda: trees.bring(work.folder, work.document, fence=work.fence, commit=work.commit),
            within_s=within_s,
            stopped=stopped,
            tell=tell,
        )
    except (ExchangeError, WorkspaceError) as error:
        if isinstance(error, ExchangeUnreachableError) and not within_s:
            raise
        problem = f"its work cannot be fetched: {error}; it is in {work.ref}, commit {work.commit}"
        return replace(end, reason=EndReason.NOT_CARRIED, stderr=problem)
    return end


def sweep(exchange: TreeExchange, repository: Path, runs: Collection[str]) -> list[str]:
    """Deletes the refs of runs in a pool's repository whose commits are merged, or in the attic, on this side.

    Args:
        repository: The user's checkout.
        runs: Those that are over.

    Returns:
        The refs that stay, since nothing here holds their commits.

    Raises:
        ExchangeError: The pool's repository cannot be reached.
        WorkspaceError: Git failed.
    """
    git = Git.of_checkout(repository)
    found = {
        ref: commit
        for ref, commit in exchange.refs(git, f"{REFS}*").items()
        if ref.removeprefix(REFS).partition("/")[0] in runs
    }
    safe = {commit for commit in set(found.values()) if _is_safe(git, commit)}
    exchange.delete(git, {ref: commit for ref, commit in found.items() if commit in safe})
    return sorted(ref for ref, commit in found.items() if commit not in safe)


def _is_safe(git: Git, commit: str) -> bool:
    """Returns True if a branch that is no task's has a commit, or the attic."""
    if git.commit_of(commit) != commit:
        return False
    holders = [
        ref
        for ref in git.text("for-each-ref", "--format=%(refname)", _HEADS, f"{ATTIC}/").splitlines()
        if not is_branch_of_run(ref.removeprefix(_HEADS))
    ]
    lines = "".join(f"{line}\n" for line in (commit, *(f"^{ref}" for ref in holders)))
    return not git.run("rev-list", "--max-count=1", "--stdin", stdin=lines.encode()).text


def _worktree(path: Path, run_id: str, task_id: str) -> Worktree:
    """Returns the worktree of a task as it stands, with its commit as its base."""
    git = Worktree(path=path, branch="", base="", run_id=run_id, task_id=task_id).git
    branch = git.branch().removeprefix(_HEADS) or f"aurora/{run_id}/detached"
    return Worktree(path=path, branch=branch, base=git.commit_of("HEAD"), run_id=run_id, task_id=task_id)


def _write_place(folder: Path, path: Path) -> None:
    make_private_folder(folder)
    descriptor = os.open(folder / _PLACE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(os.fsencode(path))


def _read_place(folder: Path) -> Path:
    try:
        return Path(os.fsdecode((folder / _PLACE).read_bytes()))
    except OSError as error:
        raise WorkspaceError(folder, "has no readable file that names the worktree of its attempt") from error
