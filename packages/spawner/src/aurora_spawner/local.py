"""Attempts as supervised processes of this machine."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

from aurora_spawner.cgroups import cgroup_for, end_cgroup
from aurora_spawner.errors import AttemptRecordError, SpawnerError
from aurora_spawner.executor import FOLDER_REMOVED, AttemptEnd, AttemptOrder, RunningAttempt
from aurora_spawner.identity import identify
from aurora_spawner.nursery import Nursery
from aurora_spawner.processes import LIFELINE, SupervisorOrder, signal_process, wait_for_end
from aurora_spawner.programs import find_on_path
from aurora_spawner.spool import DEFAULT_CAP_BYTES, AttemptFolder, ExitRecord, read_output
from aurora_spawner.strays import end_strays

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner.identity import ProcessIdentity

GRACE_S = 5.0
STDERR_LIMIT_BYTES = 64 << 10
INLINE_READ_BYTES = 256 << 10
"""Output up to this is read in the event loop, where a thread would cost more than the reading."""


class LocalExecutor:
    """Runs each attempt under a supervisor process of its own.

    Args:
        outlive: Attempts go on when this process dies, for a resume to adopt them. Without it they end with it,
            however it dies: right where no journal is kept, and so nobody could ever come back for them.

    Raises:
        SpawnerError: This system has no process groups to supervise with.
    """

    def __init__(self, *, grace_s: float = GRACE_S, cap_bytes: int = DEFAULT_CAP_BYTES, outlive: bool = True) -> None:
        if os.name != "posix":
            raise SpawnerError("agents can be supervised on Linux and macOS only; on Windows, use WSL")
        self._grace_s = grace_s
        self._cap_bytes = cap_bytes
        self._nursery: Nursery | None = None
        self._lifeline: tuple[int, int] | None = None
        """Both ends of a pipe; the second is closed by the death of this process, too."""
        self._outlive = outlive

    async def start(self, order: AttemptOrder) -> RunningAttempt:
        """Prepare the folder and start a supervisor."""
        launching = asyncio.ensure_future(self._launch(order))
        try:
            return await asyncio.shield(launching)
        except asyncio.CancelledError:
            running = await launching
            self.cancel(running, at_once=True)
            await self.collect(running)
            raise

    async def _launch(self, order: AttemptOrder) -> RunningAttempt:
        AttemptFolder(path=order.folder).prepare(order.prompt, order.files)
        if self._nursery is None:
            self._nursery = Nursery()
            self._lifeline = None if self._outlive else _pipe_above_the_fixed()
        supervisor = await self._nursery.start(
            SupervisorOrder(
                folder=order.folder,
                token=order.token,
                deadline_s=order.deadline_s,
                grace_s=self._grace_s,
                cap_bytes=self._cap_bytes,
                cwd=order.cwd,
                cgroup=cgroup_for(order.token),
                program=_program_of(order),
                command=order.command,
                environment=order.environment,
                lifeline=self._lifeline[0] if self._lifeline else None,
            )
        )
        return RunningAttempt(token=order.token, folder=order.folder, supervisor=supervisor)

    def close(self) -> None:
        """Let go of what the executor keeps for itself; attempts stay as they are."""
        if self._nursery is not None:
            self._nursery.close()
            self._nursery = None
        for descriptor in self._lifeline or ():
            os.close(descriptor)
        self._lifeline = None

    async def collect(self, attempt: RunningAttempt) -> AttemptEnd:
        """Wait for the supervisor, which ends last, and read its record."""
        await wait_for_end(attempt.supervisor)
        files = AttemptFolder(path=attempt.folder)
        owner = None if files.exit.exists() else self._claimed_by(files)
        if owner is not None:  # the nursery died before its answer: what we followed had come second
            await wait_for_end(owner)
        return await self._harvest(attempt.folder, attempt.token)

    def cancel(self, attempt: RunningAttempt, *, at_once: bool) -> None:
        """Signal the supervisor; it ends the agent and everything below."""
        number = signal.SIGINT if at_once else signal.SIGTERM
        owner = self._claimed_by(AttemptFolder(path=attempt.folder)) or attempt.supervisor
        signal_process(owner, number)

    async def adopt(
        self, *, token: str, folder: Path, supervisor: ProcessIdentity | None
    ) -> RunningAttempt | AttemptEnd:
        """Find the supervisor, or else what it left, or else keep it from beginning."""
        files = AttemptFolder(path=folder)
        if supervisor is None or not supervisor.alive():
            if files.gone:  # what was said in it is lost, and what works without it is ended
                lost = await asyncio.to_thread(self._clear_up, files, token)
                return lost if supervisor is not None or not files.void(token) else replace(lost, reason="voided")
            if not files.claim.exists() and files.void(token):
                return AttemptEnd(reason="voided")
            supervisor = self._claimed_by(files)
        if supervisor is not None and supervisor.alive():
            return RunningAttempt(token=token, folder=folder, supervisor=supervisor)
        return await self._harvest(folder, token)

    def _claimed_by(self, files: AttemptFolder) -> ProcessIdentity | None:
        """The supervisor that claimed the attempt, if it still runs."""
        try:
            claim = files.read_claim()
        except AttemptRecordError:
            return None
        pid = claim.get("pid")
        process = identify(pid) if isinstance(pid, int) and pid > 0 else None
        same_start = process is not None and claim.get("start_time") in (0, process.start_time)
        same_boot = process is not None and claim.get("boot_id") in ("", process.boot_id)
        return process if same_start and same_boot else None

    async def _harvest(self, folder: Path, token: str) -> AttemptEnd:
        """Read what an ended attempt left; where its supervisor was killed, end what that left running."""
        files = AttemptFolder(path=folder)
        try:
            record = files.read_exit()
        except AttemptRecordError:
            record = None
        if record is None:
            return await asyncio.to_thread(self._clear_up, files, token)
        if record.stdout_bytes + record.stderr_bytes > INLINE_READ_BYTES:
            return await asyncio.to_thread(self._end_of, files, record)
        return self._end_of(files, record)

    def _end_of(self, files: AttemptFolder, record: ExitRecord) -> AttemptEnd:
        return AttemptEnd(
            reason=record.reason,
            exit_code=record.exit_code,
            exec_errno=record.exec_errno,
            started_at=record.started_at,
            ended_at=record.ended_at,
            duration_s=record.duration_s,
            stdout=read_output(files.stdout, total=record.stdout_bytes, cap=record.cap_bytes),
            stderr=read_output(
                files.stderr, total=record.stderr_bytes, cap=record.cap_bytes, limit=STDERR_LIMIT_BYTES
            ),
            stdout_bytes=record.stdout_bytes,
            lost_bytes=record.lost_bytes,
            stdout_path=files.stdout,
            survivors=record.survivors,
            record=record.to_json(),
        )

    def _clear_up(self, files: AttemptFolder, token: str) -> AttemptEnd:
        reason = "supervisor_lost" if files.path.exists() else FOLDER_REMOVED
        cgroup = cgroup_for(token)
        survivors = end_cgroup(cgroup) if cgroup else []
        survivors += end_strays(token, session=files.read_agent_pid())
        kept = files.stdout.stat().st_size if files.stdout.exists() else 0
        return AttemptEnd(
            reason=reason,
            stdout=read_output(files.stdout, total=kept, cap=self._cap_bytes),
            stdout_bytes=kept,
            stdout_path=files.stdout,
            survivors=tuple(survivors),
        )


def _program_of(order: AttemptOrder) -> str:
    """The path of the agent's program.

    Raises:
        FileNotFoundError: There is none.
    """
    found = find_on_path(order.command[0], order.environment.get("PATH"))
    if found is None:
        raise FileNotFoundError(errno.ENOENT, "not on PATH", order.command[0])
    return found


def _pipe_above_the_fixed() -> tuple[int, int]:
    """A pipe whose ends are no descriptors that a supervisor gets under a fixed number."""
    ends = os.pipe()
    moved = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, LIFELINE + 1) for end in ends)
    for end in ends:
        os.close(end)
    return moved[0], moved[1]
