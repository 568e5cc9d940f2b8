"""Checks of one task's work: shell commands in its folder, on exactly the files that its commit has."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from aurora_spawner.storage.regular_files import read_regular
from aurora_spawner.tasks.checked import CheckedWork, CheckOutcome
from aurora_spawner.workspaces.attic import put_away_lost
from aurora_spawner.workspaces.checkouts import relink, reveal
from aurora_spawner.workspaces.checks import CANNOT_RUN
from aurora_spawner.workspaces.errors import DestroyedWorktreeError, ForeignWorktreeError
from aurora_spawner.workspaces.present import present_commit
from aurora_spawner.workspaces.unsaved import unsaved

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aurora_spawner.tasks.checked import CheckRun
    from aurora_spawner.workspaces.attic import AtticEntry
    from aurora_spawner.workspaces.checks import CommandRunner
    from aurora_spawner.workspaces.git import Git
    from aurora_spawner.workspaces.worktrees import Workspaces, Worktree

_CACHES: Final = "__pycache__/"
_CACHE_TAG: Final = "CACHEDIR.TAG"
_CACHE_MARK: Final = b"Signature: 8a477f597d28d172789f06886806bc55"
"""The file, and its beginning, by which programs mark folders that they can make again (bford.info/cachedir)."""
_KEPT: Final = "Changes in a worktree whose check was interrupted\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkCheck:
    """Checks the work of one task in its worktree.

    Attributes:
        folder: where the commands run, relative to a checkout; "." for its top.
        goal: the command whose failure on the base says nothing: it is what the task is to achieve.
        prepare: gives a fresh checkout what a worktree has besides its commit, and returns further variables.
        on_base: what commands have said on the commits that tasks started from, by commit and command; it grows.
    """

    workspaces: Workspaces
    worktree: Worktree
    runner: CommandRunner
    folder: str
    goal: str | None
    prepare: Callable[[Git], Mapping[str, str]]
    on_base: dict[tuple[str, str], CheckRun]

    def check(
        self, commands: Sequence[str], commit: str, *, number: int, before: CheckedWork | None = None
    ) -> CheckedWork:
        """Runs commands on a commit that the worktree has checked out.

        Files that they change are put back. If all pass although files are there that git ignores, or whose content a
        checkout converts, they run once more in a fresh checkout of the commit. A failure is compared with the one
        before, and with the base.

        Args:
            commands: at least one.
            number: of the attempt.
            before: the checks of the attempt before it.

        Raises:
            CommandStoppedError: It was stopped.
            DestroyedWorktreeError: A check has removed the worktree.
            WorkspaceError: A command could not be started.
            GitError: Git failed.
        """
        hidden, converted = tuple(self._hidden()), self._is_converted()
        runs = self._in_worktree(commands, commit)
        checked = CheckedWork(number=number, outcome=CheckOutcome.PASSED, runs=runs, commit=commit)
        if runs[-1].passed and (hidden or converted):
            clean = self._in_fresh_checkout(commands, commit)
            if not clean[-1].passed:
                return self._compared(replace(checked, runs=clean, hidden=hidden), before)
        if runs[-1].passed:
            return checked
        return self._compared(checked, before)

    def _compared(self, checked: CheckedWork, before: CheckedWork | None) -> CheckedWork:
        """Returns failed checks with what the base, and the checks before, say of the failure."""
        failed = checked.runs[-1]
        cannot_run = failed.status in CANNOT_RUN
        failing = replace(checked, outcome=CheckOutcome.FAILED)
        if before is not None and before.commit == checked.commit and failed.fails_like(before.failed):
            hopeless = before.fails_on_base and checked.commit == self.worktree.base  # asked once, and still no work
            outcome = CheckOutcome.SAME_AS_BASE if hopeless else CheckOutcome.UNCHANGED
            return replace(failing, outcome=outcome, fails_on_base=before.fails_on_base)
        if failed.command == self.goal and not cannot_run:
            return failing
        on_base = self._said_on_base(failed.command)
        failing = replace(failing, fails_on_base=not on_base.passed)
        if cannot_run and on_base.status in CANNOT_RUN:
            return replace(failing, outcome=CheckOutcome.CANNOT_RUN)
        # A command that prints nothing fails alike whatever is wrong.
        alike = bool(failed.output.strip()) and failed.fails_like(on_base)
        return replace(failing, outcome=CheckOutcome.SAME_AS_BASE) if alike else failing

    def _said_on_base(self, command: str) -> CheckRun:
        key = (self.worktree.base, command)
        if key not in self.on_base:
            self.on_base[key] = self._in_fresh_checkout([command], self.worktree.base)[-1]
        return self.on_base[key]

    def _in_worktree(self, commands: Sequence[str], commit: str) -> tuple[CheckRun, ...]:
        """Runs commands in the worktree.

        Raises:
            DestroyedWorktreeError: One has removed it.
        """
        worktree, on = self.worktree, self.worktree.git.branch()
        runs = self.runner.with_variables(worktree.variables).run(
            commands,
            worktree.path / self.folder,
            after=lambda: self._put_back(commit, on),
            until=lambda: not self._is_there(),
        )
        if not self._is_there():
            raise DestroyedWorktreeError(worktree.path, command=runs[-1].command, branch=worktree.branch)
        return runs

    def _put_back(self, commit: str, on: str) -> tuple[str, ...]:
        """Undoes what a check has changed, the `.git` of the worktree included; "." if there is no worktree left."""
        try:
            relinked = relink(self.worktree.path, self.workspaces.git)
        except ForeignWorktreeError:
            if self._is_there():
                raise
            return (".",)
        return (*((".git",) if relinked else ()), *put_back(self.worktree, commit, on))

    def _is_there(self) -> bool:
        return self.worktree.path.is_dir() and not self.worktree.path.is_symlink()

    def _in_fresh_checkout(self, commands: Sequence[str], commit: str) -> tuple[CheckRun, ...]:
        with self.workspaces.checked_out(commit, task_id=self.worktree.task_id) as git:
            return self.runner.with_variables(self.prepare(git)).run(commands, git.folder / self.folder)

    def _hidden(self) -> list[str]:
        """Returns the files that git ignores, folders as one entry, without caches."""
        return [each for each in unsaved(self.worktree.git).ignored if not self._is_cache(each)]

    def _is_cache(self, name: str) -> bool:
        try:
            mark = read_regular(self.worktree.path / name / _CACHE_TAG, limit=len(_CACHE_MARK))
        except OSError:
            mark = b""
        return name.endswith(_CACHES) or mark == _CACHE_MARK

    def _is_converted(self) -> bool:
        """Returns True if a checkout may have other content than the files that were committed: by attributes."""
        wanted = ("ls-files", "--cached", "-z", "--", ":(glob)**/.gitattributes")
        return bool(self.worktree.git.run(*wanted, environment={"GIT_LITERAL_PATHSPECS": "0"}).fields)


def put_back(worktree: Worktree, commit: str, on: str) -> tuple[str, ...]:
    """Undoes what a check has changed, except in files that git ignores; returns what that was.

    Commits that it has made go to the attic.

    Args:
        commit: What was checked.
        on: The branch that was checked out, with `refs/heads/`; empty for none.
    """
    git = worktree.git
    reveal(git)
    entries = git.run("status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=normal").fields
    moved = git.commit_of("HEAD") != commit or git.branch() != on
    if not entries and not moved:
        return ()
    if moved:
        put_away_lost(git, worktree.branch, kept=(commit, worktree.base))
        if on:
            git.run("symbolic-ref", "HEAD", on)
        git.run("update-ref", *(() if on else ("--no-deref",)), "HEAD", commit)
    git.run("reset", "--quiet", "--hard", commit)
    git.run("clean", "--quiet", "-ffd")
    return (*(("HEAD",) if moved else ()), *(entry[3:] for entry in entries))


def put_back_later(worktree: Worktree, commit: str) -> tuple[AtticEntry, ...]:
    """Undoes what was changed since a check began that an earlier process has run.

    It may be the work of a person, so it goes to the attic; returns what is there then.
    """
    git = worktree.git
    present = present_commit(worktree, _KEPT)
    kept: tuple[AtticEntry, ...] = ()
    if present != commit:
        git.run("update-ref", "--no-deref", "HEAD", present)
        kept = put_away_lost(git, worktree.branch, kept=(commit, worktree.base))
    put_back(worktree, commit, git.branch() if git.commit_of("HEAD") == commit else "")
    return kept
