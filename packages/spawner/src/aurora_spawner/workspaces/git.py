"""The git program, run so that it never asks and says why it failed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from aurora_spawner.storage.system_words import system_words
from aurora_spawner.tasks.work import is_branch_of_run
from aurora_spawner.workspaces.children import Child
from aurora_spawner.workspaces.errors import GitError, GitLockedError, GitVersionError, LostStatusError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

OLDEST: Final = (2, 38)
"""The first git that merges without a checkout (`merge-tree --write-tree`)."""
GITLINK: Final = "160000"
"""Mode of a submodule, or of another repository inside a checkout."""
TIMEOUT_S: Final = 300.0
LOCK_WAIT_S: Final = 10.0
"""Time for another git process to release a lock file."""
_LOCK_PAUSE_S: Final = 0.05
_PART_BYTES: Final = 1 << 20
_GRACE_S: Final = 2.0
"""Time for a git that is ended to remove its lock files."""
_LOCK_NAME: Final = re.compile(r"'([^'\n]+\.lock)'|could not lock config file (\S+):")
_LOCKED: Final = ("unable to create", "cannot lock ref", "could not lock config file", "failed to lock")
# Where git is and what the user configured; all other GIT_ variables belong to whoever started us, such as a hook.
_KEPT: Final = frozenset({"GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_SYSTEM", "GIT_EXEC_PATH"})
_ENVIRONMENT: Final = {
    "GIT_EDITOR": ":",
    "GIT_SEQUENCE_EDITOR": ":",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "false",
    "GIT_LITERAL_PATHSPECS": "1",
    "LC_ALL": "C",
}
# What hides work, changes a merge or waits without a limit has git's own default here, whatever the user configured.
_SETTINGS: Final = (
    "add.ignoreErrors=false",
    "color.ui=false",
    "commit.cleanup=whitespace",
    "commit.gpgSign=false",
    "core.checkStat=default",
    "core.commentChar=\x1f",
    "core.filesRefLockTimeout=100",
    "core.fsmonitor=false",
    "core.ignoreStat=false",
    "core.packedRefsTimeout=1000",
    "core.pager=cat",
    "core.quotePath=false",
    "core.splitIndex=false",
    "core.trustCTime=true",
    "diff.ignoreSubmodules=none",
    "diff.orderFile=/dev/null",
    "diff.renames=true",
    "gc.auto=0",
    "i18n.commitEncoding=UTF-8",
    "log.showSignature=false",
    "maintenance.auto=false",
    "merge.autoStash=false",
    "merge.conflictStyle=merge",
    "merge.default=text",
    "merge.directoryRenames=conflict",
    "merge.renameLimit=7000",
    "merge.renames=true",
    "merge.renormalize=false",
    "rerere.enabled=false",
    "safe.bareRepository=explicit",
    "status.showUntrackedFiles=all",
    "submodule.recurse=false",
    "trailer.ifExists=addIfDifferentNeighbor",
    "trailer.ifMissing=add",
    "trailer.separators=:",
    "trailer.where=end",
)
_IDENTITY: Final = {"name": "Aurora", "email": "aurora@localhost"}


class Git:
    """The git program in one folder of a repository.

    Attributes:
        folder: the working folder of each command.
        git_dir: the repository, or the part of it that belongs to a worktree. Without it git looks for one in
            `folder` and the folders above, and finds another one if the `.git` of `folder` is gone.
    """

    def __init__(self, folder: Path, *, git_dir: Path | None = None, settings: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.git_dir = git_dir
        self._settings = (*_SETTINGS, *settings)

    @classmethod
    def of_checkout(cls, folder: Path) -> Git:
        """Returns git for the checkout that a folder is in, and for no other from now on.

        Raises:
            GitError: The folder is in no checkout.
        """
        found = cls(folder)
        toplevel, git_dir = (
            found.text("rev-parse", "--path-format=absolute", what) for what in ("--show-toplevel", "--git-dir")
        )
        return cls(Path(toplevel).resolve(), git_dir=Path(git_dir).resolve())

    def run(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        environment: Mapping[str, str] | None = None,
        accepted: Collection[int] = (0,),
        held: int | None = None,
    ) -> Output:
        """Runs one command; runs it again while another git process holds a lock.

        Args:
            environment: Variables for this command alone, such as an index file.
            accepted: Exit statuses that are answers, not failures.
            held: The descriptor of a lock that is held until git ends, even if this process is killed before.

        Raises:
            GitLockedError: Another process holds a lock longer than `LOCK_WAIT_S`, one of ours twice as long.
            GitError: Git is not installed, the folder is gone, or the command failed; with git's own words.
        """
        until = time.monotonic() + LOCK_WAIT_S
        removed: set[Path] = set()
        while True:
            status, stdout, stderr = self._start(arguments, stdin, environment or {}, held)
            if status in accepted:
                return Output(status, stdout, stderr)
            failure = self.failure(arguments, stderr, _reason(stderr, stdout, status))
            if not isinstance(failure, GitLockedError):
                raise failure
            late_s = time.monotonic() - until
            if late_s > 0:
                lock = _lock_of_ours(stderr)
                if lock is None or lock in removed:
                    raise failure
                try:
                    if _is_removed_as_stale(lock):
                        removed.add(lock)
                    elif late_s > LOCK_WAIT_S:
                        raise failure
                except OSError as error:
                    raise GitError(
                        self.folder, arguments, f"{failure.reason}; it cannot be removed: {system_words(error)}"
                    ) from error
            time.sleep(_LOCK_PAUSE_S)

    def beginnings(self, blobs: Iterable[str], count: int) -> dict[str, bytes]:
        """Returns the first bytes of files, read one after the other, so that large ones take no memory.

        Args:
            blobs: Their objects.
            count: The most bytes of one.

        Raises:
            GitError: Git could not be started, took too long, or one of them is missing.
        """
        arguments = ("cat-file", "--batch")
        with self.program(arguments) as process, time_limit(process) as passed:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                return {each: _beginning(process.stdin, process.stdout, each, count) for each in blobs}
            except OSError as error:
                end_group(process)
                reason = _too_long() if passed.is_set() else f"has ended: {system_words(error)}"
                raise GitError(self.folder, arguments, reason) from error

    def text(self, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        """Returns the output of one command without the line end."""
        return self.run(*arguments, environment=environment).text

    def commit_of(self, revision: str) -> str:
        """Returns the commit that a revision names; empty if it names none."""
        return self.run("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", accepted=(0, 1)).text

    def branch(self) -> str:
        """Returns the branch that is checked out, with `refs/heads/`; empty for a detached HEAD."""
        return self.run("symbolic-ref", "--quiet", "HEAD", accepted=(0, 1)).text

    def succeeds(self, *arguments: str) -> bool:
        """Returns True if a question of git's is answered with yes (exit status 0), False for no (1)."""
        return self.run(*arguments, accepted=(0, 1)).status == 0

    def text_of_setting(self, name: str, *, kind: str = "") -> str:
        """Returns a setting, with `kind` in git's own form of a type such as `bool`; empty if it is not set."""
        return self.run("config", *([f"--type={kind}"] if kind else []), "--get", name, accepted=(0, 1)).text

    def identity(self) -> dict[str, str]:
        """Returns variables that name an author if the user has configured none."""
        return identity_beside(self.settings_like(r"^user\.(name|email)$"))

    def settings_like(self, pattern: str) -> list[str]:
        """Returns the names of the settings that are made and match a regular expression."""
        return self.run("config", "--name-only", "--get-regexp", pattern, accepted=(0, 1)).text.splitlines()

    def check_version(self) -> None:
        """Checks that git can do what this room asks of it.

        Raises:
            GitVersionError: It is too old.
            GitError: It is not installed.
        """
        found = _version(shutil.which("git"), self.folder)
        if tuple(int(part) for part in found.split(".")[:2]) < OLDEST:
            raise GitVersionError(self.folder, found=found, needed=".".join(map(str, OLDEST)))

    def failure(self, arguments: tuple[str, ...], stderr: bytes, reason: str) -> GitError:
        """Returns the error for a command that failed: a lock that another git holds, or the reason."""
        if not _is_locked(stderr):
            return GitError(self.folder, arguments, reason)
        named = _LOCK_NAME.search(os.fsdecode(stderr))
        lock = None if named is None else self.folder / (named[1] or f"{named[2]}.lock")
        return GitLockedError(self.folder, arguments, reason, lock=lock)

    def _start(
        self, arguments: tuple[str, ...], stdin: bytes | None, environment: Mapping[str, str], held: int | None
    ) -> tuple[int, bytes, bytes]:
        try:
            with self.program(arguments, environment, held) as process:
                try:
                    stdout, stderr = process.communicate(stdin or b"", timeout=TIMEOUT_S)
                finally:
                    if process.returncode is None:
                        end_group(process)
        except subprocess.TimeoutExpired as error:
            raise GitError(self.folder, arguments, _too_long()) from error
        except LostStatusError as error:
            raise GitError(self.folder, arguments, error.problem) from error
        return process.returncode, stdout, stderr

    def program(
        self, arguments: tuple[str, ...], environment: Mapping[str, str] | None = None, held: int | None = None
    ) -> subprocess.Popen[bytes]:
        """Starts one command, which the caller talks to and ends; arguments and errors as `run`."""
        settings = [part for setting in self._settings for part in ("-c", setting)]
        place = {"GIT_DIR": str(self.git_dir), "GIT_WORK_TREE": str(self.folder)} if self.git_dir else {}
        inherited = {
            name: value for name, value in os.environ.items() if name in _KEPT or not name.startswith("GIT_")
        }
        try:
            return Child(
                ["git", "--no-pager", *settings, *arguments],
                cwd=self.folder,
                env={**inherited, **_ENVIRONMENT, **place, **(environment or {})},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=() if held is None else (held,),
                process_group=0,  # its hooks are in it, too
            )
        except (OSError, ValueError) as error:
            raise GitError(self.folder, arguments, f"could not be started: {system_words(error)}") from error


