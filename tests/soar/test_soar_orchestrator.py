"""The orchestrator as a library: every phase is timed and told of, and agents that fail lower an answer's worth."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.exhaustive import few

from aurora_core import Memory, Project
from aurora_policies import PoliciesEngine
from aurora_soar import AgentRegistry, Phase, SoarEvent, SOAROrchestrator, SoarResult, Verbosity
from aurora_spawner import CommandBackend

QUESTION = "How does the scheduler decide what runs next?"
SOURCE = '''"""A queue."""


class Scheduler:
    """Runs tasks one by one."""

    def decide_next(self):
        """Decide what the scheduler runs next: the task with the lowest number."""
        return min(self.tasks)
'''


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))  # where limits of providers are remembered
    (tmp_path / "queue.py").write_text(SOURCE)
    (tmp_path / "test_queue.py").write_text(
        "def test_the_scheduler_decides():\n    assert Scheduler().decide_next()\n"
    )
    return Project.init(tmp_path)


def soar(project: Project, memory: Memory, *command: str) -> SOAROrchestrator:
    """An orchestrator whose local agent is the real one, or another command."""
    registry = AgentRegistry.local(project.root)
    if command:
        registry = replace(registry, backends={"local": CommandBackend(name="local", command=command)})
    policies = PoliciesEngine.load(None)
    return SOAROrchestrator(project=project, memory=memory, policies=policies, registry=registry)


def test_every_phase_runs_once_in_order_and_is_told(project: Project, memory: Memory) -> None:
    events: list[SoarEvent] = []
    result = soar(project, memory).execute(QUESTION, on_event=events.append)
    assert result.ok
    assert [e.phase for e in events if e.kind == "started"] == [phase.value for phase in Phase]
    assert list(result.timings) == list(Phase)
    assert [e.message for e in events if e.kind == "progress"][-1].startswith("[Agent 4/4] local: completed (")
    assert sorted(e.elapsed_ms for e in events) == [e.elapsed_ms for e in events]


def test_the_answer_is_right_and_remembered(project: Project, memory: Memory) -> None:
    result = soar(project, memory).execute(QUESTION)
    assert "`Scheduler.decide_next` (`queue.py:7`)" in result.answer.splitlines()[0]
    assert 0.5 < result.confidence <= 1.0
    assert result.recorded.cached
    again = soar(project, memory).execute(QUESTION)
    assert [hit.name for hit in again.context.reasoning] == [QUESTION]


def test_a_similar_question_is_told_of_the_earlier_answer_and_where_it_comes_from(
    project: Project, memory: Memory
) -> None:
    first = soar(project, memory).execute(QUESTION)
    again = soar(project, memory).execute("What does the scheduler decide to run next?")
    assert f"Answered before: {QUESTION} ({first.query_id}, " in again.response
    assert again.context.reasoning[0].reasoning is not None
    assert again.context.reasoning[0].reasoning.sources[0] == "queue.py:7"


def test_answers_cross_projects_with_consent_only(project: Project, memory: Memory, tmp_path: Path) -> None:
    for folder in ("other", "for-all"):
        (tmp_path / folder).mkdir()
    other = Project.init(tmp_path / "other")
    (other.root / "plan.py").write_text("def plan():\n    return 'the scheduler decides what runs next'\n")
    with Memory.open(tmp_path / "for-all") as shared:

        def ask(of: Project, *, consent: bool) -> SoarResult:
            with Memory.open(of.root) as own:
                own.index()
                return SOAROrchestrator(
                    project=of,
                    memory=own,
                    policies=PoliciesEngine.load(None),
                    registry=AgentRegistry.local(of.root),
                    shared=shared if consent else None,
                ).execute(QUESTION)

        ask(project, consent=False)
        assert ask(other, consent=True).context.reasoning == ()
        ask(project, consent=True)
        (found,) = [
            hit for hit in ask(other, consent=True).context.reasoning if hit.reasoning and hit.reasoning.project
        ]
        assert found.reasoning is not None
        assert found.reasoning.project == str(project.root)
        assert not any(hit.reasoning and hit.reasoning.project for hit in ask(other, consent=False).context.reasoning)


def test_a_simple_question_needs_no_processes(project: Project, memory: Memory) -> None:
    result = soar(project, memory, "false").execute("where is decide_next defined?")
    assert result.ok
    assert result.run_id is None
    assert result.to_dict()["phases"]["phase5_collect"]["agents_executed"] == 0  # type: ignore[index]


@pytest.mark.parametrize(
    ("script", "said"),
    few([
        ("import sys; sys.exit(3)", "3"),
        ("print('I think it is the heap.')", "output of agent local"),
        ("", "without an answer"),
    ], 1),
    ids=["fails", "answers in prose", "answers nothing"],
)  # fmt: skip
def test_agents_that_do_not_deliver_are_failures_with_their_reason(
    project: Project, memory: Memory, script: str, said: str
) -> None:
    result = soar(project, memory, sys.executable, "-c", script).execute(QUESTION)
    assert not result.ok
    assert result.sources == ()
    assert result.confidence == 0.0
    assert not result.recorded.cached
    assert all(said in (output.error or "") for output in result.collected.outputs if output.subgoal_index != 2)
    assert "failed" in result.answer


def test_an_agent_that_invents_places_is_not_believed(project: Project, memory: Memory) -> None:
    script = (
        "import json; print(json.dumps({'aspect': 'definitions', 'focus': 'x', 'searched': 1, 'findings': [{'kind':"
        " 'step', 'file': 'queue.py', 'line': 9, 'line_end': 9, 'symbol': 'f', 'text': 'return heap.pop()'}]}))"
    )
    result = soar(project, memory, sys.executable, "-c", script).execute(QUESTION)
    assert not result.ok
    assert result.synthesis.factuality == 0.0
    assert "heap.pop" not in result.answer


@pytest.mark.parametrize("verbosity", few(Verbosity, 1))
def test_the_response_has_the_form_that_was_asked_for(project: Project, memory: Memory, verbosity: Verbosity) -> None:
    response = soar(project, memory).execute(QUESTION, verbosity=verbosity).response
    assert response.endswith("\n")
    assert response.startswith("{") == (verbosity is Verbosity.JSON)
    assert ("Confidence" in response) == (verbosity in (Verbosity.NORMAL, Verbosity.VERBOSE))
    assert ("phase2_retrieve" in response) == (verbosity in (Verbosity.VERBOSE, Verbosity.JSON))


def test_a_log_that_cannot_be_written_costs_no_answer(project: Project, memory: Memory) -> None:
    (project.aurora_dir / "logs").write_text("in the way")
    result = soar(project, memory).execute(QUESTION)
    assert result.ok
    assert result.log_path is None
    assert "was not written" in (result.log_error or "")


async def test_the_asynchronous_twin_does_the_same(project: Project, memory: Memory) -> None:
    result: SoarResult = await soar(project, memory).aexecute(QUESTION)
    assert result.ok
    assert result.log_path is not None
    assert result.log_path.name.startswith("scheduler-runs-")


def test_agents_that_fail_are_recovered_as_the_policies_say(project: Project, memory: Memory, tmp_path: Path) -> None:
    """The real agent, behind a door that is closed at the first try."""
    local = AgentRegistry.local(project.root).backends["local"]
    assert isinstance(local, CommandBackend)
    real = local.command
    (tmp_path / "door.py").write_text(
        "import os, sys\n"
        f"if not os.path.exists({str(tmp_path / 'tried')!r}):\n"
        f"    open({str(tmp_path / 'tried')!r}, 'w').close(); sys.exit('socket hang up')\n"
        f"os.execv({real[0]!r}, {list(real)!r})\n"
    )
    question = "Explain step by step how the scheduler decides what runs next, and where it is tested"
    behind = (sys.executable, str(tmp_path / "door.py"))
    lines: list[str] = []
    result = soar(project, memory, *behind).execute(question, on_event=lambda event: lines.append(event.message))
    assert result.ok
    assert any("retry 1 of 2" in line for line in lines)
    (tmp_path / "tried").unlink()
    (tmp_path / "policies.yaml").write_text("agent_recovery: {max_retries: 0}\n")
    policies = PoliciesEngine.load(tmp_path / "policies.yaml")
    registry = replace(
        AgentRegistry.local(project.root), backends={"local": CommandBackend(name="local", command=behind)}
    )
    strict = SOAROrchestrator(project=project, memory=memory, policies=policies, registry=registry)
    assert any(not output.success for output in strict.execute(question).collected.outputs)


def test_the_log_counts_what_recovery_met(project: Project, memory: Memory) -> None:
    command = (sys.executable, "-c", "import sys; sys.exit('Error: 401 Unauthorized')")
    result = soar(project, memory, *command).execute(QUESTION)
    phases: Any = result.to_dict()["phases"]
    metrics = phases["phase5_collect"]["recovery_metrics"]
    assert 1 <= metrics["auth_failure_count"] <= metrics["total_failures"]
    assert set(metrics["auth_failed_agents"]) == {"local"}
    assert "provider local" in str(result.collected.outputs[0].error)
    assert (metrics["rate_limit_count"], metrics["fallback_used_count"]) == (0, 0)
