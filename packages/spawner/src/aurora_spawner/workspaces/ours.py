"""Everything of ours in a repository over all runs: worktrees, branches and bases, those of crashed runs included."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aurora_spawner.tasks.work import BRANCHES, is_branch_of_run
from aurora_spawner.workspaces.listing import Listed, list_worktrees
from aurora_spawner.workspaces.names import BASES, INTEGRATION, OUR_LOCK, branch_of, held_refs_of, is_check
from aurora_spawner.workspaces.worktrees import Worktree

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

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


def find_ours(git: Git, *, runs: Mapping[str, str], folders: Collection[Path]) -> list[Ours]:
    """Returns what is ours, by run and name.

    A branch or worktree is ours if a ref of ours remembers its base, or if its run is known: others may call a branch
    `aurora/…`, too.

    Args:
        runs: The beginnings of the branches of the runs that are known, by the run's name.
        folders: Where worktrees of known runs are, or were.

    Raises:
        GitError: Git failed.
    """
    held = f"{INTEGRATION}."  # commits that `RunWorktrees.hold` keeps
    bases = {key: commit for key, commit in _refs(git, BASES).items() if not key[1].startswith(held)}
    heads = _heads(git)
    by_key = {_key_of(branch): branch for branch in heads}

    def branch(key: tuple[str, str]) -> str:
        if key[0] in runs:
            return branch_of(runs[key[0]], *key)
        return by_key.get(key) or branch_of(BRANCHES, *key)  # the journal is gone

    ours = {run_id for run_id, _name in bases} | runs.keys()
    named = bases.keys() | {key for key in by_key if key[0] in ours and branch(key) in heads}
    listed = {(each.path.parent.name, each.path.name): each for each in list_worktrees(git)[1:]}
    listed = {
        key: each
        for key, each in listed.items()
        if key in bases or (key[0] in ours and _is_ours(each, key, branch(key)))
    }
    places = {key: path for path in folders if (key := (path.parent.name, path.name))[0] in runs and path.is_dir()}
    return [
        Ours(
            run_id=key[0],
            name=key[1],
            branch=branch(key),
            base=bases.get(key),
            head=heads.get(branch(key)),
            path=listed[key].path if key in listed else places.get(key),
            listed=listed.get(key),
        )
        for key in sorted(named | listed.keys() | places.keys())
    ]


def _is_ours(listed: Listed, key: tuple[str, str], branch: str) -> bool:
    return listed.branch == branch or is_check(key[1]) or (listed.lock or "").startswith(OUR_LOCK)


def _heads(git: Git) -> dict[str, str]:
    """Returns the commits of the branches that can be those of runs, whatever they begin with."""
    listing = git.text("for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/heads/")
    found = {name: commit for commit, _, name in (line.partition(" ") for line in listing.splitlines())}
    return {name: commit for name, commit in found.items() if is_branch_of_run(name)}


def _key_of(branch: str) -> tuple[str, str]:
    """Returns the run and the name in a branch of ours."""
    _beginning, run_id, name = branch.rsplit("/", 2)
    return run_id, name


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
