"""Child processes whose exit status counts: one that somebody else has taken is an error, and no success.

Where a program ignores SIGCHLD, as some parents make it, or waits for whatever child ends first, `subprocess` finds
none to wait for and reports 0. A merge with conflicts would then be clean, and unmerged work on its target.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from aurora_spawner.workspaces.errors import LostStatusError

LOST: Final = 255
"""The status that a process has once its own was lost."""
_FIRST_PAUSE_S: Final = 0.0005
_LONGEST_PAUSE_S: Final = 0.02
_CAN_LOOK: Final = hasattr(os, "waitid")
"""Python can wait for the end of a child without taking its status; on macOS only newer ones can."""
_TURN: Final = threading.Lock()
"""Two threads may wait for one child: what one of them has taken is not lost."""


class Child(subprocess.Popen[bytes]):
    """A process whose status is its own, or lost: `subprocess` takes one that it cannot get for 0."""

    def poll(self) -> int | None:
        """Returns the exit status; None while it runs.

        Raises:
            LostStatusError: Somebody else has taken it; told once, then it is `LOST`.
        """
        with _TURN:
            if self.returncode is None:
                self.returncode = self._taken()
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Waits for the end, and returns the exit status.

        Raises:
            LostStatusError: As `poll`.
            subprocess.TimeoutExpired: It still runs.
        """
        until = None if timeout is None else time.monotonic() + timeout
        pause = _FIRST_PAUSE_S
        while (status := self.poll()) is None:
            if until is None and _CAN_LOOK:
                with suppress(ChildProcessError):
                    os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
            else:
                left = _LONGEST_PAUSE_S if until is None else until - time.monotonic()
                if left <= 0:
                    raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
                time.sleep(min(pause, left))
                pause = min(2 * pause, _LONGEST_PAUSE_S)
        return status

    def _taken(self) -> int | None:
        """Returns the status; None while it runs. A look before that would leave others a moment to take it."""
        try:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            self.returncode = LOST
            program = self.args[0] if isinstance(self.args, (list, tuple)) else self.args
            raise LostStatusError(Path(str(program))) from None
        return os.waitstatus_to_exitcode(status) if ended else None
