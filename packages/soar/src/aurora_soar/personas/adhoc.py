"""A persona made up for a subgoal that nobody here is the right one for."""

from __future__ import annotations

from aurora_soar.personas.ids import kebab
from aurora_soar.personas.persona import Persona

__all__ = ["adhoc_persona"]


def adhoc_persona(ideal_agent: str, description: str) -> Persona:
    """Writes a persona from what the ideal agent is described as; the same words make the same persona."""
    role = ideal_agent.replace("-", " ").strip()
    return Persona(
        id=kebab(ideal_agent) or "specialist",
        role=role.capitalize() or "Specialist",
        goal=" ".join(description.split()),
        instructions=(
            f"Bring to the task what an experienced {role or 'specialist'} knows and would look at first. Keep to "
            "the task; where it needs a decision that is not yours, say so and name the choices. Say what you did, "
            "what you did not do, and how it can be checked."
        ),
    )
