"""The ways in which the agents of a project are talked with, and what is missing for that."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_soar.registry import LOCAL_AGENT
from aurora_spawner.conversations.acp.messages import EXTRA, missing_packages
from aurora_spawner.conversations.transports import missing_extra, talking_backend, way_of_talking

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aurora_spawner import Backend

__all__ = ["Talking", "talking_of"]

INSTALL: Final = f"pip install 'aurora-spawner[{EXTRA}]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Talking:
    """The agents of a project, by how `aur interact` talks with them.

    Attributes:
        ways: by name, in a few words; "" for an agent that cannot be talked with.
        lacking: those that need the extra `acp`, which is not installed.
        has_acp: the extra is installed.
    """

    ways: Mapping[str, str]
    lacking: Sequence[str]
    has_acp: bool

    @property
    def sentence(self) -> str:
        """The agents of each way, and the state of the extra."""
        names: defaultdict[str, list[str]] = defaultdict(list)
        for name, way in self.ways.items():
            if way:
                names[way].append(name)
        extra = f"the extra `{EXTRA}` is {'' if self.has_acp else 'not '}installed"
        ways = [f"{', '.join(each)}: {way}" for way, each in names.items()]
        return "; ".join([*(ways or ["no agent that can be talked with is here"]), extra])

    def advice(self, name: str) -> str:
        """The next step before an agent can be talked with; "" if it can."""
        return f"to talk with it: {INSTALL}" if name in self.lacking else ""


def talking_of(backends: Mapping[str, Backend]) -> Talking:
    """Finds out for each agent how it would be talked with; starts none."""
    talked_with = {name: talking_backend(each) for name, each in backends.items() if name != LOCAL_AGENT}
    return Talking(
        ways={name: way_of_talking(talked_with[name]) if name in talked_with else "" for name in backends},
        lacking=[name for name, each in talked_with.items() if missing_extra(each)],
        has_acp=not missing_packages(),
    )
