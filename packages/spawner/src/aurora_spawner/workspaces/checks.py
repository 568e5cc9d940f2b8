"""Checks of a commit: shell commands, in a checkout of its own, within a time limit."""

from __future__ import annotations

import os
import select
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_spawner.errors import GitError, WorkspaceError
from aurora_spawner.workspaces.git import end_group
from aurora_spawner.workspaces.merge_queue import Check

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from aurora_spawner.workspaces.git import Git
    from aurora_spawner.workspaces.worktrees import Workspaces

OUTPUT_BYTES: Final = 64 * 1024
"""Length of the end of the output that is kept."""
SHOWN_CHARACTERS: Final = 2000
"""Length of the end of a failed check's output that a report has."""
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
    """The end of its output, at most `OUTPUT_BYTES`."""
    changed: tuple[str, ...] = ()
    """Files that the commands changed and git does not ignore, `HEAD` if they made or checked out a commit, `.` if
    they destroyed the checkout. Nothing of it is delivered."""

    @property
    def check(self) -> Check:
        """The answer: passed if every command ended with 0 in time."""
        return Check.PASSED if self.status == 0 else Check.FAILED


@dataclass(slots=True, kw_only=True)
class CommandCheck:
    """A check for a `MergeQueue`: shell commands, all of which have to pass; the first that fails ends it.

    It may be called for one commit after another. Each is checked out afresh, apart from every branch, so that what
    the commands change is not delivered.

    Attributes:
        workspaces: of the run; they hold the checkout.
        commands: at least one.
        environment: the variables of the commands.
        prepare: gives each checkout what a worktree has besides its commit, and returns further variables.
        timeout_s: time for all of them; then the one that runs is ended, with what it started.
        stopped: asked while a command runs; True ends it.
        reports: all checks so far.
    """

    workspaces: Workspaces
    commands: tuple[str, ...]
    environment: Mapping[str, str]
    timeout_s: float = TIMEOUT_S
    stopped: Callable[[], bool] = lambda: False
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
            environment = {**self.environment, **self.prepare(git)}
            given = _changed(git, commit)
            until = time.monotonic() + self.timeout_s
            for command in self.commands:
                status, output = self._run(command, git.folder, environment, until)
                if status != 0:
                    break
            changed = tuple(each for each in _changed(git, commit) if each not in given)
        report = CheckReport(commit=commit, command=command, status=status, output=output, changed=changed)
        self.reports.append(report)
        return report.check

    def _run(
        self, command: str, folder: Path, environment: Mapping[str, str], until: float
    ) -> tuple[int | None, str]:
        status, output = run_command(
            ("sh", "-c", command), folder, environment=environment, until=until, stopped=self.stopped
        )
        if status is None and self.stopped():
            raise WorkspaceError(folder, "the check was interrupted; resume the run to complete the merge")
        if status in CANNOT_RUN:
            problem = f"the check {command!r} cannot run (exit status {status}): {output.strip()[-300:]}"
            raise WorkspaceError(self.workspaces.git.folder, problem)
        return status, output

    @property
    def failure(self) -> str:
        """The end of the output of the first check that failed; empty if none did."""
        return next((each.output[-SHOWN_CHARACTERS:] for each in self.reports if each.status != 0), "")


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
    """
    kept = b""
    try:
        process = subprocess.Popen(
            ("sh", "-c", _GUARDED, "sh", *command),
            cwd=folder,
            env={name: value for name, value in environment.items() if not name.startswith("GIT_")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
    except (OSError, ValueError) as error:
        raise WorkspaceError(folder, f"a command could not be started: {error}") from error
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
