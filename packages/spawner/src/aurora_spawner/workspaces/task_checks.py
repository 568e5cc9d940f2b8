"""Checks of one task's work: shell commands in its folder, on exactly the files that its commit has."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from aurora_spawner.errors import CheckStoppedError
from aurora_spawner.storage.regular_files import read_regular
from aurora_spawner.tasks.checked import SHOWN_CHARACTERS, CheckedWork, CheckOutcome, CheckRun
from aurora_spawner.workspaces.attic import put_away_lost
from aurora_spawner.workspaces.checkouts import reveal
from aurora_spawner.workspaces.checks import CANNOT_RUN, TIMEOUT_S, run_command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from aurora_spawner.workspaces.git import Git
    from aurora_spawner.workspaces.worktrees import Workspaces, Worktree

_CACHES: Final = "__pycache__/"
_CACHE_TAG: Final = "CACHEDIR.TAG"
_CACHE_MARK: Final = b"Signature: 8a477f597d28d172789f06886806bc55"
"""The file, and its beginning, by which programs mark folders that they can make again (bford.info/cachedir)."""
_CHANGING: Final = re.compile(r"0x[0-9a-fA-F]+|\d+")
"""The parts that differ between two runs of the same command: times, counts, addresses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRunner:
    """Runs shell commands, one after the other, until one fails.

    Attributes:
        environment: the variables of the commands.
        timeout_s: time for all of them; then the one that runs is ended, with what it started.
        stopped: asked while a command runs; True ends it.
        sweep: called after each command; ends what it has started in sessions of their own.
    """

    environment: Mapping[str, str]
    timeout_s: float = TIMEOUT_S
    stopped: Callable[[], bool] = lambda: False
    sweep: Callable[[], object] = lambda: None

    def run(self, commands: Sequence[str], folder: Path) -> tuple[CheckRun, ...]:
        """Runs commands in a folder; the first that fails is the last that runs.

        Raises:
            CheckStoppedError: It was stopped.
            WorkspaceError: A command could not be started.
        """
        runs: list[CheckRun] = []
        until = time.monotonic() + self.timeout_s
        for command in commands:
            began = time.monotonic()
            try:
                status, output = run_command(
                    ("sh", "-c", command), folder, environment=self.environment, until=until, stopped=self.stopped
                )
            finally:
                self.sweep()
            if status is None and self.stopped():
                raise CheckStoppedError(folder, f"the check {command!r} was stopped")
            seconds = round(time.monotonic() - began, 3)
            runs.append(CheckRun(command=command, status=status, seconds=seconds, output=output[-SHOWN_CHARACTERS:]))
            if status != 0:
                break
        return tuple(runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkCheck:
    """Checks the work of one task in its worktree.

    Attributes:
        folder: where the commands run, relative to a checkout; "." for its top.
        goal: the command whose failure on the base says nothing: it is what the task is to achieve.
        prepare: gives a fresh checkout what a worktree has besides its commit, and returns further variables.
    """

    workspaces: Workspaces
    worktree: Worktree
    runner: CommandRunner
    folder: str = "."
    goal: str | None = None
    prepare: Callable[[Git], Mapping[str, str]] = lambda _git: {}

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
            CheckStoppedError: It was stopped.
            WorkspaceError: A check has destroyed the worktree, or a command could not be started.
            GitError: Git failed.
        """
        hidden, converted = tuple(self._hidden()), self._is_converted()
        runs = self._in_worktree(commands, commit)
        checked = CheckedWork(number=number, outcome=CheckOutcome.PASSED, runs=runs, commit=commit)
        if runs[-1].passed and (hidden or converted):
            clean = self._in_fresh_checkout(commands, commit)
            if not clean[-1].passed:
                return replace(checked, outcome=CheckOutcome.FAILED, runs=clean, hidden=hidden)
        if runs[-1].passed:
            return checked
        return self._compared(checked, before)

    def _compared(self, checked: CheckedWork, before: CheckedWork | None) -> CheckedWork:
        """Returns failed checks with what the base, and the checks before, say of the failure."""
        failed = checked.runs[-1]
        cannot_run = failed.status in CANNOT_RUN
        failing = replace(checked, outcome=CheckOutcome.FAILED)
        if before is not None and before.failed is not None and before.commit == checked.commit:
            failing = replace(failing, fails_on_base=before.fails_on_base)
            return replace(failing, outcome=CheckOutcome.UNCHANGED) if _same(before.failed, failed) else failing
        if failed.command == self.goal and not cannot_run:
            return failing
        on_base = self._in_fresh_checkout([failed.command], self.worktree.base)[-1]
        failing = replace(failing, fails_on_base=not on_base.passed)
        if cannot_run and on_base.status in CANNOT_RUN:
            return replace(failing, outcome=CheckOutcome.CANNOT_RUN)
        # A command that prints nothing fails alike whatever is wrong.
        alike = bool(failed.output.strip()) and _same(on_base, failed)
        return replace(failing, outcome=CheckOutcome.SAME_AS_BASE) if alike else failing

    def _in_worktree(self, commands: Sequence[str], commit: str) -> tuple[CheckRun, ...]:
        runs: list[CheckRun] = []
        until = time.monotonic() + self.runner.timeout_s
        on = _branch_in(self.worktree.git)
        runner = replace(self.runner, environment={**self.runner.environment, **self.worktree.variables})
        for command in commands:
            left_s = max(until - time.monotonic(), 0.0)
            try:
                run = replace(runner, timeout_s=left_s).run([command], self.worktree.path / self.folder)[0]
            finally:
                changed = put_back(self.worktree, commit, on)
            runs.append(replace(run, changed=changed))
            if not run.passed:
                break
        return tuple(runs)

    def _in_fresh_checkout(self, commands: Sequence[str], commit: str) -> tuple[CheckRun, ...]:
        with self.workspaces.checked_out(commit, task_id=self.worktree.task_id) as git:
            environment = {**self.runner.environment, **self.prepare(git)}
            return replace(self.runner, environment=environment).run(commands, git.folder / self.folder)

    def _hidden(self) -> list[str]:
        """Returns the files that git ignores, folders as one entry, without caches."""
        return [each for each in self.workspaces.unsaved(self.worktree).ignored if not self._is_cache(each)]

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

    Args:
        commit: What was checked.
        on: The branch that was checked out, with `refs/heads/`; empty for none.
    """
    git = worktree.git
    reveal(git)
    entries = git.run("status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=normal").fields
    moved = git.commit_of("HEAD") != commit or _branch_in(git) != on
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


def put_back_after_kill(worktree: Worktree, commit: str) -> None:
    """Undoes what a check has changed that was killed together with this process's predecessor."""
    git = worktree.git
    put_back(worktree, commit, _branch_in(git) if git.commit_of("HEAD") == commit else "")


def _branch_in(git: Git) -> str:
    return git.run("symbolic-ref", "--quiet", "HEAD", accepted=(0, 1)).text


def _same(one: CheckRun, other: CheckRun) -> bool:
    """Returns True if two runs of a command failed alike, but for times and the folders that they ran in."""
    return (one.command, one.status, _essence(one.output)) == (other.command, other.status, _essence(other.output))


def _essence(output: str) -> list[str]:
    """Returns the words of an output without numbers and without the paths of checkouts."""
    return [_CHANGING.sub("#", word.rpartition("/")[2]) for word in output.split()]
