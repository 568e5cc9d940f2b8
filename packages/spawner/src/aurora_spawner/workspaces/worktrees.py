"""A git worktree for each task: made from a base, locked while it holds work, removed when it holds none."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from aurora_spawner.storage.private_files import make_private_folder
from aurora_spawner.storage.system_words import system_words
from aurora_spawner.tasks.work import BRANCHES
from aurora_spawner.workspaces.attic import AtticEntry, put_away_lost
from aurora_spawner.workspaces.checkouts import date_index, exact_settings, linked_git_dir
from aurora_spawner.workspaces.entries import INITIALIZING, Entry, entries_of
from aurora_spawner.workspaces.errors import ForeignWorktreeError, GitError, WorkspaceError
from aurora_spawner.workspaces.filling import clear
from aurora_spawner.workspaces.git import Git
from aurora_spawner.workspaces.listing import Listed, list_worktrees
from aurora_spawner.workspaces.manifest import excluding, read_manifest
from aurora_spawner.workspaces.merging import one_line
from aurora_spawner.workspaces.names import (
    BASES,
    CHECK,
    OUR_LOCK,
    base_ref_of,
    branch_of,
    checked_run_id,
    folder_of,
    slug,
)
from aurora_spawner.workspaces.ports import free_ports
from aurora_spawner.workspaces.supported import first_of, supported_checkout
from aurora_spawner.workspaces.turns import turn
from aurora_spawner.workspaces.unsaved import unsaved

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


class Workspaces:
    """Worktrees for the tasks of one run; several processes may make worktrees of one repository at the same time.

    Args:
        repository: a folder inside the user's checkout.
        home: the folder for worktrees, outside the project; every repository gets a folder of its own there.
        run_id: a name that can stand in a branch.
        branches: begins the names of their branches.

    Raises:
        WorkspaceError: The folder is in no git repository, `home` lies inside the project, or the repository needs
            what worktrees do not have (submodules, Git LFS that is not installed, a sparse checkout).
    """

    def __init__(self, repository: Path, *, home: Path, run_id: str, branches: str = BRANCHES) -> None:
        self.git = supported_checkout(repository)
        self.run_id = checked_run_id(self.git, run_id)
        self.branches = branches
        self._common = Path(self.git.text("rev-parse", "--path-format=absolute", "--git-common-dir")).resolve()
        self._bases = set[str]()
        """Commits that are there: most tasks start from the same one."""
        self._hooks = Path(self.git.text("rev-parse", "--path-format=absolute", "--git-path", "hooks"))
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

        A worktree that a crash left half made is made again; no agent has worked in it yet. So is one whose folder
        somebody has removed: from its branch.

        Args:
            base: A commit.

        Raises:
            WorkspaceError: Its path or branch is taken by something else, or there is no such commit.
            ForeignWorktreeError: Its folder is no worktree of this run any more.
            GitError: Git failed, a hook of the user's included.
        """
        worktree = self._planned(task_id, base)
        _make_folder(worktree.path.parent)
        with ExitStack() as making:
            with self._alone() as held:
                known = self._entry(worktree.path)
                if known is not None and known.lock == INITIALIZING:
                    known = self._without_half_made(known)
                if known is not None and not os.path.lexists(worktree.path):
                    known = self._without_folder(worktree, held)
                if known is not None:
                    worktree = self._found(worktree, known)
                else:
                    if os.path.lexists(worktree.path):
                        self._drop_empty(worktree)
                    known = self._add(worktree, held)
                    filling = making.enter_context(known.being_made())
            if known.lock == INITIALIZING:  # others may make theirs meanwhile
                self._fill(worktree, filling)
            if known.lock in (None, INITIALIZING):
                known.relock(f"{OUR_LOCK}work of task {one_line(worktree.task_id)} in run {worktree.run_id}")
        return worktree

    def find(self, task_id: str) -> Worktree:
        """Returns the worktree that was made for a task, with the base that it was made from.

        Raises:
            ForeignWorktreeError: It is gone, or is no worktree of this run any more.
        """
        worktree = self._worktree(slug(task_id), task_id, "")
        known = self._entry(worktree.path)
        if known is None or not worktree.path.exists():
            raise ForeignWorktreeError(worktree.path, "is gone; the task's commits are on its branch")
        return self._found(worktree, known)

    def base_of(self, task_id: str) -> str:
        """Returns the commit that a task's worktree was to be made from; empty if none was begun."""
        return self.git.commit_of(base_ref_of(self.run_id, slug(task_id)))

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
        known = self._known(worktree)
        branch = f"refs/heads/{worktree.branch}"
        self._check_branch_is_free(worktree)
        unheld = self._unheld(worktree, known)
        if unheld:
            _check_saved(worktree, ignored_too=ignored_too)  # the files are the more urgent reason
            raise WorkspaceError(worktree.path, f"has commits that no other branch has, up to {unheld[:12]}")
        lost: tuple[AtticEntry, ...] = ()
        if known is not None:
            kept = (worktree.base,) if worktree.base else ()
            lost = put_away_lost(Git(self.git.folder, git_dir=known.git_dir), worktree.branch, kept=kept)
        self._take_down(worktree, ignored_too=ignored_too)
        refs = (branch, base_ref_of(self.run_id, worktree.path.name))
        self.git.run("update-ref", "--stdin", stdin="".join(f"delete {ref}\n" for ref in refs).encode())
        return lost

    def give_back(self, worktree: Worktree) -> bool:
        """Removes the folder of a worktree with nothing in it but commits of its branch, which stays.

        Returns:
            False if it holds anything else, or its agent has checked out something else; then it stays as it is.

        Raises:
            ForeignWorktreeError: It is no worktree of this run, or another program has locked it.
        """
        known = self._known(worktree)
        if known is None or known.branch != worktree.branch or unsaved(worktree.git):
            return False
        kept = (f"refs/heads/{worktree.branch}",)
        put_away_lost(Git(self.git.folder, git_dir=known.git_dir), worktree.branch, kept=kept)
        self._take_down(worktree, ignored_too=False)
        return True

    def set_aside(self, worktree: Worktree, since: int) -> Path:
        """Moves a worktree without a branch away, so that its task can have a new one; returns its new folder.

        Args:
            since: Unix time, which names the folder.

        Raises:
            ForeignWorktreeError: It is no worktree of this run, or another program has locked it.
        """
        aside = worktree.path.with_name(f"{worktree.path.name}.{since}")
        with self._alone() as held:
            known = self._known(worktree)
            if known is not None and known.lock is not None:
                self.git.run("worktree", "unlock", str(worktree.path), held=held)
            self.git.run("worktree", "move", str(worktree.path), str(aside), held=held)
            reason = f"{OUR_LOCK}files of an earlier attempt at task {worktree.task_id} that no commit has"
            self.git.run("worktree", "lock", "--reason", reason, str(aside), held=held)
            self.git.run("update-ref", "-d", base_ref_of(self.run_id, worktree.path.name), held=held)
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
            for path, known in sorted(entries_of(self._common).items(), key=lambda each: each[0])
            if path.parent == self.folder and path.name in bases and known.lock != INITIALIZING
        ]

    def _planned(self, task_id: str, base: str) -> Worktree:
        commit = base if base in self._bases else self.git.commit_of(base)
        if not commit:
            raise WorkspaceError(self.git.folder, f"there is no commit {base}; make one, or use --isolation none")
        self._bases.add(commit)
        return self._worktree(slug(task_id), task_id, commit)

    def _worktree(self, name: str, task_id: str, base: str) -> Worktree:
        branch = branch_of(self.branches, self.run_id, name)
        return Worktree(path=self.folder / name, branch=branch, base=base, run_id=self.run_id, task_id=task_id)

    def _add(self, worktree: Worktree, held: int) -> Entry:
        """Makes a worktree without files, which is locked as one that is being made."""
        branch = f"refs/heads/{worktree.branch}"
        there = self.git.commit_of(branch)
        if there and there != worktree.base and self.base_of(worktree.task_id) != worktree.base:
            raise WorkspaceError(worktree.path, f"its branch {worktree.branch} exists already, at {there[:12]}")
        refs = (base_ref_of(self.run_id, worktree.path.name), *(() if there else (branch,)))
        lines = "".join(f"update {ref} {worktree.base}\n" for ref in refs)
        self.git.run("update-ref", "--stdin", stdin=lines.encode(), held=held)
        git = Git(self.git.folder, git_dir=self.git.git_dir, settings=exact_settings(self.folder))
        how = ("--quiet", "--no-checkout", "--lock", "--reason", INITIALIZING)
        command = ("worktree", "add", *how, str(worktree.path), worktree.branch)
        try:
            git.run(*command, held=held)
        except GitError:
            list_worktrees(self.git)  # which removes what a git of ours that was killed has left half made
            git.run(*command, held=held)
        known = self._entry(worktree.path)
        if known is None:
            raise WorkspaceError(worktree.path, "was made, and the repository does not know it")
        return known

    def _fill(self, worktree: Worktree, held: int) -> None:
        """Checks out the files of a new worktree, and runs the user's hook for that."""
        git = worktree.git
        git.run("reset", "--quiet", "--hard", held=held)
        date_index(worktree.path)
        if (self._hooks / "post-checkout").exists():
            none = "0" * len(worktree.base)
            git.run("hook", "run", "--ignore-missing", "post-checkout", "--", none, worktree.base, "1", held=held)

    def _found(self, worktree: Worktree, known: Entry) -> Worktree:
        """Returns the worktree with the base that it was made from, whatever its agent has checked out."""
        base = self.git.commit_of(base_ref_of(self.run_id, worktree.path.name))
        if not base:
            problem = f"is a worktree of {known.branch or 'no branch'} that this run did not make; remove it first"
            raise ForeignWorktreeError(worktree.path, problem)
        if not worktree.path.is_dir():
            raise WorkspaceError(worktree.path, "is no folder any more; move away what is there")
        linked_git_dir(worktree.path)
        return replace(worktree, base=base)

    def _known(self, worktree: Worktree) -> Entry | None:
        """Returns what the repository remembers of a worktree; None if it does not know it.

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
        known = self._entry(place)
        lock = None if known is None else known.lock
        if lock is not None and not lock.startswith(OUR_LOCK):
            problem = f"was locked by another program ({lock or 'without a reason'}), and stays"
            raise ForeignWorktreeError(worktree.path, problem)
        return known

    def _delete(self, place: Path) -> None:
        """Deletes a checkout of ours that holds no work, whatever became of it."""
        with self._alone() as held:
            if place.is_symlink():
                place.unlink()
            for folder, _, _ in os.walk(place):
                with suppress(OSError):  # of another user, as a container leaves them
                    Path(folder).chmod(0o700)  # what is in a read-only folder cannot be deleted
            shutil.rmtree(place, ignore_errors=True)
            if place in self._registered():
                self.git.run("worktree", "remove", "--force", "--force", str(place), held=held)
        if place.exists():
            raise WorkspaceError(place, "could not be deleted; end what still writes there, then delete it")

    def _without_half_made(self, known: Entry) -> Entry | None:
        """Removes a worktree that nobody has worked in, unless it is complete by the end of who still makes it."""
        with known.being_made():
            if known.lock != INITIALIZING:
                return known
            _delete_folder(known.git_dir)
        if os.path.lexists(known.path):
            _delete_folder(known.path)
        return None

    def _without_folder(self, worktree: Worktree, held: int) -> Entry | None:
        """Makes the repository forget a worktree whose folder is gone; its branch stays, and the attic gets the rest.

        Returns:
            The worktree as it is if this run did not make it; None once it is forgotten.

        Raises:
            ForeignWorktreeError: Another program has locked it.
        """
        known = self._known(worktree)
        base = self.base_of(worktree.task_id)
        if known is None or not base:
            return known
        kept = (base, self.git.commit_of(f"refs/heads/{worktree.branch}") or base)
        put_away_lost(Git(self.git.folder, git_dir=known.git_dir), worktree.branch, kept=kept)
        self.git.run("worktree", "remove", "--force", "--force", str(worktree.path), held=held)
        return None

    def _drop_empty(self, worktree: Worktree) -> None:
        """Removes a folder that git had made before it listed the worktree: it holds a `.git` file at most."""
        is_folder = worktree.path.is_dir() and not worktree.path.is_symlink()
        content = [path.name for path in worktree.path.iterdir()] if is_folder else None
        if content not in ([], [".git"]) or (worktree.path / ".git").is_dir():
            raise WorkspaceError(worktree.path, "exists and is no worktree of this repository; move it away")
        _delete_folder(worktree.path)

    def _check_branch_is_free(self, worktree: Worktree) -> None:
        only_git_knows = (self._common / "reftable").is_dir()  # else a HEAD says what is checked out
        own = {} if only_git_knows else {self._common.parent: Entry(path=self._common.parent, git_dir=self._common)}
        found = self._registered() if only_git_knows else {**own, **entries_of(self._common)}
        for path, other in found.items():
            if other.branch == worktree.branch and path.name != worktree.path.name:
                raise WorkspaceError(worktree.path, f"its branch {worktree.branch} is checked out in {path}")

    def _take_down(self, worktree: Worktree, *, ignored_too: bool) -> None:
        """Removes a worktree from git's list, and its folder; no other one, as `git worktree prune` would."""
        try:
            self._take_down_beside(worktree, ignored_too=ignored_too, removes=True)
        except GitError:  # it may have met the half removed entry of another worktree
            self._take_down_beside(worktree, ignored_too=ignored_too, removes=False)
        free_ports(self._home.parent, worktree.path)

    def _take_down_beside(self, worktree: Worktree, *, ignored_too: bool, removes: bool) -> None:
        with self._alone(removes=removes) as held:
            known = self._known(worktree)
            _check_saved(worktree, ignored_too=ignored_too)
            if known is not None:
                if self._take_back(worktree):
                    _check_saved(worktree, ignored_too=ignored_too)
                self.git.run("worktree", "remove", "--force", "--force", str(worktree.path), held=held)

    def _take_back(self, worktree: Worktree) -> bool:
        """Removes what a worktree was given; the user's own files stay. Returns whether it was given anything."""
        manifest = read_manifest(linked_git_dir(worktree.path)) if worktree.path.exists() else None
        names = (*manifest.given, *manifest.made) if manifest is not None else ()
        if names:
            paths = b"".join(os.fsencode(name) + b"\0" for name in names)
            which = ("--pathspec-from-file=-", "--pathspec-file-nul", "HEAD")
            worktree.git.run("reset", "--quiet", *which, stdin=paths)
            committed = frozenset(worktree.git.run("ls-files", "-z").fields)  # which git itself removes
            clear(worktree.path, [name for name in names if name not in committed])
        return bool(names)

    def _unheld(self, worktree: Worktree, known: Entry | None) -> str:
        """Returns a commit of a worktree's branch or HEAD that is on no other ref; empty if there is none."""
        own = f"refs/heads/{worktree.branch}"
        inside = self.git if known is None else Git(self.git.folder, git_dir=known.git_dir)
        tips = (own,) if known is None else (own, "HEAD")
        kept = (f"^{worktree.base}",) if worktree.base else ()  # which may be a merge of work before it, on no branch
        others = (f"--exclude={own}", f"--exclude={BASES}/*", "--glob=refs/*")
        return inside.text("rev-list", "--ignore-missing", "--max-count=1", *tips, *kept, "--not", *others)

    def _registered(self) -> dict[Path, Listed]:
        return {each.path: each for each in list_worktrees(self.git)}

    def _entry(self, path: Path) -> Entry | None:
        return entries_of(self._common).get(path)

    def wait_for_others(self) -> None:
        """Waits until nobody changes the list of worktrees, such as a git whose process was killed.

        Raises:
            WorkspaceLockedError: That takes longer than `TURN_WAIT_S`.
        """
        with self._alone():
            pass

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
    def _alone(self, *, removes: bool = False) -> Iterator[int]:
        """Lets one process at a time change the list of worktrees: git itself fails when two do.

        Args:
            removes: Only removes what no other call is about; such calls may go on side by side.

        Yields the descriptor of the lock.

        Raises:
            WorkspaceLockedError: Others hold the lock longer than `TURN_WAIT_S`.
        """
        _make_folder(self._home)
        with turn(self._home / ".lock", shared=removes) as held:
            yield held


def _check_saved(worktree: Worktree, *, ignored_too: bool) -> None:
    """Checks that a worktree holds no files that no commit has."""
    if not worktree.path.exists():
        return
    found = unsaved(worktree.git)
    unheld = (*found.changed, *(() if ignored_too else found.ignored))
    if unheld:
        raise WorkspaceError(worktree.path, f"holds files that no commit has: {first_of(unheld)}")


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
