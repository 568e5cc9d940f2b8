"""The dialect type: translates the lines of an agent's output into events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from aurora_spawner.backends.events import AgentEvent
from aurora_spawner.backends.fields import Fields

Reader = Callable[[Fields], Iterable[AgentEvent]]
Readers = Mapping[str, Reader]
"""Readers by the kind of an object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """An output format: JSON objects by their kind, or plain lines."""

    name: str
    readers: Readers | None = None
    kind_in: str = "type"
    """The field that names the kind of an object; one without it is of kind ""."""
    read_line: Callable[[str], Iterable[AgentEvent]] | None = None
    ends_with_event: bool = True
    """True if only a success event counts as done; else the exit code counts."""

    @property
    def reports_tools(self) -> bool:
        """True if it reports each tool that its agent uses; plain lines do not."""
        return self.readers is not None
