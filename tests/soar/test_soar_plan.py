"""Rules make a sound plan for every intent, and the check of a plan sees what is wrong with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from aurora_soar import AgentRegistry, Intent, read_question
from aurora_soar.phases.decompose import Decomposition, MatchQuality, decompose
from aurora_soar.phases.retrieve import RetrievedContext
from aurora_soar.phases.verify import Verdict, verify
from aurora_soar.question.focus import Focus

REGISTRY = AgentRegistry.local(Path("/project"))
EMPTY = RetrievedContext(code=(), reasoning=(), budget=10, high_quality=0)
QUESTIONS = {
    Intent.EXPLAIN: "How does the scheduler decide what runs next?",
    Intent.COMPARE: "difference between the lexer and the parser",
    Intent.DEBUG: "why does the worker crash on shutdown",
    Intent.IMPLEMENT: "add a verbose flag to the command line",
    Intent.REVIEW: "review the session handling",
    Intent.PLAN: "how should we restructure the plugin loader",
}


def focus_on(*words: str) -> Focus:
    return Focus(
        weights={word: 1 / len(words) for word in words},
        stems={word: frozenset([word]) for word in words},
        unknown=(),
    )


def plan_for(intent: Intent) -> Decomposition:
    question = read_question(QUESTIONS[intent])
    assert question.intent is intent
    return decompose(question, EMPTY, REGISTRY)


@pytest.mark.parametrize("intent", list(Intent))
def test_every_intent_gets_a_plan_that_passes(intent: Intent) -> None:
    plan = plan_for(intent)
    verification = verify(plan, focus_on(), EMPTY, REGISTRY)
    assert verification.issues == () or all("is 0." in issue for issue in verification.issues)
    assert 3 <= len(plan.subgoals) <= 5
    assert any(subgoal.is_critical for subgoal in plan.subgoals)


@pytest.mark.parametrize("intent", list(Intent))
def test_every_subgoal_stands_in_the_order_once_and_after_what_it_needs(intent: Intent) -> None:
    plan = plan_for(intent)
    at = {i: step.phase for step in plan.execution_order for i in (*step.parallelizable, *step.sequential)}
    assert sorted(at) == list(range(len(plan.subgoals)))
    for index, subgoal in enumerate(plan.subgoals):
        assert all(at[other] < at[index] for other in subgoal.depends_on)


def test_a_gap_is_said_where_a_coding_agent_would_be_better() -> None:
    subgoals = plan_for(Intent.IMPLEMENT).subgoals
    gaps = [s for s in subgoals if s.ideal_agent != s.assigned_agent]
    assert [s.ideal_agent for s in gaps] == ["code-developer"]
    assert all(s.match_quality is MatchQuality.INSUFFICIENT for s in gaps)
    assert all(s.match_quality is MatchQuality.EXCELLENT for s in subgoals if s not in gaps)


def test_a_comparison_asks_for_each_side_by_itself() -> None:
    subgoals = plan_for(Intent.COMPARE).subgoals
    assert [s.focus for s in subgoals[:2]] == ["the lexer", "the parser"]
    assert subgoals[3].depends_on == (0, 1)


def test_equal_questions_have_equal_hashes() -> None:
    assert plan_for(Intent.PLAN).query_hash == plan_for(Intent.PLAN).query_hash
    assert plan_for(Intent.PLAN).query_hash != plan_for(Intent.DEBUG).query_hash


def broken(plan: Decomposition, **fields: object) -> Decomposition:
    first = replace(plan.subgoals[0], **fields)  # type: ignore[arg-type]
    return replace(plan, subgoals=(first, *plan.subgoals[1:]))


@pytest.mark.parametrize(
    ("fields", "issue"),
    [
        ({"assigned_agent": "nobody"}, "unknown agent 'nobody'"),
        ({"depends_on": (2,)}, "depends on 2"),
        ({"depends_on": (0,)}, "depends on 0"),
        ({"depends_on": (-1,)}, "depends on -1"),
        ({"description": "  "}, "no description"),
    ],
)
def test_a_broken_structure_fails_with_its_reason(fields: dict[str, object], issue: str) -> None:
    verification = verify(broken(plan_for(Intent.EXPLAIN), **fields), focus_on("scheduler"), EMPTY, REGISTRY)
    assert verification.verdict is Verdict.FAIL
    assert verification.score == 0.0
    assert any(issue in found for found in verification.issues)


def test_an_order_that_forgets_a_subgoal_fails() -> None:
    plan = plan_for(Intent.EXPLAIN)
    verification = verify(replace(plan, execution_order=plan.execution_order[:1]), focus_on(), EMPTY, REGISTRY)
    assert verification.verdict is Verdict.FAIL


def test_a_plan_beside_the_question_is_incomplete() -> None:
    plan = plan_for(Intent.EXPLAIN)
    on_topic = verify(plan, focus_on("schedul"), EMPTY, REGISTRY)
    off_topic = verify(plan, focus_on("payment"), EMPTY, REGISTRY)
    assert on_topic.quality["completeness"] == 1.0
    assert off_topic.quality["completeness"] == 0.0
    assert off_topic.verdict is not Verdict.PASS


def test_the_same_subgoal_twice_is_inconsistent() -> None:
    plan = plan_for(Intent.EXPLAIN)
    repeated = broken(plan, description=plan.subgoals[1].description)
    assert verify(repeated, focus_on(), EMPTY, REGISTRY).quality["consistency"] == 0.75
