"""A coordinator in this process, and a host behind a real sshd on loopback: this machine with another home folder."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil
from tests.spawner.workspaces.repository import Repository, make_repository

from aurora_spawner import CommandBackend, Run, RunOptions
from aurora_spawner.attempts.executor import AttemptOrder
from aurora_spawner.distributed.ssh.bundle_exchange import BundleExchange
from aurora_spawner.distributed.ssh.destination import Destination
from aurora_spawner.distributed.ssh.executor import SshExecutor
from aurora_spawner.supervision.environment import TOKEN_VARIABLE
from aurora_spawner.workspaces.isolation import MergeMode, isolation_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.ssh_server import SshServer

    from aurora_spawner import SpawnTask

BACKENDS: Mapping[str, CommandBackend] = {"sh": CommandBackend("sh", ("sh",)), "no": CommandBackend("no", ("sh",))}
CONFIG = "backends:\n  sh: {kind: command, command: [sh]}\n"


@dataclass(slots=True)
class SshSite:
    """A project here, and one of the same name on the host."""

    folder: Path
    server: SshServer
    project: Repository
    lines: list[str] = field(default_factory=list)
    """What the executors have told."""
    executors: list[SshExecutor] = field(default_factory=list)

    @classmethod
    def make(cls, folder: Path, server: SshServer, files: dict[str, str | None]) -> SshSite:
        there = folder / "there"
        (there / ".aurora").mkdir(parents=True)
        (there / ".aurora" / "config.yaml").write_text(CONFIG)
        return cls(folder, server, make_repository(folder / "project", files))

    @property
    def destination(self) -> Destination:
        return Destination(
            address="far",
            port=self.server.port,
            folder=str(self.folder / "there"),
            program=self.server.program,
            answer_within_s=30.0,
        )

    @property
    def exchange(self) -> BundleExchange:
        return BundleExchange(self.destination)

    @property
    def place(self) -> Path:
        """The folder of attempts and trees on the host."""
        return self.server.home / ".config" / "aurora" / "workers" / "over-ssh"

    def executor(self, *, concurrency: int = 4) -> SshExecutor:
        made = SshExecutor(
            pool="far",
            destination=self.destination,
            concurrency=concurrency,
            tell=self.lines.append,
        )
        self.executors.append(made)
        return made

    def order(self, prompt: str, *, agent: str = "sh", number: int = 1, labels: tuple[str, ...] = ()) -> AttemptOrder:
        return AttemptOrder(
            run_id=self.folder.name,
            task_id="1",
            number=number,
            agent=agent,
            token=f"token-{os.urandom(6).hex()}",
            folder=self.folder / "spool" / f"00001-1-{number}",
            prompt=prompt,
            command=("never", "sent"),
            environment={"SECRET": "stays here"},
            cwd=self.folder,
            deadline_s=None,
            labels=labels,
        )

    @contextlib.contextmanager
    def executing(self) -> Iterator[SshExecutor]:
        executor = self.executor()
        try:
            yield executor
        finally:
            executor.close()

    def options(self, *, isolated: bool, concurrency: int = 4) -> RunOptions:
        isolation = None
        if isolated:
            isolation = isolation_of(self.project.path, home=self.folder / "worktrees", merge=MergeMode.AUTO)[0]
        return RunOptions(
            default_agent="sh",
            cwd=self.project.path,
            spool=self.folder / "spool",
            isolation=isolation,
            executor=self.executor(concurrency=concurrency),
            pool="far",
        )

    def run(self, *tasks: SpawnTask, isolated: bool = False, concurrency: int = 4) -> Run:
        options = self.options(isolated=isolated, concurrency=concurrency)
        return Run.create(self.folder / "runs.db", tasks, BACKENDS, options)

    def numbered(self) -> str:
        """Returns the beginning of a script that counts its starts."""
        return f"echo x >> {self.folder}/starts;"

    @property
    def starts(self) -> int:
        file = self.folder / "starts"
        return file.read_text().count("x") if file.exists() else 0


async def until(true: Callable[[], object], *, within_s: float = 40.0) -> None:
    end = asyncio.get_running_loop().time() + within_s
    while not true():
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.02)


def agents_of(token: str) -> list[psutil.Process]:
    """Returns the processes of an attempt that are left."""
    found = []
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if each.environ().get(TOKEN_VARIABLE) == token and each.status() != psutil.STATUS_ZOMBIE:
                found.append(each)
    return found


def supervisor_of(site: SshSite, token: str) -> int:
    """Returns the pid of the supervisor of an attempt on the host."""
    return int(json.loads((site.place / "attempts" / token / "claim").read_text())["pid"])
