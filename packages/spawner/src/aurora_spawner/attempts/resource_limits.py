"""Limits on the memory, the processes and the processor time of one attempt."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceLimits:
    """The most that all processes of an attempt may use together; None for no limit."""

    memory_bytes: int | None = None
    processes: int | None = None
    """Processes at the same moment."""
    cpu_s: float | None = None
    """Processor time in all."""

    def __bool__(self) -> bool:
        """Returns True if there is a limit."""
        return any(each is not None for each in (self.memory_bytes, self.processes, self.cpu_s))
