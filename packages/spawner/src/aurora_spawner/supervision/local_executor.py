"""Attempts as supervised processes of this machine."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import math
import os
import signal
import stat
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from aurora_spawner.attempts.attempt_folder import DEFAULT_CAP_BYTES, AttemptFolder, ExitRecord, is_pid, read_output
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder, RunningAttempt
from aurora_spawner.attempts.process_identity import boot_id, identify
from aurora_spawner.errors import AttemptRecordError, SpawnerError
from aurora_spawner.supervision.cgroups import cgroup_for, end_cgroup
from aurora_spawner.supervision.fork_server import Nursery
from aurora_spawner.supervision.orphans import end_strays, end_with_all_below
from aurora_spawner.supervision.programs import find_on_path
from aurora_spawner.supervision.supervisor_limits import Patience
from aurora_spawner.supervision.supervisor_process import (
    LIFELINE,
    SupervisorOrder,
    reap,
    signal_process,
    wait_for_end,
)

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner.attempts.process_identity import ProcessIdentity

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
        self._patience: dict[str, Patience] = {}
        """With the supervisors of attempts that have not been collected, by token."""

    async def start(self, order: AttemptOrder) -> RunningAttempt:
        """Prepares the folder and starts a supervisor."""
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
                prompt_on_stdin=order.prompt_on_stdin,
            )
        )
        deadline_at = None if order.deadline_s is None else time.monotonic() + order.deadline_s
        self._patience_with(order.token).expect_by_deadline(deadline_at)
        return RunningAttempt(token=order.token, folder=order.folder, supervisor=supervisor)

    def close(self) -> None:
        """Lets go of what the executor keeps for itself; attempts stay as they are."""
        if self._nursery is not None:
            self._nursery.close()
            self._nursery = None
        for descriptor in self._lifeline or ():
            os.close(descriptor)
        self._lifeline = None

    async def collect(self, attempt: RunningAttempt) -> AttemptEnd:
        """Waits for the supervisor, which ends last, and reads its record; if it is late, end everything by force."""
        patience = self._patience_with(attempt.token)
        files = AttemptFolder(path=attempt.folder)
        try:
            survivors = await self._see_end(attempt.supervisor, patience)
            owner = None if files.exit.exists() else self._claimed_by(files)
            if owner is not None:  # the nursery died before its answer: what we followed had come second
                survivors += await self._see_end(owner, patience)
            return await self._harvest(files, attempt.token, patience, survivors)
        finally:
            self._patience.pop(attempt.token, None)

    async def _see_end(self, supervisor: ProcessIdentity, patience: Patience) -> list[int]:
        """Returns once a supervisor has ended, by itself or by force; returns what not even force could end."""
        if await patience.outlasts(wait_for_end(supervisor)):
            return []
        if not patience.late:
            signal_process(supervisor, signal.SIGCONT)
            patience.expect_end(time.monotonic(), cancelled=False)
            if await patience.outlasts(wait_for_end(supervisor)):
                return []
        survivors = await asyncio.to_thread(end_with_all_below, supervisor)
        reap(supervisor)
        return survivors

    def _patience_with(self, token: str) -> Patience:
        return self._patience.setdefault(token, Patience(grace_s=self._grace_s))

    def cancel(self, attempt: RunningAttempt, *, at_once: bool) -> None:
        """Signals the supervisor; it ends the agent and everything below."""
        number = signal.SIGINT if at_once else signal.SIGTERM
        owner = self._claimed_by(AttemptFolder(path=attempt.folder)) or attempt.supervisor
        if signal_process(owner, number):
            self._patience_with(attempt.token).expect_end(time.monotonic(), at_once=at_once)

    async def adopt(
        self, *, token: str, folder: Path, supervisor: ProcessIdentity | None
    ) -> RunningAttempt | AttemptEnd:
        """Finds the supervisor, or else what it left, or else keep it from beginning."""
        files = AttemptFolder(path=folder)
        if supervisor is None or not supervisor.alive():
            if files.gone:  # what was said in it is lost, and what works without it is ended
                lost = await asyncio.to_thread(self._clear_up, files, token, EndReason.FOLDER_REMOVED, [])
                voided = supervisor is None and files.void(token)
                return replace(lost, reason=EndReason.VOIDED) if voided else lost
            if not files.claim.exists() and files.void(token):
                return AttemptEnd(reason=EndReason.VOIDED)
            supervisor = self._claimed_by(files)
        if supervisor is not None and supervisor.alive():
            self._patience_with(token).expect_by_deadline(self._deadline_of(files))
            signal_process(supervisor, signal.SIGCONT)  # nobody has woken it since its coordinator died
            return RunningAttempt(token=token, folder=folder, supervisor=supervisor)
        return await self._harvest(files, token, Patience(grace_s=self._grace_s), [])

    def _deadline_of(self, files: AttemptFolder) -> float | None:
        """When an attempt that another coordinator began is out of time, on this boot's monotonic clock."""
        try:
            at = files.read_claim().get("deadline_at")
        except AttemptRecordError:
            return None
        return at if isinstance(at, float) and math.isfinite(at) else None

    def _claimed_by(self, files: AttemptFolder) -> ProcessIdentity | None:
        """The supervisor that claimed the attempt, if it still runs."""
        try:
            claim = files.read_claim()
        except AttemptRecordError:
            return None
        pid = claim.get("pid")
        process = identify(pid) if is_pid(pid) else None
        same_start = process is not None and claim.get("start_time") in (0, process.start_time)
        same_boot = process is not None and claim.get("boot_id") in ("", process.boot_id)
        return process if same_start and same_boot else None

    async def _harvest(
        self, files: AttemptFolder, token: str, patience: Patience, survivors: list[int]
    ) -> AttemptEnd:
        """Reads what an ended attempt left; where its supervisor was killed, end what that left running."""
        try:
            record = files.read_exit()
        except AttemptRecordError:
            record = None
        if record is None or record.token != token:
            if self._nursery is not None:
                survivors += await self._nursery.end_left()
            reason = EndReason.SUPERVISOR_LOST if files.path.exists() else EndReason.FOLDER_REMOVED
            if patience.late:  # it was given up
                reason = EndReason.CANCELLED if patience.cancelled else EndReason.DEADLINE
            return await asyncio.to_thread(self._clear_up, files, token, reason, survivors)
        if record.stdout_bytes + record.stderr_bytes > INLINE_READ_BYTES:
            return await asyncio.to_thread(self._end_of, files, record)
        return self._end_of(files, record)

    def _end_of(self, files: AttemptFolder, record: ExitRecord) -> AttemptEnd:
        return AttemptEnd(
            reason=EndReason(record.reason),
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

    def _clear_up(self, files: AttemptFolder, token: str, reason: EndReason, survivors: list[int]) -> AttemptEnd:
        cgroup = cgroup_for(token)
        left = end_cgroup(cgroup) if cgroup else []
        left += end_strays(token, session=files.read_agent_pid(), known=self._left_of(files))
        kept = _size(files.stdout)
        began = files.began_at()
        return AttemptEnd(
            reason=reason,
            started_at=began,
            ended_at=time.time(),
            duration_s=0.0 if began is None else max(0.0, time.time() - began),
            stdout=read_output(files.stdout, total=kept, cap=self._cap_bytes),
            stderr=read_output(
                files.stderr, total=_size(files.stderr), cap=self._cap_bytes, limit=STDERR_LIMIT_BYTES
            ),
            stdout_bytes=kept,
            stdout_path=files.stdout,
            survivors=tuple(sorted({*survivors, *left})),
        )

    def _left_of(self, files: AttemptFolder) -> dict[int, int]:
        """What a supervisor wrote down before it was killed, in this boot of the machine."""
        try:
            same_boot = files.read_claim().get("boot_id") in ("", boot_id())
        except AttemptRecordError:
            same_boot = False
        return files.read_left() if same_boot else {}


def _size(path: Path) -> int:
    try:
        found = path.stat()
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


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
