"""Ad-hoc personas for tasks that no known persona fits."""

from __future__ import annotations

from aurora_soar.personas.ids import kebab
from aurora_soar.personas.persona import Persona

__all__ = ["adhoc_persona"]


def adhoc_persona(ideal_agent: str, description: str) -> Persona:
    """Returns a persona written from the description of the ideal agent; equal arguments give equal personas."""
    role = ideal_agent.replace("-", " ").strip()
    return Persona(
        id=kebab(ideal_agent) or "specialist",
        role=role.capitalize() or "Specialist",
        goal=" ".join(description.split()),
        instructions=(
            f"Work as an experienced {role or 'specialist'} would, and look first at what an expert would look at. "
            "Keep to the task. If it needs a decision that is not yours, say so and name the options. Report what "
            "you did, what you did not do, and how to check it."
        ),
    )
