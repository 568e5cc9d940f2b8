"""Checks of a commit: shell commands, in a checkout of its own, within a time limit."""

from __future__ import annotations

import os
import select
import subprocess
import time
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol

from aurora_spawner.storage.system_words import system_words
from aurora_spawner.tasks.checked import SHOWN_CHARACTERS, CheckRun
from aurora_spawner.workspaces.children import Child
from aurora_spawner.workspaces.errors import CommandStoppedError, GitError, WorkspaceError
from aurora_spawner.workspaces.git import end_group
from aurora_spawner.workspaces.merge_queue import Check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from aurora_spawner.workspaces.git import Git
    from aurora_spawner.workspaces.worktrees import Workspaces

OUTPUT_BYTES: Final = 64 * 1024
"""Length of the end of the output that is kept."""
REPORTED_CHARACTERS: Final = 2000
"""Length of the end of a failed check's output that the report of a merge has."""
TIMEOUT_S: Final = 1800.0
"""Time for all checks of one commit."""
CANNOT_RUN: Final = (126, 127)
"""Exit statuses of a shell that could not start a program."""
_POLL_S: Final = 0.05
_READ_BYTES: Final = 65536
_GUARDED: Final = """
exec 9<&0 </dev/null
(exec >/dev/null 2>&1; read -r _ <&9; kill -KILL 0) &
exec 9<&-
exec "$@"
"""
"""Runs a command whose process group is killed as soon as nobody holds the other end of its first input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """One check of a commit."""

    commit: str
    command: str
    """The first command that failed; the last one if all passed."""
    status: int | None
    """Its exit status, negative for a signal; None if the time limit ended it."""
    output: str
    """The end of its output."""
    changed: tuple[str, ...] = ()
    """Files that the commands changed and git does not ignore, `HEAD` if they made or checked out a commit, `.` if
    they destroyed the checkout. Nothing of it is delivered."""

    @property
    def check(self) -> Check:
        """The answer: passed if every command ended with 0 in time."""
        return Check.PASSED if self.status == 0 else Check.FAILED


@contextmanager
def unconfined(
    command: tuple[str, ...], _folder: Path, environment: Mapping[str, str], /
) -> Iterator[tuple[tuple[str, ...], Mapping[str, str]]]:
    """Yields a command and its variables as they are: it runs in no sandbox."""
    yield command, environment


class Confined(Protocol):
    """Puts a command into a sandbox."""

    def __call__(
        self, command: tuple[str, ...], folder: Path, environment: Mapping[str, str], /
    ) -> AbstractContextManager[tuple[tuple[str, ...], Mapping[str, str]]]:
        """Gives the command and the variables with which it runs in the sandbox of this folder.

        Raises:
            WorkspaceError: The sandbox has to hold, and does not.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRunner:
    """Runs shell commands, one after the other, until one fails.

    Attributes:
        environment: the variables of the commands.
        timeout_s: time for all of them; then the one that runs is ended, with what it started.
        stopped: asked while a command runs; True ends it.
        sweep: called after each command; ends what it has started in sessions of their own.
        confined: puts each command into a sandbox; by default into none.
    """

    environment: Mapping[str, str]
    timeout_s: float
    stopped: Callable[[], bool] = lambda: False
    sweep: Callable[[], object] = lambda: None
    confined: Confined = unconfined

    def run(
        self,
        commands: Sequence[str],
        folder: Path,
        *,
        after: Callable[[], tuple[str, ...]] = tuple,
        until: Callable[[], bool] = lambda: False,
    ) -> tuple[CheckRun, ...]:
        """Runs commands in a folder; the first that fails is the last that runs.

        Args:
            after: called after each command; returns the files that it has changed.
            until: asked after each command; True runs no other.

        Raises:
            CommandStoppedError: It was stopped.
            WorkspaceError: A command could not be started, or not in its sandbox.
        """
        runs: list[CheckRun] = []
        end = time.monotonic() + self.timeout_s
        for command in commands:
            began = time.monotonic()
            try:
                with self.confined(("sh", "-c", command), folder, self.environment) as (words, variables):
                    status, output = run_command(
                        words, folder, environment=variables, until=end, stopped=self.stopped
                    )
            finally:
                seconds = time.monotonic() - began
                self.sweep()
                changed = after()
            if status is None and self.stopped():
                raise CommandStoppedError(folder, f"the command {command!r} was stopped")
            runs.append(
                CheckRun(
                    command=command,
                    status=status,
                    seconds=round(seconds, 3),
                    output=output[-SHOWN_CHARACTERS:],
                    changed=changed,
                )
            )
            if status != 0 or until():
                break
        return tuple(runs)

    def with_variables(self, variables: Mapping[str, str]) -> CommandRunner:
        """Returns a runner whose commands have further variables."""
        return replace(self, environment={**self.environment, **variables})