@contextmanager
def time_limit(process: subprocess.Popen[bytes]) -> Iterator[threading.Event]:
    """Ends a process that is not done within `TIMEOUT_S`, so that reading its output ends, too; yields if it did."""
    passed = threading.Event()

    def end() -> None:
        passed.set()
        end_group(process)

    timer = threading.Timer(TIMEOUT_S, end)
    timer.daemon = True
    timer.start()
    try:
        yield passed
    finally:
        timer.cancel()


def _too_long() -> str:
    return f"did not end within {TIMEOUT_S:.0f} s"


def identity_beside(settings: Collection[str]) -> dict[str, str]:
    """Returns variables that name an author, without what these settings of the user name."""
    return {
        f"GIT_{role}_{part.upper()}": default
        for part, default in _IDENTITY.items()
        if f"user.{part}" not in settings
        for role in ("AUTHOR", "COMMITTER")
    }


def _beginning(asked: IO[bytes], said: IO[bytes], blob: str, count: int) -> bytes:
    """Returns the first bytes of one file from a `git cat-file --batch`, and reads the rest.

    Raises:
        OSError: It gives no such file.
    """
    asked.write(f"{blob}\n".encode())
    asked.flush()
    header = said.readline().split()
    if len(header) != 3 or header[1] != b"blob":
        raise OSError(f"it has no file {blob}")
    size = int(header[2])
    first = said.read(min(size, count))
    left = size + 1 - len(first)  # a line end follows
    while left and (part := said.read(min(left, _PART_BYTES))):
        left -= len(part)
    return first


