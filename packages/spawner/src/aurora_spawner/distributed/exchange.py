"""The git repository of a pool, through which trees travel: its refs are written once, and deleted once merged.

ExchangeError
├── ExchangeUnreachableError   it cannot be reached now, or is full: worth another try
├── PushRefusedError           the ref is there already with another commit, or a hook refuses it: never worth one
└── MissingTreeError           it does not have the ref, or the ref is another commit than the queue says
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from aurora_spawner.errors import SpawnerError
from aurora_spawner.workspaces.errors import GitError
from aurora_spawner.workspaces.names import slug

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from aurora_spawner.workspaces.git import Git

    Answer = TypeVar("Answer")

PROTOCOLS: Final = "file:https:ssh"
"""Transports that git may use: none that starts another program, and none in the clear."""
REFS: Final = "refs/aurora/"
GIVE_UP_AFTER_S: Final = 600.0
"""The time for which a repository that cannot be reached is tried again."""
_STARTS: Final = "START"
"""Stands where results have their task; no slug of a task has capital letters."""
_SETTINGS: Final = {
    "fetch.fsckObjects": "false",  # the history of a project may be older than git's rules
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": "60",
    "push.followTags": "false",
}
_SSH: Final = "ssh -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15"
_MISSING: Final = ("rev-list", "--max-count=1")
"""With `--all` in place of a glob of refs it looks into every worktree, and fails while one is being made."""
_FULL: Final = ("unpacker error", "no space left", "quota exceeded")


class ExchangeError(SpawnerError):
    """A tree cannot travel."""


class ExchangeUnreachableError(ExchangeError):
    """The repository of a pool cannot be reached now, or is full."""


class PushRefusedError(ExchangeError):
    """The repository of a pool refuses a ref: it has it with another commit, or one of its hooks says no."""


class MissingTreeError(ExchangeError):
    """The repository of a pool does not have a commit where the queue says that it is."""


def start_ref(run_id: str, commit: str) -> str:
    """Returns the ref that carries the commit which attempts of a run start from."""
    return f"{REFS}{run_id}/{_STARTS}/{commit}"


def result_ref(run_id: str, task_id: str, number: int, fence: int) -> str:
    """Returns the ref that carries the work of an attempt; a worker that takes it over writes another one."""
    return f"{REFS}{run_id}/{slug(task_id)}/{number}/{fence}"


class TreeExchange(Protocol):
    """A place of refs that both sides reach; each call raises what that of `Exchange` does."""

    def push_new(self, git: Git, commit: str, ref: str) -> None:
        """Writes a ref that must not be there yet; one that is there with the same commit is left alone."""
        ...

    def commit_at(self, git: Git, ref: str) -> str:
        """Returns the commit of a ref; empty if there is none."""
        ...

    def refs(self, git: Git, pattern: str) -> dict[str, str]:
        """Returns the commits of the refs that match a pattern of git's, by ref."""
        ...

    def fetch(self, git: Git, ref: str, commit: str, *, checked: bool = False) -> None:
        """Brings a commit here; no ref of this repository changes."""
        ...

    def delete(self, git: Git, refs: dict[str, str]) -> None:
        """Deletes refs that still have these commits."""
        ...


