"""A coordinator and workers of a pool over a real PostgreSQL and a bare repository, each with folders of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, LiteralString, cast

import psycopg
from tests.spawner.workspaces.repository import Repository, make_repository

from aurora_spawner import CommandBackend, Run, RunOptions
from aurora_spawner.distributed.beats import LeaseTimes
from aurora_spawner.distributed.exchange import Exchange
from aurora_spawner.distributed.pool_executor import PoolExecutor
from aurora_spawner.distributed.pool_trees import PoolTrees
from aurora_spawner.distributed.worker import Worker
from aurora_spawner.distributed.worker_options import WorkerOptions
from aurora_spawner.distributed.worker_place import WorkerPlace
from aurora_spawner.distributed.worker_trees import WorkerTrees
from aurora_spawner.recovery.policy import RecoveryPolicy
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.workspaces.isolation import MergeMode, isolation_of, with_snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from aurora_spawner import Backend, SpawnTask
    from aurora_spawner.backends.base import AgentBackend
    from aurora_spawner.distributed.worker_preparation import WorkerPreparation
    from aurora_spawner.gates.tool_calls import ToolCallGate

QUICK = LeaseTimes(lease_s=3.0, beat_every_s=0.2)
SH = CommandBackend("sh", ("sh",))
BACKENDS: Mapping[str, CommandBackend] = {"sh": SH}


async def change_rows(url: str, statement: LiteralString) -> None:
    """Changes rows unseen; in a thread, since a worker of this event loop may hold a lock on them."""

    def change() -> None:
        with psycopg.connect(url) as connection:
            connection.execute(statement)

    await asyncio.to_thread(change)


@dataclass(slots=True)
class Site:
    """A project, the repository of its pool, and workers in this process."""

    folder: Path
    url: str
    project: Repository
    carry_within_s: float = 30.0
    backends: Mapping[str, AgentBackend] = field(default_factory=lambda: BACKENDS)
    gate: ToolCallGate | None = None
    """That of its workers."""
    preparation: WorkerPreparation | None = None
    """That of the worktrees of its workers."""
    places: dict[str, WorkerPlace] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path, url: str, files: dict[str, str | None]) -> Site:
        subprocess.run(["git", "init", "--quiet", "--bare", folder / "exchange"], check=True)
        return cls(folder, url, make_repository(folder / "project", files))

    @property
    def exchange(self) -> Exchange:
        return Exchange(str(self.folder / "exchange"))

    def refs(self) -> dict[str, str]:
        """Returns the refs of the pool's repository, without their common beginning."""
        return {ref.removeprefix("refs/aurora/"): commit for ref, commit in self.all_refs().items()}

    def all_refs(self) -> dict[str, str]:
        return self.exchange.refs(self.project.git, "refs/*")

    def results(self) -> list[str]:
        """Returns the refs of results as task/number/fence."""
        return sorted(each.partition("/")[2] for each in self.refs() if "/START/" not in each)

    def executor(self, *, lost_after_s: float = 1.0) -> PoolExecutor:
        trees = PoolTrees(exchange=self.exchange)
        return PoolExecutor(
            pool="p", url=self.url, trees=trees, lost_after_s=lost_after_s, carry_within_s=self.carry_within_s
        )

    def run(self, *tasks: SpawnTask, merge: MergeMode = MergeMode.AUTO, retries: int = 0, dirty: bool = False) -> Run:
        isolation = isolation_of(self.project.path, home=self.folder / "worktrees", merge=merge)[0]
        if dirty:
            isolation = with_snapshot(isolation)
        options = RunOptions(
            default_agent="sh",
            cwd=self.project.path,
            spool=self.folder / "spool",
            isolation=isolation,
            executor=self.executor(),
            recovery=RecoveryPolicy(max_retries=retries, base_delay=0.01) if retries else None,
            pool="p",
        )
        return Run.create(self.folder / "runs.db", tasks, cast("Mapping[str, Backend]", self.backends), options)

    def worker(self, name: str, lines: list[str], *, trees: bool = True) -> Worker:
        if name not in self.places:  # else its next process, in this one
            self.places[name] = WorkerPlace.locked(self.folder / name)
        place = self.places[name]
        options = WorkerOptions(
            name=name,
            pool="p",
            concurrency=4,
            cwd=self.folder,
            backends=self.backends,
            gate=self.gate,
            executor=lambda _sandbox: LocalExecutor(grace_s=0.5),
            environ=dict(os.environ),
            times=QUICK,
            trees=WorkerTrees(folder=place.path / "trees", exchange=self.exchange, preparation=self.preparation)
            if trees
            else None,
            carry_within_s=self.carry_within_s,
            clean_every_s=0.3,
        )
        return Worker(options, place=place, url=self.url, tell=lines.append)

    @contextlib.asynccontextmanager
    async def working(self, *names: str, killed: bool = False) -> AsyncIterator[list[str]]:
        """Workers that drain at the end, or are left as if killed; yields what they say."""
        lines: list[str] = []
        workers = [self.worker(name, lines) for name in names]
        running = [asyncio.create_task(each.run()) for each in workers]
        try:
            yield lines
        finally:
            for worker, each in zip(workers, running, strict=True):
                each.cancel() if killed else worker.drain()
            await asyncio.gather(*running, return_exceptions=True)

    def kept(self, name: str) -> list[str]:
        """Returns the folders of the worktrees that a worker has."""
        found = (self.folder / name / "trees" / "worktrees").glob("*/*/*")
        return sorted(each.name for each in found if each.is_dir() and not each.name.startswith("."))
