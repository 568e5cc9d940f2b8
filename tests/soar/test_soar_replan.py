"""A plan that breaks is made anew once, and one that is critical is attacked before it is followed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aurora_core import Memory, Project
from aurora_policies import PoliciesEngine
from aurora_soar import Agent, AgentRegistry, Completion, SOAROrchestrator
from aurora_soar.phases.criticise import NO_MODEL
from aurora_soar.phases.replan import critical_failures
from aurora_soar.report.result import SoarResult
from aurora_spawner import CommandBackend, RecoveryPolicy, RecoverySettings

QUESTION = "Explain how the retry loop computes the backoff delay and why it gives up after the limit"
CRITICAL = "Delete the production database of customers and rotate the leaked API keys in the retry loop"
SOURCE = "LIMIT = 5\n\n\ndef backoff_delay(attempt):\n    return min(30, 2**attempt)  # the retry loop doubles it\n"
ANSWER = {"answer": "The retry loop doubles its backoff delay up to the limit (Agent: coder) (retry.py:5)."}
# Fails for the parts that say so; else it notes that it ran.
CODER = """
prompt=$(cat)
case "$prompt" in *"Your part: Break"*) echo broken >&2; exit 3;; esac
echo "$prompt" | grep "Your part" >> ran
echo "$prompt" | grep "known already" >> told
echo '- the backoff delay is doubled (retry.py:5)'
"""


def plan(*parts: str, agent: str = "coder", after: dict[int, list[int]] | None = None) -> dict[str, Any]:
    subgoals = [
        {
            "description": part,
            "ideal_agent": agent,
            "assigned_agent": agent,
            "is_critical": True,
            "depends_on": (after or {}).get(at, []),
        }
        for at, part in enumerate(parts)
    ]
    return {"goal": "explain the retry loop", "subgoals": subgoals}


class Scripted:
    """A model that answers by the purpose of what it is asked."""

    name = "coder"

    def __init__(self, **answers: list[Any]) -> None:
        self.answers = answers
        self.prompts: list[tuple[str, str]] = []

    async def ask(self, prompt: str, *, title: str) -> Completion:
        self.prompts.append((title, prompt))
        given = self.answers.get(title) or [{}]
        answer = given.pop(0)
        return Completion(text=json.dumps(answer), agent="coder", usage=None, error=None)

    @property
    def titles(self) -> list[str]:
        return [title for title, _ in self.prompts]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "retry.py").write_text(SOURCE)
    return Project.init(tmp_path)


@pytest.fixture
def ask(project: Project, memory: Memory) -> Callable[..., tuple[SoarResult, list[str]]]:
    def answer(model: Any, question: str = QUESTION) -> tuple[SoarResult, list[str]]:
        said: list[str] = []
        registry = AgentRegistry.local(project.root).joined_by(
            Agent(id="coder", description="codes"), {"coder": CommandBackend("coder", ("sh", "-c", CODER))}
        )
        soar = SOAROrchestrator(
            project=project,
            memory=memory,
            policies=PoliciesEngine.load(None),
            registry=registry,
            recovery=RecoverySettings(policy=RecoveryPolicy(max_retries=0, fallback_to_local=False), state_dir=None),
            model=model,
        )
        result = soar.execute(question, on_event=lambda event: said.append(event.message))
        return result, said

    return answer


def test_a_critical_failure_is_planned_around_once_and_what_was_found_is_kept(
    ask: Callable[..., tuple[SoarResult, list[str]]], project: Project
) -> None:
    model = Scripted(
        plan=[plan("Read the delay", "Break the loop", "Sum it up", after={2: [1]})],
        replan=[plan("Read the limit instead", "Break it again", "Sum up both", after={2: [0]})],
        answer=[ANSWER] * 3,
    )
    result, said = ask(model)
    assert model.titles.count("replan") == 1, "once, although the new plan fails, too"
    (request,) = [prompt for title, prompt in model.prompts if title == "replan"]
    assert "the backoff delay is doubled" in request
    assert "it exited with code 3" in request
    assert "- Sum it up" in request
    assert result.decomposition is not None
    parts = [subgoal.description for subgoal in result.decomposition.subgoals]
    assert parts == ["Read the delay", "Read the limit instead", "Break it again", "Sum up both"]
    assert [output.subgoal_index for output in result.collected.outputs] == [0, 1, 2, 3]
    assert [output.success for output in result.collected.outputs] == [True, True, False, True]
    ran = (project.root / "ran").read_text().splitlines()
    assert ran.count("Your part: Read the delay") == 1, "what is finished is not done again"
    assert len((project.root / "told").read_text().splitlines()) == 2, "the new parts know what was found"
    assert any(
        line.startswith("a critical part failed: Break the loop (coder): it exited with code 3") for line in said
    )
    assert "planned again by coder; what was found is kept:" in said
    assert not result.ok, "a critical part has failed after all"
    noted: Any = result.to_dict()["phases"]
    again = noted["phase5_collect"]["execution_metadata"]["replanned"]
    assert (again["by"], len(again["new_subgoals"])) == ("coder", 3)


def test_rules_give_the_failed_part_to_another_agent_and_let_the_rest_go_on(
    ask: Callable[..., tuple[SoarResult, list[str]]], project: Project
) -> None:
    model = Scripted(
        plan=[plan("Break the loop", "Sum it up", after={1: [0]})], replan=["no plan"] * 3, answer=[ANSWER] * 3
    )
    result, said = ask(model)
    assert result.decomposition is not None
    assert [subgoal.assigned_agent for subgoal in result.decomposition.subgoals] == ["local", "coder"]
    assert result.decomposition.subgoals[1].depends_on == (0,)
    assert [output.error for output in result.collected.outputs] == [None, None]
    assert "planned again by rules; what was found is kept:" in said
    assert result.replanned is not None
    assert result.replanned.planned_by is None


def test_where_nothing_else_can_be_tried_the_failure_stands(
    ask: Callable[..., tuple[SoarResult, list[str]]],
) -> None:
    model = Scripted(plan=[plan("Read the delay")], answer=[ANSWER] * 3)
    result, _ = ask(model)
    assert result.replanned is None
    assert "replan" not in model.titles


@pytest.mark.parametrize("reason", ["cancelled", "over_budget", "provider_limited"])
def test_what_a_limit_or_the_user_holds_up_is_not_planned_around(
    ask: Callable[..., tuple[SoarResult, list[str]]], reason: str
) -> None:
    model = Scripted(plan=[plan("Break the loop")], replan=["no plan"] * 3, answer=[ANSWER] * 3)
    result, _ = ask(model)
    assert result.replanned is not None
    (failed,) = [output for output in result.collected.outputs if output.agent_id == "local"]
    assert result.decomposition is not None
    ended = replace(failed, success=False, termination_reason=reason)
    assert critical_failures(result.decomposition, [ended]) == ()
    assert critical_failures(result.decomposition, [replace(ended, termination_reason="deadline")])


def test_the_plan_of_a_critical_request_is_attacked_and_made_again_without_its_faults(
    ask: Callable[..., tuple[SoarResult, list[str]]],
) -> None:
    model = Scripted(
        plan=[plan("Delete it"), plan("Look for a backup of it", "Read what deletes it")],
        critic=[{"findings": ["no subgoal looks for a backup"]}],
        answer=[ANSWER] * 3,
    )
    result, said = ask(model, CRITICAL)
    assert result.assessment.complexity == "CRITICAL"
    assert model.titles[:3] == ["plan", "critic", "plan"]
    assert "no subgoal looks for a backup" in model.prompts[2][1]
    assert result.decomposition is not None
    assert len(result.decomposition.subgoals) == 2
    assert "a fault of the plan: no subgoal looks for a backup" in said
    noted: Any = result.to_dict()["phases"]
    assert noted["phase4_verify"]["adversarial"]["by"] == "coder"
    assert len(result.calls) == len(model.prompts), "every call counts in the cost"


def test_a_plan_without_faults_is_followed_and_no_other_request_is_attacked(
    ask: Callable[..., tuple[SoarResult, list[str]]],
) -> None:
    model = Scripted(plan=[plan("Look for a backup")], critic=[{"findings": []}], answer=[ANSWER] * 3)
    assert ask(model, CRITICAL)[0].criticised is not None
    assert model.titles.count("plan") == 1
    other = Scripted(plan=[plan("Read the delay")], answer=[ANSWER] * 3)
    ask(other)
    assert "critic" not in other.titles


def test_without_a_model_it_is_said_that_nobody_attacked_the_plan(
    ask: Callable[..., tuple[SoarResult, list[str]]],
) -> None:
    result, said = ask(None, CRITICAL)
    assert NO_MODEL in said
    noted: Any = result.to_dict()["phases"]
    assert noted["phase4_verify"]["adversarial"] == {"by": None, "findings": [], "note": NO_MODEL}
