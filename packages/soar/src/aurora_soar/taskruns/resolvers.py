"""The agent that resolves conflicts of a run's finished work, as the user names it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_soar.errors import UnknownAgentError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aurora_soar.personas import Roster
    from aurora_spawner import Backend

__all__ = ["LEAVE", "Resolver", "find_resolver"]

LEAVE: Final = "leave"
"""Work that conflicts stays on its branch."""
DEFAULT_AGENT: Final = "agent"
"""The default agent of the run resolves conflicts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolver:
    """An agent, and the instructions that it works by.

    Attributes:
        instructions: those of a persona; None without one.
    """

    agent: str
    instructions: str | None = None


def find_resolver(
    wanted: str, *, backends: Mapping[str, Backend], default_agent: str, roster: Callable[[], Roster], where: str
) -> Resolver | None:
    """Returns who resolves conflicts; None if they are left.

    Args:
        wanted: `leave`, `agent`, an agent, or a persona that the default agent works as; names with `@` or without.
        roster: finds the project's personas; called only if no agent has the name.
        where: the place that names it, for the error.

    Raises:
        UnknownAgentError: there is no agent or persona of that name.
    """
    if wanted == LEAVE:
        return None
    named = wanted.removeprefix("@")
    if named in backends:
        return Resolver(agent=named)
    if wanted == DEFAULT_AGENT:
        return Resolver(agent=default_agent)
    from aurora_soar.personas import instructions_of

    found = roster()
    persona = found.get(wanted)
    if persona is None:
        raise UnknownAgentError(wanted, where, {LEAVE, DEFAULT_AGENT, *backends, *found.by_id})
    return Resolver(agent=default_agent, instructions=instructions_of(persona))
