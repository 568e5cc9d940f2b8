"""An executor that confines agents: in a sandbox, which each attempt probes itself, and by limits on resources."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from aurora_spawner.attempts.attempt_folder import AttemptFolder
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, AttemptRefusedError, RunningAttempt, WrappingExecutor
from aurora_spawner.sandbox.denials import denied_places
from aurora_spawner.sandbox.probe import not_tried
from aurora_spawner.sandbox.profile import PROFILE, sandboxed, temporary_folder
from aurora_spawner.supervision.programs import find_on_path

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner.attempts.executor import AttemptOrder
    from aurora_spawner.attempts.process_identity import ProcessIdentity
    from aurora_spawner.attempts.sandbox_finding import SandboxFinding
    from aurora_spawner.sandbox.settings import Confining

FINDING_LIMIT_S: Final = 20.0
"""The time for the launcher's probe, on a machine that has much else to do."""
FINDING_EVERY_S: Final = 0.005


@dataclass(slots=True, kw_only=True)
class ConfiningExecutor(WrappingExecutor):
    """An executor that confines each attempt as its agent is to be confined; it wraps another executor."""

    confining: Confining

    async def start(self, order: AttemptOrder) -> RunningAttempt:
        """Starts an attempt, and waits for what its probe shows.

        Raises:
            AttemptRefusedError: A sandbox is required and does not hold.
        """
        found = self.confining(order.agent)
        order = replace(order, limits=found.limits)
        if found.sandbox is None:
            return await self.inner.start(order)
        program = find_on_path(order.command[0], order.environment.get("PATH"))
        if program is None:  # the wrapped executor says so
            return await self.inner.start(order)
        try:
            order = await asyncio.to_thread(sandboxed, order, found.sandbox, program)
            running = await self.inner.start(order)
            finding = await self._probed(running, required=found.sandbox.required)
        except BaseException:
            await asyncio.to_thread(remove_temporary, order.token)
            raise
        return replace(running, sandbox=finding)

    async def _probed(self, running: RunningAttempt, *, required: bool) -> SandboxFinding:
        """Waits for what the probe shows; ends the attempt if that is refused, or if nobody waits any more."""
        try:
            finding = await self._finding(running)
            if not required or finding.sandboxed:
                return finding
        except asyncio.CancelledError:
            await self._end(running)
            raise
        await self._end(running)
        raise AttemptRefusedError(
            EndReason.UNSANDBOXED, f"a sandbox is required, and does not hold: {finding.problem}"
        )

    async def _finding(self, running: RunningAttempt) -> SandboxFinding:
        files = AttemptFolder(path=running.folder)
        limit = time.monotonic() + FINDING_LIMIT_S
        while time.monotonic() < limit:
            over = files.exit.exists() or not running.supervisor.alive()
            finding = files.read_sandbox()
            if finding is not None:
                return finding
            if over:
                return not_tried(_final_words(files) or "the attempt ended before its probe")
            await asyncio.sleep(FINDING_EVERY_S)
        return not_tried(f"its probe did not end within {FINDING_LIMIT_S:.0f} s")

    async def _end(self, running: RunningAttempt) -> None:
        self.inner.cancel(running, at_once=True)
        await self.inner.collect(running)

    async def collect(self, attempt: RunningAttempt) -> AttemptEnd:
        """Waits for the end of an attempt; its record names the places whose change the sandbox has denied."""
        return await self._ended(attempt.token, attempt.folder, await self.inner.collect(attempt))

    async def _ended(self, token: str, folder: Path, end: AttemptEnd) -> AttemptEnd:
        files = AttemptFolder(path=folder)
        if not (folder / PROFILE).exists():
            return end
        return await asyncio.to_thread(_with_denials, token, files, end)

    async def adopt(
        self, *, token: str, folder: Path, supervisor: ProcessIdentity | None
    ) -> RunningAttempt | AttemptEnd:
        """Adopts an attempt, as the wrapped executor, with the outcome of the probe that it has made."""
        found = await self.inner.adopt(token=token, folder=folder, supervisor=supervisor)
        if isinstance(found, AttemptEnd):
            return await self._ended(token, folder, found)
        return replace(found, sandbox=AttemptFolder(path=folder).read_sandbox())


def remove_temporary(token: str) -> None:
    """Removes the temporary folder of an attempt that has ended."""
    shutil.rmtree(temporary_folder(token), ignore_errors=True)


def _with_denials(token: str, files: AttemptFolder, end: AttemptEnd) -> AttemptEnd:
    remove_temporary(token)
    finding = files.read_sandbox()
    if finding is None or not finding.sandboxed:
        return end
    try:
        writable = json.loads((files.path / PROFILE).read_text(encoding="utf-8"))["writable"]
    except (OSError, ValueError, KeyError, TypeError):
        return end
    denied = denied_places((end.stdout, end.stderr), writable)
    return replace(end, denied=denied, record={**(end.record or {}), "denied": list(denied)}) if denied else end


def _final_words(files: AttemptFolder) -> str:
    try:
        lines = files.stderr.read_text(encoding="utf-8", errors="replace")[-2000:].strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""
