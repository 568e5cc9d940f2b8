"""The settings of a sandbox, and of all that confines an agent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner.attempts.resource_limits import ResourceLimits

Network = Literal["open", "none"] | tuple[int, ...]
"""The network of an agent: all of it, none, or only these TCP ports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSettings:
    """The sandbox of an agent."""

    required: bool = False
    """True lets no attempt start whose sandbox does not hold; False lets it run, and says so."""
    network: Network = "open"
    writable: tuple[Path, ...] = ()
    """Files and folders besides the workspace that agents may change."""
    commands: bool = True
    """False runs the checks and set-up commands of its tasks outside of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confinement:
    """All that confines the attempts of one agent."""

    sandbox: SandboxSettings | None = None
    """None for no sandbox."""
    limits: ResourceLimits | None = None


class Confining(Protocol):
    """Tells what confines an agent."""

    def __call__(self, agent: str) -> Confinement:
        """Returns what confines the attempts of an agent of this name."""
        ...
