"""The setting `routing`: agents among which their results in the project decide, for tasks that name none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aurora_core.settings.config_file import RoutingFile

__all__ = ["RoutingConfig", "routing_config"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingConfig:
    """The agents to choose from.

    Attributes:
        among: their names; the first does the tasks as long as there are too few results.
        at_least: the judged tasks that each of two agents must have before they are compared.
    """

    among: tuple[str, ...]
    at_least: int


def routing_config(found: RoutingFile | None) -> RoutingConfig | None:
    """Returns what a file has; None if it has nothing."""
    return None if found is None else RoutingConfig(among=tuple(found.among), at_least=found.at_least)
