"""Deliveries of finished work to a branch, and the port to who judges them: the spawner itself knows no policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner.gates.tool_calls import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRequest:
    """Finished work of a run that is about to be brought to its target branch, or pushed to a remote."""

    target: str
    """Without `refs/heads/`."""
    repository: Path
    agents: tuple[str, ...]
    """Those that have made the work."""
    remote: str = ""
    """The remote that the work is pushed to, as a branch of its own there; empty if nothing is pushed."""

    @property
    def place(self) -> str:
        """The branch, with its remote if it has one."""
        return f"{self.remote}/{self.target}" if self.remote else self.target


class MergeGate(Protocol):
    """A judge of deliveries, called in a thread.

    An error that it raises keeps the work from the target.
    """

    def judge(self, request: DeliveryRequest) -> Verdict:
        """Returns the verdict."""
        ...
