"""How a persona reaches an agent: as the instructions of its task."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aurora_soar.personas.persona import Persona
    from aurora_spawner import SpawnTask

__all__ = ["cast", "instructions_of"]


def cast(task: SpawnTask, persona: Persona, *, agent: str | None, speaks: str) -> SpawnTask:
    """Gives a task to an agent that takes a persona's part.

    Its backend puts the instructions where it has a place for them (an appended system prompt), else they stand
    before the prompt.

    Args:
        agent: who takes the part; None for the run's default.
        speaks: the tool whose names for models that agent knows, for example "claude". A persona's model is passed on
            only to the tool that it was written for: "opus" means nothing to another.
    """
    model = task.model or (persona.model if persona.tool == speaks else None)
    return replace(task, agent=agent, model=model, instructions=instructions_of(persona))


def instructions_of(persona: Persona) -> str:
    """What an agent is told that takes a persona's part."""
    parts = [f"You work as {persona.role} ({persona.id}). {persona.goal}".strip(), persona.instructions]
    if persona.tools:
        parts.append(f"Use these tools only, as far as you have them: {', '.join(persona.tools)}.")
    return "\n\n".join(filter(None, parts))
