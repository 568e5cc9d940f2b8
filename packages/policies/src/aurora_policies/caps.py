"""How many agents there may be: at once, one below the other, and in a run in all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DEPTH_VARIABLE", "CapExceeded", "SpawnCaps", "depth_of"]

DEPTH_VARIABLE: Final = "AURORA_DEPTH"
"""Tells an agent, and an Aurora that it starts, how many agents stand above it."""


class CapExceeded(Exception):  # noqa: N818 - it is a refusal, not a fault
    """A run that would be larger or deeper than allowed.

    Attributes:
        setting: of policies.yaml, that says so.
    """

    def __init__(self, setting: str, reason: str) -> None:
        self.setting = setting
        super().__init__(reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnCaps:
    """The caps in force.

    Attributes:
        max_agents: at once.
        max_depth: agents one below the other; 1 lets no agent start a run of its own.
        max_total_spawns: attempts of a run in all, retries included.
    """

    max_agents: int
    max_depth: int
    max_total_spawns: int

    def check(self, *, tasks: int, depth: int) -> None:
        """Refuses a run that cannot stay within the caps.

        Args:
            depth: agents above the one who asks.

        Raises:
            CapExceeded: it cannot.
        """
        if depth >= self.max_depth:
            raise CapExceeded(
                "caps.max_depth", f"{depth} agents stand above this run already, and {self.max_depth} are allowed"
            )
        if tasks > self.max_total_spawns:
            raise CapExceeded(
                "caps.max_total_spawns", f"{tasks} tasks need more than the {self.max_total_spawns} attempts allowed"
            )


def depth_of(environ: Mapping[str, str]) -> int:
    """How many agents stand above this process; a value that is no number counts as one."""
    text = environ.get(DEPTH_VARIABLE, "")
    if not text:
        return 0
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 1
