"""The executor of a run on several pools: each attempt goes to the one that its task names, or to that of the run."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_spawner.errors import SpawnerError
from aurora_spawner.storage.private_files import make_private_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder, Executor, RunningAttempt
    from aurora_spawner.attempts.process_identity import ProcessIdentity

_POOL: Final = "pool"
"""The file in an attempt's folder that names its pool, and the host behind it, for the next coordinator."""


class PoolChangedError(SpawnerError):
    """A pool is another machine by now than the one that has an attempt, which nobody else may answer for."""


@dataclass(slots=True, kw_only=True)
class PoolsExecutor:
    """Runs attempts on pools, each with an executor of its own."""

    pool: str
    """That of the run."""
    hosts: Mapping[str, str]
    """The addresses of those that are hosts over ssh, by name."""
    executor: Callable[[str], Executor]
    """Builds the executor of a pool."""
    _executors: dict[str, Executor] = field(default_factory=dict)
    _by_token: dict[str, Executor] = field(default_factory=dict)

    async def start(self, order: AttemptOrder) -> RunningAttempt:
        """Starts an attempt on its pool, as that pool's executor does."""
        name = order.pool or self.pool
        _write_pool(order.folder, name, self.hosts.get(name, ""))
        executor = self._by_token[order.token] = self._of(name)
        return await executor.start(order)

    async def collect(self, attempt: RunningAttempt) -> AttemptEnd:
        """Waits for the end of an attempt on its pool."""
        end = await self._by_token[attempt.token].collect(attempt)
        self._by_token.pop(attempt.token, None)
        return end

    def cancel(self, attempt: RunningAttempt, *, at_once: bool) -> None:
        """Asks for the end of an attempt on its pool."""
        if executor := self._by_token.get(attempt.token):
            executor.cancel(attempt, at_once=at_once)

    def suspend_deadline(self, attempt: RunningAttempt) -> None:
        """Changes nothing: agents of a pool do not ask a person."""

    def continue_deadline(self, attempt: RunningAttempt) -> None:
        """Changes nothing, as `suspend_deadline`."""

    def close(self) -> None:
        """Closes all executors; attempts continue."""
        for executor in self._executors.values():
            executor.close()

    async def adopt(
        self, *, token: str, folder: Path, supervisor: ProcessIdentity | None
    ) -> RunningAttempt | AttemptEnd:
        """Takes over an attempt of another coordinator on the pool that its folder names.

        Raises:
            PoolChangedError: That pool is another machine by now.
        """
        name, host = _read_pool(folder) or (self.pool, self.hosts.get(self.pool, ""))
        if self.hosts.get(name, "") != host:
            problem = f"an attempt was sent to {host or 'workers'} as pool {name}, which now means something else"
            raise PoolChangedError(f"{problem}; restore the old setting, so that the attempt can be found")
        executor = self._by_token[token] = self._of(name)
        return await executor.adopt(token=token, folder=folder, supervisor=supervisor)

    def _of(self, name: str) -> Executor:
        """Returns the executor of a pool, which carries trees through the repository of that pool."""
        if name not in self._executors:
            self._executors[name] = self.executor(name)
        return self._executors[name]


def _write_pool(folder: Path, name: str, host: str) -> None:
    make_private_folder(folder)
    descriptor = os.open(folder / _POOL, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{name}\n{host}")


def _read_pool(folder: Path) -> tuple[str, str] | None:
    """Returns the pool of an attempt, and its host; None if that is not written down, so that it was never sent."""
    try:
        name, _, host = (folder / _POOL).read_text(encoding="utf-8").partition("\n")
    except OSError:
        return None
    return name, host
