"""Prompts for models and for the agents of a plan, filled in; their words are in `aurora_soar/prompts`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from aurora_soar.model_plans.planned import PLAN_FORM
from aurora_soar.phases.bundle import place_of
from aurora_soar.prompts.prompt import fill
from aurora_soar.question.intent_patterns import in_short
from aurora_spawner.tasks.prompts import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_core import Hit
    from aurora_soar.evidence.agent_outputs import AgentOutput
    from aurora_soar.phases.bundle import Bundle
    from aurora_soar.phases.decompose import Decomposition, Subgoal
    from aurora_soar.question.question import Question
    from aurora_soar.registry import AgentRegistry

__all__ = [
    "answer_request",
    "assess_request",
    "critic_request",
    "plan_request",
    "replan_request",
    "retask_request",
    "subgoal_request",
]

PLACES_SHOWN: Final = 10
FINDINGS_LIMIT: Final = 60_000
"""Characters of all agents' findings together that the prompt for the answer holds."""

_ANSWER: Final = {
    "answer": "the answer in Markdown",
    "conflicts": ["a sentence for each contradiction between findings"],
}
_CRITICISM: Final = {"findings": ["a sentence for each fault of the plan"]}
_COMPLEXITY: Final = {"complexity": "SIMPLE, MEDIUM, COMPLEX or CRITICAL", "reason": "why, in one sentence"}


def plan_request(
    question: Question,
    places: Sequence[Hit],
    registry: AgentRegistry,
    *,
    most: int,
    faults: Sequence[str] = (),
    source: str = "",
    background: str = "",
) -> str:
    """Returns the prompt for a decomposition; it names the faults of an earlier one.

    Args:
        source: what the goal was taken from, if others wrote it; then it stands there as data.
        background: earlier turns and answers.
    """
    wrong = "".join(f"- {' '.join(fault.split())}\n" for fault in faults)
    return fill(
        "plan",
        goal=_goal(question.text, source),
        agents=_agents(registry),
        places=_places(places),
        background=background,
        faults=f"An earlier plan had these faults; yours must not have them:\n{wrong}" if wrong else "",
        form=json.dumps(PLAN_FORM, indent=1),
        most=str(most),
    )


def subgoal_request(question: Question, subgoal: Subgoal, bundle: Bundle, known: Sequence[AgentOutput] = ()) -> str:
    """Returns the prompt for one subgoal, with its context.

    Args:
        known: what was found for other parts before this one was planned.
    """
    return fill(
        "subgoal",
        goal=question.text,
        part=subgoal.description,
        context=_context(bundle),
        known=f"What is known already:\n{_found_by(known)}" if known else "",
    )


def answer_request(
    question: Question, outputs: Sequence[AgentOutput], places: Sequence[Hit], background: str = ""
) -> str:
    """Returns the prompt for the answer, with the agents' findings, and earlier turns and answers as background."""
    return fill(
        "answer",
        question=question.text,
        found=_found_by(outputs),
        places=_places(places),
        background=background,
        form=json.dumps(_ANSWER, indent=1),
    )


def critic_request(question: Question, decomposition: Decomposition, places: Sequence[Hit], *, most: int) -> str:
    """Returns the prompt for the adversarial check of a plan."""
    return fill(
        "critic",
        goal=question.text,
        plan=quoted([("The plan", _listed(decomposition.subgoals))]),
        places=_places(places),
        form=json.dumps(_CRITICISM, indent=1),
        most=str(most),
    )


def replan_request(
    question: Question,
    outputs: Sequence[AgentOutput],
    decomposition: Decomposition,
    places: Sequence[Hit],
    registry: AgentRegistry,
    *,
    waiting: frozenset[int],
    most: int,
) -> str:
    """Returns the prompt for a plan of what is left after a critical subgoal has failed.

    Args:
        waiting: indexes of the subgoals that did not begin, because they wait for a failed one.
    """
    done = [output for output in outputs if output.success]
    failed = [o for o in outputs if not o.success and o.subgoal_index not in waiting]
    return fill(
        "replan",
        goal=question.text,
        done=_found_by(done) if done else "nothing\n",
        failed=_found_by(failed),
        waiting="\n".join(f"- {decomposition.subgoals[index].description}" for index in sorted(waiting)) or "nothing",
        agents=_agents(registry),
        places=_places(places),
        form=json.dumps(PLAN_FORM, indent=1),
        most=str(most),
    )


def retask_request(
    question: Question,
    places: Sequence[Hit],
    registry: AgentRegistry,
    *,
    done: Sequence[tuple[str, str]],
    failed: Sequence[tuple[str, str]],
    waiting: Sequence[str],
    source: str,
    most: int,
) -> str:
    """Returns the prompt for a plan of the tasks that a run leaves after a critical one has failed.

    Args:
        done, failed: each task, and what its agent or its error says.
        waiting: the tasks that were not begun.
        source: what the goal was taken from, if others wrote it; then it stands there as data.
    """
    limit = FINDINGS_LIMIT // max(1, len(done) + len(failed))
    return fill(
        "retask",
        goal=_goal(question.text, source),
        done=quoted([(title, said[:limit] or "no answer is kept") for title, said in done]) if done else "nothing\n",
        failed=quoted([(title, reason[:limit]) for title, reason in failed]),
        waiting="\n".join(f"- {each}" for each in waiting) or "nothing",
        agents=_agents(registry),
        places=_places(places),
        form=json.dumps(PLAN_FORM, indent=1),
        most=str(most),
    )


def assess_request(question: Question) -> str:
    """Returns the prompt for the complexity of a question that the rules are not sure of."""
    return fill("assess", request=in_short(question.text), form=json.dumps(_COMPLEXITY, indent=1))


def _goal(text: str, source: str) -> str:
    """Returns a goal for a prompt; one that others wrote is quoted."""
    return f"to do what this describes.\n{quoted([(source, text)], by='others')}" if source else text


def _agents(registry: AgentRegistry) -> str:
    return "\n".join(f"- {agent.id}: {agent.description}" for agent in registry.agents.values())


def _listed(subgoals: Sequence[Subgoal]) -> str:
    lines = []
    for index, each in enumerate(subgoals):
        needs = f", needs {', '.join(map(str, each.depends_on))}" if each.depends_on else ""
        weight = "critical" if each.is_critical else "not critical"
        lines.append(f"{index}. {each.description} ({each.assigned_agent}, {weight}{needs})")
    return "\n".join(lines)


def _found_by(outputs: Sequence[AgentOutput]) -> str:
    return quoted([_found(output, FINDINGS_LIMIT // max(1, len(outputs))) for output in outputs])


def _places(places: Sequence[Hit]) -> str:
    if not places:
        return "The project's memory holds nothing about it.\n"
    lines = "\n".join(f"- {place_of(hit)}" for hit in places[:PLACES_SHOWN])
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
