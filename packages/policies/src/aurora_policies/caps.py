"""How many agents there may be: at once, one below the other, and in a run in all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_policies.schema import Caps

__all__ = ["DEPTH_VARIABLE", "CapExceeded", "check_caps", "depth_of"]

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


def check_caps(caps: Caps, *, tasks: int, depth: int) -> None:
    """Refuses a run that cannot stay within the caps.

    Args:
        tasks: number of tasks of the run.
        depth: number of agents above the process that starts the run.

    Raises:
        CapExceeded: the run cannot stay within the caps.
    """
    if depth >= caps.max_depth:
        raise CapExceeded(
            "caps.max_depth", f"{depth} agents stand above this run already, and {caps.max_depth} are allowed"
        )
    if tasks > caps.max_total_spawns:
        raise CapExceeded(
            "caps.max_total_spawns", f"{tasks} tasks need more than the {caps.max_total_spawns} attempts allowed"
        )


def depth_of(environ: Mapping[str, str]) -> int:
    """How many agents stand above this process; a value that is no number counts as one."""
    text = environ.get(DEPTH_VARIABLE, "")
    if not text:
        return 0
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 1
