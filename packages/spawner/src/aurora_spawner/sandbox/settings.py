"""The settings of a sandbox, and of all that confines an agent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
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
    """False runs the checks and set-up commands of its tasks, and the commands of a merge, outside of it."""


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


def strictest(settings: Sequence[SandboxSettings]) -> SandboxSettings | None:
    """Returns settings that allow only what all of these allow; None for none."""
    if not settings:
        return None
    return SandboxSettings(
        required=any(each.required for each in settings),
        network=_common([each.network for each in settings]),
        writable=tuple(
            each for each in settings[0].writable if all(each in other.writable for other in settings[1:])
        ),
        commands=any(each.commands for each in settings),
    )


def _common(networks: Sequence[Network]) -> Network:
    if "none" in networks:
        return "none"
    ports = [frozenset(each) for each in networks if isinstance(each, tuple)]
    return tuple(sorted(frozenset.intersection(*ports))) if ports else "open"
