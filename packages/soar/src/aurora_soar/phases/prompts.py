"""Prompts for models and for the agents of a plan."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from aurora_soar.model_plans.planned import PLAN_FORM
from aurora_soar.phases.bundle import place_of
from aurora_spawner.tasks.prompts import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_core import Hit
    from aurora_soar.evidence.agent_outputs import AgentOutput
    from aurora_soar.phases.bundle import Bundle
    from aurora_soar.phases.decompose import Subgoal
    from aurora_soar.question.question import Question
    from aurora_soar.registry import AgentRegistry

__all__ = ["answer_request", "plan_request", "subgoal_request"]

PLACES_SHOWN: Final = 10
FINDINGS_LIMIT: Final = 60_000
"""Characters of all agents' findings together that the prompt for the answer holds."""

_ANSWER: Final = {
    "answer": "the answer in Markdown",
    "conflicts": ["a sentence for each contradiction between findings"],
}


def plan_request(
    question: Question, places: Sequence[Hit], registry: AgentRegistry, *, most: int, background: str = ""
) -> str:
    """Returns the prompt for a decomposition.

    Args:
        background: earlier turns and answers.
    """
    agents = "\n".join(f"- {agent.id}: {agent.description}" for agent in registry.agents.values())
    return f"""You plan work on the software project in the current folder. Cut this goal into subgoals.

Goal: {question.text}

Available agents:
{agents}

{_places(places)}{background}
Answer with one JSON object and nothing else. It has exactly these fields:
{json.dumps(PLAN_FORM, indent=1)}

- At most {most} subgoals; one is enough where the goal is one piece of work.
- depends_on holds indexes, from 0, of earlier subgoals whose results this one needs. What does not need another's
  result does not depend on it: subgoals run side by side.
- Do not do the work. Change no file.
"""


def subgoal_request(question: Question, subgoal: Subgoal, bundle: Bundle) -> str:
    """Returns the prompt for one subgoal, with its context."""
    return f"""This is one part of a larger goal: {question.text}

Your part: {subgoal.description}

{_context(bundle)}
Look into the files themselves. Answer in Markdown, a line for each finding. End each line that says something about
the code with its place as path:line, like (src/app.py:12), the path from the current folder. Say what you could not
find. Change no file.
"""


def answer_request(
    question: Question, outputs: Sequence[AgentOutput], places: Sequence[Hit], background: str = ""
) -> str:
    """Returns the prompt for the answer, with the agents' findings."""
    found = quoted([_found(output, FINDINGS_LIMIT // max(1, len(outputs))) for output in outputs])
    return f"""Write the answer to a question about the project in the current folder, from what agents found.

Question: {question.text}

What the agents found:
{found}
{_places(places)}{background}
Answer with one JSON object and nothing else. It has exactly these fields:
{json.dumps(_ANSWER, indent=1)}

- Begin with the point. Say only what the findings say, or what you see at the places named.
- End each statement with who found it and where, like (Agent: local) (src/app.py:12), the path from the current
  folder. A place that does not exist makes the answer worthless.
- Where findings contradict each other, say so in the answer and name it in conflicts; else conflicts is [].
- Change no file.
"""


def _places(places: Sequence[Hit]) -> str:
    if not places:
        return "The project's memory holds nothing about it.\n"
    lines = "\n".join(
        " ".join(f"- {hit.file}:{hit.line_start}-{hit.line_end} {hit.name}".split()) for hit in places[:PLACES_SHOWN]
    )
    return f"Places that the project's memory names for it; there may be others:\n{lines}\n"


def _context(bundle: Bundle) -> str:
    """Returns a bundle as text; the code is quoted, because a file of the project may say anything."""
    if not (bundle.chunks or bundle.elsewhere or bundle.left_out):
        return _places(())
    parts = []
    if bundle.chunks:
        code = quoted([(place_of(hit), hit.content) for hit in bundle.chunks])
        parts.append(f"Code that the project's memory names for it; there may be other:\n{code}")
    listed = (
        ("Beside it in the same files", bundle.neighbours),
        ("Other places, which other parts are given in full", bundle.elsewhere),
        ("Left out here for length; look it up if you need it", bundle.left_out),
    )
    parts += ["\n".join([f"{title}:", *(f"- {line}" for line in lines)]) for title, lines in listed if lines]
    return "\n\n".join(parts) + "\n"


def _found(output: AgentOutput, limit: int) -> tuple[str, str]:
    who = f"Agent {output.agent_id}, part {output.subgoal_index + 1}"
    if not output.success:
        return f"{who}: failed", output.error or "no reason was given"
    return who, (output.words or output.summary or "found nothing")[:limit]
