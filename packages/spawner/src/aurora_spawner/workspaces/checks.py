"""Checks of a commit: a command, in a checkout of its own, within a time limit."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_spawner.errors import GitError, WorkspaceError
from aurora_spawner.workspaces.git import end_group
from aurora_spawner.workspaces.merge_queue import Check

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from aurora_spawner.workspaces.git import Git
    from aurora_spawner.workspaces.worktrees import Workspaces

OUTPUT_BYTES: Final = 64 * 1024
"""Length of the end of the output that is kept."""
SHOWN_CHARACTERS: Final = 2000
"""Length of the end of a failed check's output that a report has."""
TIMEOUT_S: Final = 1800.0
"""Time for all checks of one commit."""
_CANNOT_RUN: Final = (126, 127)
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
    """One run of a check."""

    commit: str
    status: int | None
    """The exit status, negative for a signal; None if the time limit ended it."""
    output: str
    """The end of its output, at most `OUTPUT_BYTES`."""
    changed: tuple[str, ...] = ()
    """Files that it changed and git does not ignore, `HEAD` if it made or checked out a commit, `.` if it
    destroyed the checkout. Nothing of it is delivered."""

    @property
    def check(self) -> Check:
        """The answer: passed if the command ended with 0 in time."""
        return Check.PASSED if self.status == 0 else Check.FAILED


@dataclass(slots=True, kw_only=True)
class CommandCheck:
    """A check for a `MergeQueue`; it may be called for one commit after another.

    Each commit is checked out afresh, apart from every branch, so that what the command changes is not delivered.

    Attributes:
        workspaces: of the run; they hold the checkout.
        command: the program and its arguments; it succeeds with exit status 0.
        environment: the variables of the command.
        timeout_s: time until the command, and what it started, is ended.
        stopped: asked while the command runs; True ends it.
        reports: all runs so far.
    """

    workspaces: Workspaces
    command: tuple[str, ...]
    environment: Mapping[str, str]
    timeout_s: float
    stopped: Callable[[], bool] = lambda: False
    reports: list[CheckReport] = field(default_factory=list)

    def __call__(self, commit: str) -> Check:
        """Checks a commit.

        Raises:
            WorkspaceError: The command could not be started, was stopped, or another process checks for the same run.
            GitError: Git failed.
        """
        with self.workspaces.checked_out(commit) as git:
            status, output = run_command(
                self.command,
                git.folder,
                environment=self.environment,
                timeout_s=self.timeout_s,
                stopped=self.stopped,
            )
            if status is None and self.stopped():
                raise WorkspaceError(git.folder, "the check was interrupted; resume the run to complete the merge")
            report = CheckReport(commit=commit, status=status, output=output, changed=_changed(git, commit))
        self.reports.append(report)
        return report.check


class ShellChecks(CommandCheck):
    """A check of shell commands, each of which has to pass; the first that fails ends it.

    Args:
        commands: at least one.
    """

    def __init__(
        self,
        workspaces: Workspaces,
        commands: Sequence[str],
        *,
        environment: Mapping[str, str],
        timeout_s: float = TIMEOUT_S,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        script = " && ".join(f'sh -c "${{{number}}}"' for number in range(1, len(commands) + 1))
        super().__init__(
            workspaces=workspaces,
            command=("sh", "-c", script, "checks", *commands),
            environment=environment,
            timeout_s=timeout_s,
            stopped=stopped,
        )

    def __call__(self, commit: str) -> Check:
        """Checks a commit; errors as in the base class, and if a program is missing: that is nobody's fault."""
        answer = CommandCheck.__call__(self, commit)
        report = self.reports[-1]
        if report.status in _CANNOT_RUN:
            problem = f"a check cannot run (exit status {report.status}): {report.output.strip()[-300:]}"
            raise WorkspaceError(self.workspaces.git.folder, problem)
        return answer

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
    timeout_s: float,
    stopped: Callable[[], bool] = lambda: False,
) -> tuple[int | None, str]:
    """Runs a command; its process group has ended when this returns or raises, and soon after this process dies.

    Returns:
        Its exit status, negative for a signal, None if the time limit or `stopped` ended it; the end of its output.

    Raises:
        WorkspaceError: It could not be started.
    """
    if shutil.which(command[0], path=environment.get("PATH")) is None:
        raise WorkspaceError(folder, f"the check {command[0]!r} could not be started: there is no such program")
    until = time.monotonic() + timeout_s
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
        raise WorkspaceError(folder, f"the check {command[0]!r} could not be started: {error}") from error
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
