"""Everything of ours in a repository over all runs: worktrees, branches and bases, those of crashed runs included."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aurora_spawner.workspaces.listing import Listed, list_worktrees
from aurora_spawner.workspaces.names import BASES, BRANCHES, INTEGRATION, OUR_LOCK, branch_of, held_refs_of, is_check
from aurora_spawner.workspaces.worktrees import Worktree

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from aurora_spawner.workspaces.git import Git


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """The worktree of a task, or what is left of it; or the integration branch of a run."""

    run_id: str
    name: str
    """The task's slug; `integration` for the integration branch."""
    branch: str
    """Without `refs/heads/`."""
    base: str | None
    """The commit that the task started from; None if no ref of ours remembers it."""
    head: str | None
    """The commit of the branch; None if the branch is gone."""
    path: Path | None
    """The folder, which may be gone; None if nothing knows of one."""
    listed: Listed | None
    """None if git lists no such worktree."""

    @property
    def is_integration(self) -> bool:
        """True for the integration branch of a run, which has no worktree."""
        return self.name == INTEGRATION

    @property
    def is_check(self) -> bool:
        """True for the checkout of a check, which holds no work and is left only if the check was killed."""
        return is_check(self.name)

    @property
    def there(self) -> bool:
        """True if its folder is there."""
        return self.path is not None and self.path.is_dir()

    @property
    def commits(self) -> frozenset[str]:
        """The commits that must not be lost: of the branch, and of what is checked out."""
        checked_out = self.listed.head if self.listed else None
        return frozenset(commit for commit in (self.head, checked_out) if commit)

    @property
    def locked_by_others(self) -> bool:
        """True if another program has locked it."""
        lock = self.listed.lock if self.listed else None
        return lock is not None and not lock.startswith(OUR_LOCK)

    def worktree(self, path: Path) -> Worktree:
        """Returns it as a worktree at its folder."""
        return Worktree(path=path, branch=self.branch, base=self.base or "", run_id=self.run_id, task_id=self.name)


def find_ours(git: Git, *, run_ids: Collection[str], folders: Collection[Path]) -> list[Ours]:
    """Returns what is ours, by run and name.

    A branch or worktree is ours if a ref of ours remembers its base, or if its run is known: others may call a branch
    `aurora/…`, too.

    Args:
        run_ids: Runs that are known.
        folders: Where worktrees of known runs are, or were.

    Raises:
        GitError: Git failed.
    """
    held = f"{INTEGRATION}."  # commits that `RunWorktrees.hold` keeps
    bases = {key: commit for key, commit in _refs(git, BASES).items() if not key[1].startswith(held)}
    heads = _refs(git, f"refs/heads/{BRANCHES}")
    runs = {run_id for run_id, _name in bases} | set(run_ids)
    listed = {(each.path.parent.name, each.path.name): each for each in list_worktrees(git)[1:]}
    listed = {key: each for key, each in listed.items() if key in bases or (key[0] in runs and _is_ours(each, key))}
    places = {key: path for path in folders if (key := (path.parent.name, path.name))[0] in run_ids and path.is_dir()}
    keys = bases.keys() | {key for key in heads if key[0] in runs} | listed.keys() | places.keys()
    return [
        Ours(
            run_id=run_id,
            name=name,
            branch=branch_of(run_id, name),
            base=bases.get((run_id, name)),
            head=heads.get((run_id, name)),
            path=listed[run_id, name].path if (run_id, name) in listed else places.get((run_id, name)),
            listed=listed.get((run_id, name)),
        )
        for run_id, name in sorted(keys)
    ]


def _is_ours(listed: Listed, key: tuple[str, str]) -> bool:
    on_our_branch = listed.branch == branch_of(*key)
    return on_our_branch or is_check(key[1]) or (listed.lock or "").startswith(OUR_LOCK)


def _refs(git: Git, below: str) -> dict[tuple[str, str], str]:
    """Returns the commits of the refs `<below>/<run>/<name>`."""
    refs = {}
    for line in git.text("for-each-ref", "--format=%(objectname) %(refname)", f"{below}/").splitlines():
        commit, _, ref = line.partition(" ")
        run_id, _, name = ref.removeprefix(f"{below}/").partition("/")
        if name and "/" not in name:
            refs[run_id, name] = commit
    return refs


def runs_that_hold(git: Git) -> frozenset[str]:
    """Returns the runs with refs that keep commits which no branch has; a run that ends lets them go.

    Raises:
        GitError: Git failed.
    """
    return frozenset(run_id for run_id, name in _refs(git, BASES) if name.startswith(f"{INTEGRATION}."))


def release_held(git: Git, run_id: str) -> None:
    """Removes the refs that keep commits of a run which no branch has.

    Raises:
        GitError: Git failed.
    """
    refs = git.run("for-each-ref", "--format=delete %(refname)", f"{held_refs_of(run_id)}*").data
    if refs:
        git.run("update-ref", "--stdin", stdin=refs)


def disk_use(folder: Path) -> int:
    """Returns the bytes that a folder takes on the disk; links are not followed, the folder itself included."""
    if folder.is_symlink():
        return sum(_sizes(iter((folder,))))
    return sum(_blocks(Path(place), names) for place, _folders, names in os.walk(folder))


def _blocks(place: Path, names: Collection[str]) -> int:
    return sum(_sizes(place / name for name in (".", *names)))


def _sizes(paths: Iterator[Path]) -> Iterator[int]:
    for path in paths:
        try:
            yield path.lstat().st_blocks * 512
        except OSError:
            continue  # it was removed meanwhile