@dataclass(slots=True, kw_only=True)
class CommandCheck:
    """A check for a `MergeQueue`: shell commands, all of which have to pass; the first that fails ends it.

    It may be called for one commit after another. Each is checked out afresh, apart from every branch, so that what
    the commands change is not delivered.

    Attributes:
        workspaces: of the run; they hold the checkout.
        commands: at least one.
        runner: runs them.
        folder: where they run, relative to the checkout; "." for its top.
        prepare: gives each checkout what a worktree has besides its commit, and returns further variables.
        reports: all checks so far.
    """

    workspaces: Workspaces
    commands: tuple[str, ...]
    runner: CommandRunner
    folder: str = "."
    prepare: Callable[[Git], Mapping[str, str]] = lambda _git: {}
    reports: list[CheckReport] = field(default_factory=list)

    def __call__(self, commit: str) -> Check:
        """Checks a commit.

        Raises:
            WorkspaceError: A program is missing or the checkout cannot be prepared, which is nobody's fault; the
                check was stopped; or another process checks for the same run.
            GitError: Git failed.
        """
        with self.workspaces.checked_out(commit) as git:
            runner = self.runner.with_variables(self.prepare(git))
            given = _changed(git, commit)
            try:
                last = runner.run(self.commands, git.folder / self.folder)[-1]
            except CommandStoppedError as error:
                problem = "the check was interrupted; resume the run to complete the merge"
                raise CommandStoppedError(git.folder, problem) from error
            if last.status in CANNOT_RUN:
                said = last.output.strip()[-300:]
                problem = f"the check {last.command!r} cannot run (exit status {last.status}): {said}"
                raise WorkspaceError(self.workspaces.git.folder, problem)
            changed = tuple(each for each in _changed(git, commit) if each not in given)
        report = CheckReport(
            commit=commit, command=last.command, status=last.status, output=last.output, changed=changed
        )
        self.reports.append(report)
        return report.check

    @property
    def failure(self) -> str:
        """The end of the output of the first check that failed; empty if none did."""
        return next((each.output[-REPORTED_CHARACTERS:] for each in self.reports if each.status != 0), "")


def _changed(git: Git, commit: str) -> tuple[str, ...]:
    try:
        entries = git.run("status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=normal").fields
        head = git.commit_of("HEAD")
    except GitError:
        return (".",)
    return (*(() if head == commit else ("HEAD",)), *(entry[3:] for entry in entries))


def run_command(
    command: tuple[str, ...],
    folder: Path,
    *,
    environment: Mapping[str, str],
    until: float,
    stopped: Callable[[], bool],
) -> tuple[int | None, str]:
    """Runs a command; its process group has ended when this returns or raises, and soon after this process dies.

    Args:
        until: the moment to end it, in seconds of the monotonic clock.

    Returns:
        Its exit status, negative for a signal, None if the time limit or `stopped` ended it; the end of its output.

    Raises:
        WorkspaceError: It could not be started.
        LostStatusError: Somebody else has taken its exit status.
    """
    kept = b""
    try:
        process = Child(
            ("sh", "-c", _GUARDED, "sh", *command),
            cwd=folder,
            env={name: value for name, value in environment.items() if _may_pass(name)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
    except (OSError, ValueError) as error:
        raise WorkspaceError(folder, f"a command could not be started: {system_words(error)}") from error
    with process:
        try:
            assert process.stdout is not None
            os.set_blocking(process.stdout.fileno(), False)
            while process.poll() is None and time.monotonic() < until and not stopped():
                kept = (kept + _waiting(process.stdout.fileno(), _POLL_S))[-OUTPUT_BYTES:]
            status = process.returncode
        finally:
            end_group(process)
        kept = (kept + _waiting(process.stdout.fileno(), 0))[-OUTPUT_BYTES:]
    return status, kept.decode(errors="replace")


def _may_pass(name: str) -> bool:
    """Returns True for a variable that says nothing of another repository; settings are those of a worktree."""
    return not name.startswith("GIT_") or name.startswith(
        ("GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_")
    )


def _waiting(descriptor: int, wait_s: float) -> bytes:
    """Returns what can be read at once; a process that left the group may hold the pipe open."""
    said = b""
    while len(said) < OUTPUT_BYTES and select.select([descriptor], [], [], wait_s)[0]:
        part = os.read(descriptor, _READ_BYTES)
        if not part:
            time.sleep(wait_s)  # it closed its output and goes on
            break
        said += part
        wait_s = 0
    return said
