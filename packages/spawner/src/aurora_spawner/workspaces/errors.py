"""The errors of worktrees and merges.

SpawnerError
├── WorkspaceError          a worktree or a merge that cannot continue without losing work: the path
│   ├── CommandStoppedError     a check or a set-up command that was stopped before its end
│   ├── GitError                a failed git command: the command and git's own words
│   │   └── GitLockedError          another process holds a lock longer than the wait: the lock
│   ├── LostStatusError         an exit status that another part of this program has taken: the program
│   ├── WorkspaceLockedError    another process makes or removes worktrees longer than the wait: the lock
│   ├── GitVersionError         a git program that is too old: its version, and the version that is needed
│   ├── UnfinishedWorkError     conflict markers, or a merge that was not ended: the files
│   ├── ForeignWorktreeError    a folder that is not a worktree of ours, or no longer
│   │   └── DestroyedWorktreeError  a worktree that a command removed: the command, the branch
│   ├── OverwriteError          files of the user that a delivery would overwrite: the files
│   ├── SetupError              a set-up command of a worktree that failed: the command, its status and output
│   └── DiskCapError            worktrees take as much of the disk as they may: the cap, and what they take
└── PreparationError        a description of what worktrees contain that cannot be used: path, line, field
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_spawner.errors import SpawnerError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class WorkspaceError(SpawnerError):
    """A worktree or a merge cannot continue without losing work."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


class CommandStoppedError(WorkspaceError):
    """A check or a set-up command was stopped before its end; a resume runs it again."""


class LostStatusError(WorkspaceError):
    """The exit status of a program went to another part of this process; `path` is the program."""

    def __init__(self, program: Path) -> None:
        super().__init__(
            program,
            "its exit status was lost: this process ignores SIGCHLD, or waits for whatever child ends first; "
            "signal.signal(signal.SIGCHLD, signal.SIG_DFL) ends the one, and os.waitpid(pid, …) for each the other",
        )


class GitError(WorkspaceError):
    """A git command failed."""

    def __init__(self, path: Path, command: Sequence[str], reason: str) -> None:
        super().__init__(path, f"git {' '.join(command[:2])}: {reason}")
        self.command = tuple(command)
        self.reason = reason


class GitLockedError(GitError):
    """Another process held a lock longer than the wait; `lock` is None if git does not name it, in `reason`."""

    def __init__(self, path: Path, command: Sequence[str], reason: str, *, lock: Path | None) -> None:
        held = f"{lock} is held by another git, or was left by one that was killed; if none runs there, delete it"
        super().__init__(path, command, reason if lock is None else held)
        self.lock = lock


class WorkspaceLockedError(WorkspaceError):
    """Other processes held the lock of a repository's worktrees longer than the wait; `path` is the lock."""

    def __init__(self, path: Path, *, waited_s: float) -> None:
        super().__init__(path, f"another process has held this lock for {waited_s:.0f} s; end that process, or wait")


class GitVersionError(WorkspaceError):
    """The git program is too old."""

    def __init__(self, path: Path, *, found: str, needed: str) -> None:
        super().__init__(path, f"git is version {found}, and {needed} or later is needed; install a newer git")
        self.found = found
        self.needed = needed


class UnfinishedWorkError(WorkspaceError):
    """An agent left a merge or a conflict open; `files` is empty if no file is in conflict."""

    def __init__(self, path: Path, problem: str, *, files: Sequence[str] = ()) -> None:
        super().__init__(path, problem)
        self.files = tuple(files)


class ForeignWorktreeError(WorkspaceError):
    """A folder is not a worktree of ours, or no longer, or another program has locked it."""


class DestroyedWorktreeError(ForeignWorktreeError):
    """A check has removed or moved the worktree of a task; `path` is the worktree.

    Attributes:
        command: the check.
    """

    def __init__(self, path: Path, *, command: str, branch: str) -> None:
        super().__init__(
            path, f"the check {command!r} has removed it; its commits are on {branch}, and a retry goes on from them"
        )
        self.command = command


class OverwriteError(WorkspaceError):
    """A delivery would overwrite files of the user that no commit has."""

    def __init__(self, path: Path, problem: str, *, files: Sequence[str]) -> None:
        super().__init__(path, problem)
        self.files = tuple(files)


class SetupError(WorkspaceError):
    """A set-up command of a worktree failed, before any agent worked there; `path` is the worktree.

    Attributes:
        status: its exit status, negative for a signal; None if the time limit ended it.
        output: the end of its output.
    """

    def __init__(self, path: Path, problem: str, *, command: str, status: int | None, output: str) -> None:
        said = output.strip()
        super().__init__(path, f"the set-up command {command!r} {problem}{f': {said}' if said else ''}")
        self.command = command
        self.status = status
        self.output = output


class DiskCapError(WorkspaceError):
    """The worktrees of a repository take as much of the disk as they may; `path` is their folder.

    Attributes:
        used, cap: bytes.
        taken: both in words.
    """

    def __init__(self, path: Path, *, used: int, cap: int, is_set: bool) -> None:
        why = "max_disk_gb" if is_set else "as much as would stay free; max_disk_gb sets another limit"
        self.taken = f"worktrees take {used / 1e9:.1f} GB, and may take {cap / 1e9:.1f} GB ({why})"
        problem = "no other is made, since nothing that runs will give any back"
        super().__init__(path, f"{self.taken}; {problem}: free some with `aur worktrees clean`, or raise the cap")
        self.used = used
        self.cap = cap


class PreparationError(SpawnerError):
    """A description of what worktrees contain is invalid; `line` counts from 1, and is None for the whole file."""

    def __init__(self, path: Path | None, line: int | None, field: str, problem: str) -> None:
        place = "" if path is None else f"{path}:{line}: " if line else f"{path}: "
        super().__init__(f"{place}{field}: {problem}" if field else f"{place}{problem}")
        self.path = path
        self.line = line
        self.field = field
        self.problem = problem
