"""Caps on agents: how many run at once, how deeply they start each other, and how many attempts a run has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_policies.schema import Caps

__all__ = ["DEPTH_VARIABLE", "CapExceeded", "check_caps", "depth_of"]

DEPTH_VARIABLE: Final = "AURORA_DEPTH"
"""The variable that passes the number of agents above a process to agents, and to Aurora started by agents."""


class CapExceeded(Exception):  # noqa: N818 - it is a refusal, not a fault
    """A run that is larger or deeper than allowed.

    Attributes:
        setting: the setting of policies.yaml that does not allow it.
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
            "caps.max_depth", f"agents of this run would be {depth + 1} levels deep, and {caps.max_depth} are allowed"
        )
    if tasks > caps.max_total_spawns:
        raise CapExceeded(
            "caps.max_total_spawns", f"{tasks} tasks need more than the {caps.max_total_spawns} attempts allowed"
        )


def depth_of(environ: Mapping[str, str]) -> int:
    """Returns the number of agents above this process; a value that is not a number counts as one."""
    text = environ.get(DEPTH_VARIABLE, "")
    if not text:
        return 0
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 1