@dataclass(frozen=True, slots=True)
class Exchange:
    """A repository that the coordinator and the workers of a pool reach; all calls of git are bounded in time."""

    address: str
    """A path or an address; it is in no row and no journal, since it may be private."""

    def push_new(self, git: Git, commit: str, ref: str) -> None:
        """Writes a ref that must not be there yet; one that is there with the same commit is left alone.

        Raises:
            PushRefusedError: It is there with another commit, or the repository does not want it.
            ExchangeUnreachableError: The repository cannot be reached, or is full.
        """
        said = self._push(git, f"--force-with-lease={ref}:", f"{commit}:{ref}")
        refused = [line for line in said.splitlines() if line.startswith("!")]
        if not refused or self.commit_at(git, ref) == commit:  # of a git that outlived its worker
            return
        reason = refused[0].rpartition("\t")[2]
        if any(sign in said.lower() for sign in _FULL):
            raise ExchangeUnreachableError(f"the pool's repository cannot store {ref}: {reason}")
        raise PushRefusedError(f"the pool's repository refuses {ref}: {reason}")

    def commit_at(self, git: Git, ref: str) -> str:
        """Returns the commit of a ref; empty if there is none.

        Raises:
            ExchangeUnreachableError: The repository cannot be reached.
        """
        return self.refs(git, ref).get(ref, "")

    def refs(self, git: Git, pattern: str) -> dict[str, str]:
        """Returns the commits of the refs that match a pattern of git's, by ref.

        Raises:
            ExchangeUnreachableError: The repository cannot be reached.
        """
        lines = self._run(git, "ls-remote", "--", self.address, pattern).splitlines()
        return {ref: commit for commit, _, ref in (line.partition("\t") for line in lines)}

    def fetch(self, git: Git, ref: str, commit: str, *, checked: bool = False) -> None:
        """Brings a commit here; no ref of this repository changes.

        Args:
            checked: What is new is checked to be what git itself could have made.

        Raises:
            MissingTreeError: The ref is not there, or is another commit.
            ExchangeUnreachableError: The repository cannot be reached, or the disk here is full.
        """
        found = self.commit_at(git, ref)
        if found != commit:
            problem = f"is {found[:12]}" if found else "does not exist"
            raise MissingTreeError(f"{ref} of the pool's repository {problem}, and should be {commit[:12]}")
        if git.commit_of(commit) == commit and not git.text(*_MISSING, commit, "--not", "--glob=*"):
            return
        how = ("--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance", "--quiet")
        self._run(git, "fetch", *how, "--", self.address, ref, settings={"fetch.fsckObjects": str(checked).lower()})

    def delete(self, git: Git, refs: dict[str, str]) -> None:
        """Deletes refs that still have these commits.

        Raises:
            ExchangeUnreachableError: The repository cannot be reached.
        """
        if refs:
            leases = (f"--force-with-lease={ref}:{commit}" for ref, commit in refs.items())
            self._push(git, *leases, *(f":{ref}" for ref in refs))

    def _push(self, git: Git, *arguments: str) -> str:
        leases = [each for each in arguments if each.startswith("--")]
        refspecs = [each for each in arguments if not each.startswith("--")]
        how = ("--porcelain", "--no-verify", "--no-signed", "--recurse-submodules=no")
        return self._run(git, "push", *how, *leases, "--", self.address, *refspecs, accepted=(0, 1))

    def _run(
        self,
        git: Git,
        *arguments: str,
        settings: dict[str, str] | None = None,
        accepted: Collection[int] = (0,),
    ) -> str:
        try:
            out = git.run(*arguments, environment=_environment({**_SETTINGS, **(settings or {})}), accepted=accepted)
        except GitError as error:
            reason = error.reason.replace(self.address, "…")
            raise ExchangeUnreachableError(f"git {arguments[0]} of the pool's repository: {reason}") from error
        if out.status and not any(line.startswith("!") for line in out.text.splitlines()):
            reason = os.fsdecode(out.errors).strip().replace(self.address, "…")
            raise ExchangeUnreachableError(f"git {arguments[0]} of the pool's repository: {reason}")
        return f"{out.text}\n{os.fsdecode(out.errors)}" if out.status else out.text


def _environment(settings: dict[str, str]) -> dict[str, str]:
    numbered = {f"GIT_CONFIG_KEY_{index}": name for index, name in enumerate(settings)}
    numbered |= {f"GIT_CONFIG_VALUE_{index}": value for index, value in enumerate(settings.values())}
    return {
        **numbered,
        "GIT_CONFIG_COUNT": str(len(settings)),
        "GIT_ALLOW_PROTOCOL": PROTOCOLS,
        "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", _SSH),
    }


async def until_carried(
    call: Callable[[], Answer],
    *,
    within_s: float = GIVE_UP_AFTER_S,
    stopped: Callable[[], bool] = lambda: False,
    tell: Callable[[str], None],
) -> Answer:
    """Repeats a call, each in a thread, while the repository cannot be reached.

    Args:
        within_s: The time after which the last problem is raised.
        stopped: True raises the last problem at once.
        tell: Receives the first problem.

    Raises:
        ExchangeUnreachableError: It could not be reached for that long.
        ExchangeError: Another try makes no sense.
    """
    end, pause_s, told = time.monotonic() + within_s, 0.2, False
    while True:
        try:
            return await asyncio.to_thread(call)
        except ExchangeUnreachableError as error:
            if time.monotonic() + pause_s > end or stopped():
                raise
            if not told:
                tell(f"{error}; trying again")
            told = True
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(5.0, pause_s * 2)
