"""The local executor: runs attempts as supervised processes of this machine."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import math
import os
import signal
import stat
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from aurora_spawner.attempts.attempt_folder import DEFAULT_CAP_BYTES, AttemptFolder, ExitRecord, is_pid, read_output
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder, RunningAttempt
from aurora_spawner.attempts.process_identity import boot_id, identify
from aurora_spawner.errors import AttemptRecordError, SpawnerError
from aurora_spawner.supervision.cgroups import cgroup_for, end_cgroup
from aurora_spawner.supervision.fork_server import ForkServer
from aurora_spawner.supervision.orphans import end_orphans, kill_process_tree
from aurora_spawner.supervision.programs import find_on_path
from aurora_spawner.supervision.supervisor_deadline import SupervisorDeadline
from aurora_spawner.supervision.supervisor_process import (
    DEATH_PIPE,
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
        detached: Attempts continue when this process dies, and a resume adopts them. False ends them with this
            process, however it dies; use that without a journal, from which alone a run can be resumed.

    Raises:
        SpawnerError: This system has no process groups to supervise with.
    """

    def __init__(
        self, *, grace_s: float = GRACE_S, cap_bytes: int = DEFAULT_CAP_BYTES, detached: bool = True
    ) -> None:
        if os.name != "posix":
            raise SpawnerError("agents can be supervised on Linux and macOS only; on Windows, use WSL")
        self._grace_s = grace_s
        self._cap_bytes = cap_bytes
        self._fork_server: ForkServer | None = None
        self._death_pipe: tuple[int, int] | None = None
        """Both ends of the parent-death pipe; the death of this process closes the second one."""
        self._detached = detached
        self._deadlines: dict[str, SupervisorDeadline] = {}
        """Deadlines of the supervisors whose attempts have not been collected, by token."""

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
        if self._fork_server is None:
            self._fork_server = ForkServer()
            self._death_pipe = None if self._detached else _pipe_above_fixed_descriptors()
        supervisor = await self._fork_server.start(
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
                limits=order.limits,
                death_pipe=self._death_pipe[0] if self._death_pipe else None,
                stdin=_stdin_of(order),
            )
        )
        deadline_at = None if order.deadline_s is None else time.monotonic() + order.deadline_s
        self._supervisor_deadline(order.token).expect_by_deadline(deadline_at)
        return RunningAttempt(token=order.token, folder=order.folder, supervisor=supervisor)

    def close(self) -> None:
        """Closes the fork server and the parent-death pipe; detached attempts continue."""
        if self._fork_server is not None:
            self._fork_server.close()
            self._fork_server = None
        for descriptor in self._death_pipe or ():
            os.close(descriptor)
        self._death_pipe = None

    async def collect(self, attempt: RunningAttempt) -> AttemptEnd:
        """Waits for the supervisor, which ends last, and reads its exit record; kills everything if it is late."""
        deadline = self._supervisor_deadline(attempt.token)
        files = AttemptFolder(path=attempt.folder)
        try:
            survivors = await self._wait_or_kill(attempt.supervisor, deadline)
            owner = None if files.exit.exists() else self._claimed_by(files)
            if owner is not None:  # the fork server died before it answered: we followed a second supervisor
                survivors += await self._wait_or_kill(owner, deadline)
            return await self._harvest(files, attempt.token, deadline, survivors)
        finally:
            self._deadlines.pop(attempt.token, None)

    async def _wait_or_kill(self, supervisor: ProcessIdentity, deadline: SupervisorDeadline) -> list[int]:
        """Waits until a supervisor has ended, and kills it when its time is up; returns the pids that survived."""
        if await deadline.ended_in_time(wait_for_end(supervisor)):
            return []
        if not deadline.late:
            signal_process(supervisor, signal.SIGCONT)
            deadline.expect_end(time.monotonic(), cancelled=False)
            if await deadline.ended_in_time(wait_for_end(supervisor)):
                return []
        survivors = await asyncio.to_thread(kill_process_tree, supervisor)
        reap(supervisor)
        return survivors

    def _supervisor_deadline(self, token: str) -> SupervisorDeadline:
        return self._deadlines.setdefault(token, SupervisorDeadline(grace_s=self._grace_s))

    def cancel(self, attempt: RunningAttempt, *, at_once: bool) -> None:
        """Signals the supervisor, which ends the agent and all its descendants."""
        number = signal.SIGINT if at_once else signal.SIGTERM
        owner = self._claimed_by(AttemptFolder(path=attempt.folder)) or attempt.supervisor
        if signal_process(owner, number):
            self._supervisor_deadline(attempt.token).expect_end(time.monotonic(), at_once=at_once)

    def suspend_deadline(self, attempt: RunningAttempt) -> None:
        """Lets the supervisor know that its attempt waits for a person."""
        deadline, now = self._supervisor_deadline(attempt.token), time.monotonic()
        deadline.suspend(now)
        _write_waited(attempt.folder, deadline.waited_s, since=now)

    def continue_deadline(self, attempt: RunningAttempt) -> None:
        """Lets the deadline go on, later by the time that the attempt has waited."""
        deadline = self._supervisor_deadline(attempt.token)
        deadline.go_on(time.monotonic())
        _write_waited(attempt.folder, deadline.waited_s, since=None)

    async def adopt(
        self, *, token: str, folder: Path, supervisor: ProcessIdentity | None
    ) -> RunningAttempt | AttemptEnd:
        """Finds the supervisor; without one, collects what it left; without a claim, voids the attempt."""
        files = AttemptFolder(path=folder)
        if supervisor is None or not supervisor.alive():
            if files.gone:  # the output in it is lost; processes that still run are ended
                lost = await asyncio.to_thread(self._end_orphans, files, token, EndReason.FOLDER_REMOVED, [])
                return (
                    lost
                    if supervisor is not None or not files.void(token)
                    else replace(lost, reason=EndReason.VOIDED)
                )
            if not files.claim.exists() and files.void(token):
                return AttemptEnd(reason=EndReason.VOIDED)
            supervisor = self._claimed_by(files)
        if supervisor is not None and supervisor.alive():
            waited_s = files.waited_s(time.monotonic())
            self._supervisor_deadline(token).expect_by_deadline(self._deadline_of(files), waited_s=waited_s)
            if waited_s:  # whoever waited has lost the coordinator that it asked
                _write_waited(folder, waited_s, since=None)
            signal_process(supervisor, signal.SIGCONT)  # it may be stopped since its coordinator died
            return RunningAttempt(token=token, folder=folder, supervisor=supervisor)
        return await self._harvest(files, token, SupervisorDeadline(grace_s=self._grace_s), [])

    def _deadline_of(self, files: AttemptFolder) -> float | None:
        """Returns the deadline of an attempt that another coordinator started, on this boot's monotonic clock."""
        try:
            at = files.read_claim().get("deadline_at")
        except AttemptRecordError:
            return None
        return at if isinstance(at, float) and math.isfinite(at) else None

    def _claimed_by(self, files: AttemptFolder) -> ProcessIdentity | None:
        """Returns the supervisor that claimed the attempt, if it still runs."""
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
        self, files: AttemptFolder, token: str, deadline: SupervisorDeadline, survivors: list[int]
    ) -> AttemptEnd:
        """Reads the output of an ended attempt; ends its orphaned processes if its supervisor was killed."""
        try:
            record = files.read_exit()
        except AttemptRecordError:
            record = None
        if record is None or record.token != token:
            if self._fork_server is not None:
                survivors += await self._fork_server.end_orphans()
            reason = EndReason.SUPERVISOR_LOST if files.path.exists() else EndReason.FOLDER_REMOVED
            if deadline.late:  # we killed it
                reason = EndReason.CANCELLED if deadline.cancelled else EndReason.DEADLINE
            return await asyncio.to_thread(self._end_orphans, files, token, reason, survivors)
        if record.stdout_bytes + record.stderr_bytes > INLINE_READ_BYTES:
            end = await asyncio.to_thread(self._end_of, files, record)
        else:
            end = self._end_of(files, record)
        if deadline.late and end.reason == EndReason.EXITED and (end.exit_code or 0) < 0:
            # A supervisor that woke while we killed everything has seen its agent end by our signal.
            return replace(end, reason=EndReason.CANCELLED if deadline.cancelled else EndReason.DEADLINE)
        return end

    def _end_of(self, files: AttemptFolder, record: ExitRecord) -> AttemptEnd:
        return AttemptEnd(
            exceeded=record.exceeded,
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

    def _end_orphans(self, files: AttemptFolder, token: str, reason: EndReason, survivors: list[int]) -> AttemptEnd:
        cgroup = cgroup_for(token)
        left = end_cgroup(cgroup) if cgroup else []
        left += end_orphans(token, session=files.read_agent_pid(), known=self._recorded_processes(files))
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

    def _recorded_processes(self, files: AttemptFolder) -> dict[int, int]:
        """Returns the processes that a supervisor recorded before it was killed, if that was in this boot."""
        try:
            same_boot = files.read_claim().get("boot_id") in ("", boot_id())
        except AttemptRecordError:
            same_boot = False
        return files.read_left() if same_boot else {}


def _write_waited(folder: Path, total_s: float, *, since: float | None) -> None:
    """Writes down the wait of an attempt; on a full disk its supervisor keeps to the time that it knows of."""
    with suppress(OSError):
        AttemptFolder(path=folder).write_waited(total_s, since=since)


def _size(path: Path) -> int:
    try:
        found = path.stat()
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def _stdin_of(order: AttemptOrder) -> str:
    """Returns what the supervisor gives the agent to read."""
    return "pipe" if order.talks else "prompt" if order.prompt_on_stdin else "empty"


def _program_of(order: AttemptOrder) -> str:
    """Returns the path of the agent's program.

    Raises:
        FileNotFoundError: The program is not on PATH.
    """
    found = find_on_path(order.command[0], order.environment.get("PATH"))
    if found is None:
        raise FileNotFoundError(errno.ENOENT, "not on PATH", order.command[0])
    return found


def _pipe_above_fixed_descriptors() -> tuple[int, int]:
    """Returns a pipe whose descriptors differ from those that a supervisor gets at fixed numbers."""
    ends = os.pipe()
    moved = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, DEATH_PIPE + 1) for end in ends)
    for end in ends:
        os.close(end)
    return moved[0], moved[1]
