"""What a dialect is: how the lines that an agent prints are translated into events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from aurora_spawner.backends.events import AgentEvent
from aurora_spawner.backends.fields import Fields

Reader = Callable[[Fields], Iterable[AgentEvent]]
Readers = Mapping[str, Reader]
"""By the `type` of an object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One way of speaking: JSON objects by their type, or plain lines."""

    name: str
    readers: Readers | None = None
    read_line: Callable[[str], Iterable[AgentEvent]] | None = None
    ends_with_event: bool = True
    """Done is only what it says is done; else its exit code counts."""

    @property
    def tells_tools(self) -> bool:
        """Whether it tells each tool that its agent uses; plain lines do not."""
        return self.readers is not None
