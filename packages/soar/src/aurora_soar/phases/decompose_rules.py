"""Decomposition without a model: each intent has its own table of subgoals.

A row names the aspect of the question, the description of the subgoal, the ideal agent, and the earlier rows that it
depends on. If the ideal agent is a coding agent that is not available, the local agent only collects the material,
and the match quality is INSUFFICIENT.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_soar.evidence.evidence import Aspect
from aurora_soar.question.question import Intent
from aurora_soar.registry import LOCAL_AGENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_soar.question.question import Question

__all__ = ["IDEAL_AGENTS", "Rule", "rules_for"]

# The ideal agents that rules name, with their descriptions; that of "local" is in the registry.
IDEAL_AGENTS: Final[Mapping[str, str]] = {
    "code-developer": "Changes code: implements, refactors and fixes, and runs the project's checks.",
    "code-reviewer": "Judges code: correctness, security and style, with reasons.",
    "software-architect": "Plans changes across parts of a system and weighs alternatives.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A subgoal of an intent.

    Attributes:
        aspect: the aspect that the local agent extracts for it.
        description: a sentence about the focus.
        focus: the words that the subgoal is about.
        ideal_agent: the agent that would do it best.
        depends_on: indexes of the earlier rules whose results it reads.
        is_critical: True if the answer is incomplete without it.
    """

    aspect: Aspect
    description: str
    focus: str
    ideal_agent: str = LOCAL_AGENT
    depends_on: tuple[int, ...] = ()
    is_critical: bool = True


_Row = tuple[Aspect, str, str, tuple[int, ...], bool]

_TABLE: Final[Mapping[Intent, tuple[_Row, ...]]] = {
    Intent.EXPLAIN: (
        (Aspect.DEFINITIONS, "Find the code that implements: {focus}", LOCAL_AGENT, (), True),
        (
            Aspect.STATEMENTS,
            "Collect what documentation and comments say about: {focus}",
            LOCAL_AGENT,
            (),
            False,
        ),
        (Aspect.FLOW, "Trace what calls the code for {focus}, and what it calls", LOCAL_AGENT, (0,), False),
        (Aspect.TESTS, "Find the tests that show the behaviour of: {focus}", LOCAL_AGENT, (), False),
    ),
    Intent.DEBUG: (
        (Aspect.DEFINITIONS, "Find the code involved in: {focus}", LOCAL_AGENT, (), True),
        (Aspect.ERRORS, "Find where errors are raised or handled around: {focus}", LOCAL_AGENT, (), True),
        (Aspect.FLOW, "Trace how that code is reached for: {focus}", LOCAL_AGENT, (0,), False),
        (Aspect.STATEMENTS, "Collect known limits and notes about: {focus}", LOCAL_AGENT, (), False),
        (Aspect.TESTS, "Find the tests that would catch it: {focus}", LOCAL_AGENT, (), False),
    ),
    Intent.IMPLEMENT: (
        (Aspect.DEFINITIONS, "Find where the change belongs: {focus}", "code-developer", (), True),
        (Aspect.STATEMENTS, "Collect conventions and constraints about: {focus}", LOCAL_AGENT, (), False),
        (Aspect.FLOW, "List the code that a change to {focus} would affect", LOCAL_AGENT, (0,), True),
        (Aspect.TESTS, "Find the tests to extend for: {focus}", LOCAL_AGENT, (), False),
    ),
    Intent.REVIEW: (
        (Aspect.DEFINITIONS, "Find the code to review: {focus}", "code-reviewer", (), True),
        (Aspect.ERRORS, "List how failures are handled in: {focus}", LOCAL_AGENT, (), True),
        (Aspect.FLOW, "Trace who depends on: {focus}", LOCAL_AGENT, (0,), False),
        (Aspect.TESTS, "Find which tests cover: {focus}", LOCAL_AGENT, (), False),
    ),
    Intent.PLAN: (
        (Aspect.DEFINITIONS, "Find what exists today for: {focus}", LOCAL_AGENT, (), True),
        (Aspect.STATEMENTS, "Collect decisions and documentation about: {focus}", LOCAL_AGENT, (), False),
        (Aspect.FLOW, "Trace which parts a plan for {focus} must touch", "software-architect", (0,), True),
        (Aspect.TESTS, "Find the tests that guard: {focus}", LOCAL_AGENT, (), False),
    ),
}


_OF_THE_PLACE: Final = frozenset({Aspect.DEFINITIONS, Aspect.TESTS})


def rules_for(question: Question) -> tuple[Rule, ...]:
    """Returns the subgoals of the question's intent, each after the subgoals that it depends on."""
    if question.intent is Intent.COMPARE:
        return _comparison(*question.sides)
    return tuple(
        Rule(
            aspect=aspect,
            description=description.format(focus=question.focus),
            focus=question.place if aspect in _OF_THE_PLACE else question.focus,
            ideal_agent=ideal,
            depends_on=depends_on,
            is_critical=is_critical,
        )
        for aspect, description, ideal, depends_on, is_critical in _TABLE[question.intent]
    )


def _comparison(left: str, right: str) -> tuple[Rule, ...]:
    both = f"{left} {right}"
    return (
        Rule(aspect=Aspect.DEFINITIONS, description=f"Find the code for: {left}", focus=left),
        Rule(aspect=Aspect.DEFINITIONS, description=f"Find the code for: {right}", focus=right),
        Rule(
            aspect=Aspect.STATEMENTS,
            description=f"Collect what is written about {left} and {right}",
            focus=both,
            is_critical=False,
        ),
        Rule(
            aspect=Aspect.FLOW,
            description=f"Trace where {left} and {right} are used",
            focus=both,
            depends_on=(0, 1),
            is_critical=False,
        ),
    )