class Output:
    """The answer of one git command.

    Attributes:
        status: the exit status.
        data: the standard output, as bytes; file names need not be UTF-8.
        errors: the standard error.
    """

    def __init__(self, status: int, data: bytes, errors: bytes = b"") -> None:
        self.status = status
        self.data = data
        self.errors = errors

    @property
    def text(self) -> str:
        """The standard output without the line end; bytes that are not UTF-8 survive as surrogates."""
        return os.fsdecode(self.data).rstrip("\n")

    @property
    def fields(self) -> list[str]:
        """The standard output of a command with `-z`, split at its NUL bytes."""
        return [os.fsdecode(field) for field in self.data.split(b"\0") if field]


@cache
def _version(program: str | None, folder: Path) -> str:
    """Returns the version of the git program, such as `2.39.5`; `folder` is for an error."""
    said = Git(folder).text("version")
    found = re.search(r"\d+\.\d+(\.\d+)*", said)
    if found is None:
        raise GitError(folder, ("version",), f"{program} is not git: it says {said!r}")
    return found[0]


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Ends a process and all in its group, such as git and its hooks; git removes its lock files if it may."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired, LostStatusError):  # nobody asks for the status of what was ended
            process.wait(_GRACE_S)
        os.killpg(process.pid, signal.SIGKILL)  # what it started may outlive a polite process


def _is_locked(stderr: bytes) -> bool:
    said = os.fsdecode(stderr).lower()
    return any(sign in said for sign in _LOCKED) and "file exists" in said


def _lock_of_ours(stderr: bytes) -> Path | None:
    """Returns the lock that git names if it is on a ref that no other program writes.

    One that outlasts the wait was left by a git that was killed.
    """
    named = re.search(r"'(/.+)\.lock': File exists", os.fsdecode(stderr))
    if named is None:
        return None
    _, in_heads, branch = named[1].rpartition("/refs/heads/")
    is_ours = is_branch_of_run(branch) if in_heads else "/refs/aurora/" in named[1]
    return Path(f"{named[1]}.lock") if is_ours else None


def _is_removed_as_stale(lock: Path) -> bool:
    """Removes a lock that a killed git has left; one that is gone, or younger than the wait, is none.

    A git may make a lock while others wait already, and be killed then.

    Raises:
        OSError: It cannot be removed.
    """
    try:
        stale = time.time() - lock.stat().st_mtime >= LOCK_WAIT_S
        if stale:
            lock.unlink()
    except FileNotFoundError:
        return False
    return stale


def _reason(stderr: bytes, stdout: bytes, status: int) -> str:
    said = os.fsdecode(stderr).strip() or os.fsdecode(stdout).strip()
    return said or f"exit status {status}"
