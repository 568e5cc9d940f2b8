"""A git worktree for each task: made from a base, locked while it holds work, removed when it holds none."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from aurora_spawner.errors import ForeignWorktreeError, GitError, WorkspaceError
from aurora_spawner.storage.private_files import make_private_folder
from aurora_spawner.storage.system_words import system_words
from aurora_spawner.workspaces.attic import AtticEntry, put_away_lost
from aurora_spawner.workspaces.checkouts import exact_settings, linked_git_dir, reveal
from aurora_spawner.workspaces.filling import clear
from aurora_spawner.workspaces.git import Git
from aurora_spawner.workspaces.listing import INITIALIZING, Listed, list_worktrees
from aurora_spawner.workspaces.manifest import excluding, read_manifest, sort_out
from aurora_spawner.workspaces.names import BASES, CHECK, OUR_LOCK, base_ref_of, branch_of, folder_of, slug
from aurora_spawner.workspaces.ports import free_ports
from aurora_spawner.workspaces.supported import check_supported, first_of
from aurora_spawner.workspaces.turns import turn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Worktree:
    """A checkout of one task."""

    path: Path
    branch: str
    """Without `refs/heads/`."""
    base: str
    """The commit that the task started from."""
    run_id: str
    task_id: str
    variables: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Of its agent and its checks, beside those that all agents get; none unless it was prepared."""

    @property
    def git(self) -> Git:
        """Git in this worktree, and in no repository around it.

        Raises:
            ForeignWorktreeError: The worktree is gone, or its `.git` file is not the one that git wrote.
        """
        git_dir = linked_git_dir(self.path)
        return Git(self.path, git_dir=git_dir, settings=(*exact_settings(self.path.parent), *excluding(git_dir)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsaved:
    """Work in a worktree that no commit holds; file names are relative to the worktree."""

    changed: tuple[str, ...] = ()
    """Tracked files with changes, and untracked ones."""
    ignored: tuple[str, ...] = ()
    """Files that `.gitignore` hides, folders as one entry."""

    def __bool__(self) -> bool:
        return bool(self.changed or self.ignored)


class Workspaces:
    """Worktrees for the tasks of one run; several processes may make worktrees of one repository at the same time.

    Args:
        repository: a folder inside the user's checkout.
        home: the folder for worktrees, outside the project; every repository gets a folder of its own there.
        run_id: a name that can stand in a branch.

    Raises:
        WorkspaceError: The folder is in no git repository, `home` lies inside the project, or the repository needs
            what worktrees do not have (submodules, Git LFS that is not installed, a sparse checkout).
    """

    def __init__(self, repository: Path, *, home: Path, run_id: str) -> None:
        self.git = _checkout(repository)
        self.run_id = _checked_name(self.git, run_id)
        check_supported(self.git)
        self._common = Path(self.git.text("rev-parse", "--path-format=absolute", "--git-common-dir")).resolve()
        self._home = home.resolve() / folder_of(self._common)
        others = [path for path in self._registered() if not path.is_relative_to(self._home)]
        for project in (self.git.folder, self._common, *others):
            if self._home.is_relative_to(project):
                raise WorkspaceError(home, f"lies inside the project {project}; choose a folder outside")

    @property
    def folder(self) -> Path:
        """The folder that holds this run's worktrees."""
        return self._home / self.run_id

    def create(self, task_id: str, base: str) -> Worktree:
        """Makes the worktree of a task, or finds the one that is there already.

        A worktree that a crash left half made is made again; no agent has worked in it yet.

        Args:
            base: A commit.

        Raises:
            WorkspaceError: Its path or branch is taken by something else, or there is no such commit.
            ForeignWorktreeError: Its folder is no worktree of this run any more.
            GitError: Git failed, a hook of the user's included.
        """
        worktree = self._planned(task_id, base)
        _make_folder(worktree.path.parent)
        with self._alone() as held:
            known = self._registered().get(worktree.path)
            if known is not None and known.lock == INITIALIZING:
                self._drop_half_made(worktree)
                known = None
            if known is not None:
                worktree = self._found(worktree, known)
            else:
                if os.path.lexists(worktree.path):
                    self._drop_empty(worktree)
                self._add(worktree, held)
            if known is None or known.lock is None:
                reason = f"{OUR_LOCK}work of task {worktree.task_id} in run {worktree.run_id}"
                self.git.run("worktree", "lock", "--reason", reason, str(worktree.path))
        return worktree

    def find(self, task_id: str) -> Worktree:
        """Returns the worktree that was made for a task, with the base that it was made from.

        Raises:
            ForeignWorktreeError: It is gone, or is no worktree of this run any more.
        """
        worktree = self._worktree(slug(task_id), task_id, "")
        known = self._registered().get(worktree.path)
        if known is None or not worktree.path.exists():
            raise ForeignWorktreeError(worktree.path, "is gone; the task's commits are on its branch")
        return self._found(worktree, known)

    def base_of(self, task_id: str) -> str:
        """Returns the commit that a task's worktree was to be made from; empty if none was begun."""
        return self.git.commit_of(base_ref_of(self.run_id, slug(task_id)))

    def unsaved(self, worktree: Worktree) -> Unsaved:
        """Returns what would be lost if the folder were deleted; what it was given is not, unless it was changed."""
        reveal(worktree.git)
        question = (
            "status",
            "--porcelain=v1",
            "-z",
            "--no-renames",
            "--untracked-files=normal",
            "--ignored=traditional",
        )
        listing = worktree.git.run(*question).fields
        ignored = tuple(entry[3:] for entry in listing if entry.startswith("!!"))
        changed = tuple(entry[3:] for entry in listing if not entry.startswith("!!"))
        manifest = read_manifest(linked_git_dir(worktree.path))
        if manifest is not None:
            changed, ignored = sort_out(worktree.path, manifest, changed=changed, ignored=ignored)
        return Unsaved(changed=changed, ignored=ignored)

    def remove(self, worktree: Worktree, *, ignored_too: bool = False) -> tuple[AtticEntry, ...]:
        """Removes a worktree whose commits are on other refs than its branch; the branch goes, too.

        Args:
            ignored_too: Remove files that `.gitignore` hides, such as build output.

        Returns:
            The commits that its agent had made and lost; they are in the attic.

        Raises:
            ForeignWorktreeError: It is no worktree of this run, or another program has locked it.
            WorkspaceError: It holds work that nothing else holds; the message says which.
        """
        listed = self._registered()
        known = self._known(worktree, listed)
        if worktree.path.exists():
            unsaved = self.unsaved(worktree)
            unheld = (*unsaved.changed, *(() if ignored_too else unsaved.ignored))
            if unheld:
                raise WorkspaceError(worktree.path, f"holds files that no commit has: {first_of(unheld)}")
        branch = f"refs/heads/{worktree.branch}"
        for path, other in listed.items():
            if other.branch == worktree.branch and path.name != worktree.path.name:
                raise WorkspaceError(worktree.path, f"its branch {worktree.branch} is checked out in {path}")
        commits = {self.git.commit_of(branch)}
        inside = None if known is None else self._inside(worktree)
        if inside is not None:
            commits.add(inside.commit_of("HEAD"))
        for commit in commits:
            self._check_reachable_elsewhere(worktree, commit)
        lost: tuple[AtticEntry, ...] = ()
        if inside is not None:
            kept = (worktree.base,) if worktree.base else ()
            lost = put_away_lost(inside, worktree.branch, kept=kept)
        with self._alone():
            self._take_back(worktree)
            self._unregister(worktree, self._known(worktree, self._registered()))
            refs = (branch, base_ref_of(self.run_id, worktree.path.name))
            self.git.run("update-ref", "--stdin", stdin="".join(f"delete {ref}\n" for ref in refs).encode())
        free_ports(self._home.parent, worktree.path)
        return lost

    def set_aside(self, worktree: Worktree, since: int) -> Path:
        """Moves a worktree without a branch away, so that its task can have a new one; returns its new folder.

        Args:
            since: Unix time, which names the folder.

        Raises:
            ForeignWorktreeError: It is no worktree of this run, or another program has locked it.
        """
        aside = worktree.path.with_name(f"{worktree.path.name}.{since}")
        with self._alone():
            known = self._known(worktree, self._registered())
            if known is not None and known.lock is not None:
                self.git.run("worktree", "unlock", str(worktree.path))
            self.git.run("worktree", "move", str(worktree.path), str(aside))
            reason = f"{OUR_LOCK}files of an earlier attempt at task {worktree.task_id} that no commit has"
            self.git.run("worktree", "lock", "--reason", reason, str(aside))
            self.git.run("update-ref", "-d", base_ref_of(self.run_id, worktree.path.name))
        return aside

    @contextmanager
    def checked_out(self, commit: str, *, task_id: str | None = None) -> Iterator[Git]:
        """Checks out a commit on no branch, in a folder that is deleted afterwards with all that is in it.

        One at a time for each task, and one for the run: what a killed process has left there is deleted first.

        Args:
            task_id: The task that it is for; None for the run.

        Raises:
            WorkspaceLockedError: Another process of the run has one for longer than `TURN_WAIT_S`.
            GitError: Git failed.
        """
        place = self.folder / (CHECK if task_id is None else f"{CHECK}.{slug(task_id)}")
        _make_folder(self.folder)
        settings = exact_settings(self.folder)
        with turn(place.with_name(f"{place.name}.lock")) as held:
            self._delete(place)
            try:
                with self._alone():
                    git = Git(self.git.folder, git_dir=self.git.git_dir, settings=settings)
                    git.run("worktree", "add", "--quiet", "--detach", str(place), commit, held=held)
                yield Git(place, git_dir=linked_git_dir(place), settings=settings)
            finally:
                self._delete(place)

    def existing(self) -> list[Worktree]:
        """Returns the worktrees of this run, those of an earlier process included; a task id is given as its slug.

        One that a crash left half made is none.
        """
        listing = self.git.text("for-each-ref", "--format=%(objectname) %(refname)", f"{BASES}/{self.run_id}/")
        bases = {
            name.rpartition("/")[2]: commit
            for commit, _, name in (line.partition(" ") for line in listing.splitlines())
        }
        return [
            self._worktree(path.name, path.name, bases[path.name])
            for path, known in sorted(self._registered().items(), key=lambda each: each[0])
            if path.parent == self.folder and path.name in bases and known.lock != INITIALIZING
        ]

    def _planned(self, task_id: str, base: str) -> Worktree:
        commit = self.git.commit_of(base)
        if not commit:
            raise WorkspaceError(self.git.folder, f"there is no commit {base}; make one, or use --isolation none")
        return self._worktree(slug(task_id), task_id, commit)

    def _worktree(self, name: str, task_id: str, base: str) -> Worktree:
        branch = branch_of(self.run_id, name)
        return Worktree(path=self.folder / name, branch=branch, base=base, run_id=self.run_id, task_id=task_id)

    def _add(self, worktree: Worktree, held: int) -> None:
        branch = f"refs/heads/{worktree.branch}"
        there = self.git.commit_of(branch)
        if there and there != worktree.base:
            raise WorkspaceError(worktree.path, f"its branch {worktree.branch} exists already, at {there[:12]}")
        self.git.run("update-ref", base_ref_of(self.run_id, worktree.path.name), worktree.base)
        new = ("-b", worktree.branch, str(worktree.path), worktree.base)
        # While it works, git locks the worktree as "initializing"; our lock would hide that from the next process.
        which = (str(worktree.path), worktree.branch) if there else new
        git = Git(self.git.folder, git_dir=self.git.git_dir, settings=exact_settings(self.folder))
        git.run("worktree", "add", "--quiet", *which, held=held)

    def _found(self, worktree: Worktree, known: Listed) -> Worktree:
        """Returns the worktree with the base that it was made from, whatever its agent has checked out."""
        base = self.git.commit_of(base_ref_of(self.run_id, worktree.path.name))
        if not base:
            problem = f"is a worktree of {known.branch or 'no branch'} that this run did not make; remove it first"
            raise ForeignWorktreeError(worktree.path, problem)
        if not worktree.path.is_dir():
            raise WorkspaceError(
                worktree.path, "was removed while git still lists it; `git worktree prune` forgets it"
            )
        linked_git_dir(worktree.path)
        return replace(worktree, base=base)

    def _known(self, worktree: Worktree, listed: Mapping[Path, Listed]) -> Listed | None:
        """Returns what git lists for a worktree; None if git does not list it.

        Raises:
            ForeignWorktreeError: It is no worktree of this run, or another program has locked it.
        """
        place = worktree.path.parent.resolve() / worktree.path.name
        name = worktree.path.name
        if (
            place != self.folder / name
            or worktree.path.is_symlink()
            or worktree.branch != self._worktree(name, name, "").branch
        ):
            raise ForeignWorktreeError(worktree.path, f"is no worktree of run {self.run_id}, and stays")
        known = listed.get(place)
        if known is not None and known.lock is not None and not known.lock.startswith(OUR_LOCK):
            problem = f"was locked by another program ({known.lock or 'without a reason'}), and stays"
            raise ForeignWorktreeError(worktree.path, problem)
        return known

    def _delete(self, place: Path) -> None:
        """Deletes a checkout of ours that holds no work, whatever became of it."""
        with self._alone():
            if place.is_symlink():
                place.unlink()
            for folder, _, _ in os.walk(place):
                with suppress(OSError):  # of another user, as a container leaves them
                    Path(folder).chmod(0o700)  # what is in a read-only folder cannot be deleted
            shutil.rmtree(place, ignore_errors=True)
            if place in self._registered():
                self.git.run("worktree", "remove", "--force", "--force", str(place))
        if place.exists():
            raise WorkspaceError(place, "could not be deleted; end what still writes there, then delete it")

    def _drop_half_made(self, worktree: Worktree) -> None:
        self.git.run("worktree", "remove", "--force", "--force", str(worktree.path))
        if worktree.path.exists():
            _delete_folder(worktree.path)

    def _drop_empty(self, worktree: Worktree) -> None:
        """Removes a folder that git had made before it listed the worktree: it holds a `.git` file at most."""
        is_folder = worktree.path.is_dir() and not worktree.path.is_symlink()
        content = [path.name for path in worktree.path.iterdir()] if is_folder else None
        if content not in ([], [".git"]) or (worktree.path / ".git").is_dir():
            raise WorkspaceError(worktree.path, "exists and is no worktree of this repository; move it away")
        _delete_folder(worktree.path)

    def _unregister(self, worktree: Worktree, known: Listed | None) -> None:
        """Removes a worktree from git's list, and its folder; no other one, as `git worktree prune` would."""
        if known is None:
            return
        if known.lock is not None:
            self.git.run("worktree", "unlock", str(worktree.path))
        self.git.run("worktree", "remove", str(worktree.path))  # without --force, git looks once more for work in it

    def _take_back(self, worktree: Worktree) -> None:
        """Removes what a worktree was given, which git would take for work; the user's own files stay."""
        manifest = read_manifest(linked_git_dir(worktree.path)) if worktree.path.exists() else None
        names = (*manifest.given, *manifest.made) if manifest is not None else ()
        if names:
            paths = b"".join(os.fsencode(name) + b"\0" for name in names)
            which = ("--pathspec-from-file=-", "--pathspec-file-nul", "HEAD")
            worktree.git.run("reset", "--quiet", *which, stdin=paths)
            committed = frozenset(worktree.git.run("ls-files", "-z").fields)  # which git itself removes
            clear(worktree.path, [name for name in names if name not in committed])

    def _inside(self, worktree: Worktree) -> Git:
        """Returns git with the HEAD and the refs of a worktree whose folder may be gone."""
        for link in self._common.glob("worktrees/*/gitdir"):
            named = link.parent / os.fsdecode(link.read_bytes()).rstrip("\n")
            if named.parent.resolve() == worktree.path.resolve():
                return Git(self.git.folder, git_dir=link.parent)
        raise ForeignWorktreeError(worktree.path, "has no part in the repository any more")

    def _check_reachable_elsewhere(self, worktree: Worktree, commit: str) -> None:
        own = f"refs/heads/{worktree.branch}"
        if not commit or commit == worktree.base:  # which may be a merge of the work before it, on no branch
            return
        holders = self.git.text("for-each-ref", "--contains", commit, "--format=%(refname)").splitlines()
        if not any(holder != own and not holder.startswith(f"{BASES}/") for holder in holders):
            raise WorkspaceError(worktree.path, f"has commits that no other branch has, up to {commit[:12]}")

    def _registered(self) -> dict[Path, Listed]:
        return {each.path: each for each in list_worktrees(self.git)}

    @contextmanager
    def delivering(self) -> Iterator[None]:
        """Lets one run at a time change the user's checkout: half an update looks like uncommitted work.

        Raises:
            WorkspaceLockedError: Others hold the lock longer than `TURN_WAIT_S`.
        """
        _make_folder(self._home)
        with turn(self._home / ".delivery.lock"):
            yield

    @contextmanager
    def _alone(self) -> Iterator[int]:
        """Lets one process at a time change the list of worktrees: git itself fails when two do.

        Yields the descriptor of the lock.

        Raises:
            WorkspaceLockedError: Others hold the lock longer than `TURN_WAIT_S`.
        """
        _make_folder(self._home)
        with turn(self._home / ".lock") as held:
            yield held


def _make_folder(folder: Path) -> None:
    try:
        make_private_folder(folder)
    except OSError as error:
        raise WorkspaceError(folder, f"cannot be made: {error.strerror}") from error


def _delete_folder(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise WorkspaceError(folder, f"cannot be deleted: {system_words(error)}") from error


def _checkout(folder: Path) -> Git:
    try:
        return Git.of_checkout(folder)
    except GitError as error:
        raise WorkspaceError(folder, f"is in no git checkout ({error.reason}); use --isolation none") from error


def _checked_name(git: Git, run_id: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", run_id) or not git.succeeds(
        "check-ref-format", f"refs/heads/{run_id}"
    ):
        raise WorkspaceError(git.folder, f"{run_id!r} cannot be part of a branch's name")
    return run_id
