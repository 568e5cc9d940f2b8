"""One project behind the tools: opened anew for each call, and its errors told in words for the client."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from mcp.server.mcpserver.exceptions import ToolError

from aurora_cli.error_messages import error_report
from aurora_cli.wiring import open_existing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aurora_soar.aurora.root import Aurora

__all__ = ["ProjectService"]

AT_ONCE: Final = 4
"""Quick calls that work at the same moment; a flood of calls waits, so that it does not open a file for each."""
SLOW_AT_ONCE: Final = 2
"""The same for slow calls, which have threads of their own: a quick call never waits for one."""
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectService:
    """The project of a server.

    Every call opens it anew, so that policies, configuration and trust are those of now, even in an old server.

    Attributes:
        folder: the project's root, or a folder below it.
    """

    folder: Path
    _quick: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(AT_ONCE))
    _slow: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(SLOW_AT_ONCE))

    async def call(self, work: Callable[[Aurora], _Answer], *, slow: bool = False) -> _Answer:
        """Does work on the project in a thread, which is taken until the work is over, also if its client gives up.

        Args:
            slow: it plans or indexes, which can take minutes.

        Raises:
            ToolError: the work failed; the message is what `aur` would say.
        """
        threads = self._slow if slow else self._quick
        return await asyncio.get_running_loop().run_in_executor(threads, self._call, work)

    def _call(self, work: Callable[[Aurora], _Answer]) -> _Answer:
        try:
            with open_existing(self.folder) as aurora:
                return work(aurora)
        except ToolError:
            raise
        except Exception as error:
            raise ToolError(told(error)) from error


def told(error: Exception) -> str:
    """Returns what `aur` would print about an error, hint included."""
    report = error_report(error)
    return f"{report.message}; {report.hint}" if report.hint else report.message
