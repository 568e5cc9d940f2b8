"""Assignment of a persona to a task: the persona becomes the task's instructions."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from aurora_spawner.tasks.review import Reviewer

if TYPE_CHECKING:
    from aurora_soar.personas.persona import Persona
    from aurora_spawner import SpawnTask

__all__ = ["cast", "instructions_of", "persona_in", "with_reviewer"]

_ROLE: Final = re.compile(r"You work as [^\n]*? \(([^()\s]+)\)\.")


def cast(task: SpawnTask, persona: Persona, *, agent: str | None, speaks: str) -> SpawnTask:
    """Returns the task with a persona's instructions and model.

    The agent's backend passes the instructions as an appended system prompt if it can, else before the prompt.

    Args:
        agent: the agent that runs the task; None for the run's default.
        speaks: the tool whose model names that agent understands, for example "claude". The persona's model is passed
            on only if the persona was written for that tool: "opus" means nothing to another.
    """
    model = task.model or (persona.model if persona.tool == speaks else None)
    return replace(task, agent=agent, model=model, instructions=instructions_of(persona))


def with_reviewer(task: SpawnTask, persona: Persona, *, speaks: str) -> SpawnTask:
    """Returns the task with a persona as the reviewer of its work, on the run's default agent; `speaks` as above."""
    model = persona.model if persona.tool == speaks else None
    return replace(task, review=Reviewer(instructions=instructions_of(persona), model=model))


def instructions_of(persona: Persona) -> str:
    """Returns the instructions for an agent that works as a persona."""
    parts = [f"You work as {persona.role} ({persona.id}). {persona.goal}".strip(), persona.instructions]
    if persona.tools:
        parts.append(f"Use these tools only, as far as you have them: {', '.join(persona.tools)}.")
    return "\n\n".join(filter(None, parts))


def persona_in(instructions: str | None) -> str | None:
    """Returns the id of the persona that a task's instructions are from; None if they are from none."""
    found = _ROLE.match(instructions or "")
    return found[1] if found else None
