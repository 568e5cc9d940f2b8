"""Earlier answers help later questions as long as their code stands, and what is cached is never stale."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.core.test_core_history import commit, git
from tests.soar.test_soar_model import FAILED, REPORT, SOURCE, Scripted

import aurora_soar.answer_cache
from aurora_core import Memory, Project
from aurora_policies import PoliciesEngine
from aurora_soar import Agent, AgentRegistry, SOAROrchestrator
from aurora_soar.answer_cache import AnswerCache, CachedAnswer, CachedPlan, key_of
from aurora_soar.phases.decompose import Decomposition
from aurora_soar.phases.decompose_with_model import Planned
from aurora_soar.recall import keep_plan
from aurora_soar.sessions import Turn
from aurora_spawner import CommandBackend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from aurora_soar.report.result import SoarEvent, SoarResult

QUESTION = "Explain how the retry loop waits for the backoff delay and what the LIMIT is for attempts"
SIMILAR = "Explain how the backoff delay is waited for in the retry loop, and what is the LIMIT for attempts"
PLAN = {
    "goal": "explain the retry loop",
    "subgoals": [{"description": "Explain the backoff delay", "ideal_agent": "coder", "assigned_agent": "coder"}],
}
GOOD = {
    "answer": (
        "The retry loop waits for the backoff delay between attempts (Agent: coder) (retry.py:8).\n"
        "It makes at most LIMIT attempts (Agent: coder) (retry.py:13)."
    ),
    "conflicts": [],
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "retry.py").write_text(SOURCE)
    (tmp_path / "other.py").write_text("def other():\n    return 1\n")
    Project.init(tmp_path)
    return tmp_path


@pytest.fixture
def memory(root: Path) -> Iterator[Memory]:
    with Memory.open(root) as opened:
        opened.index()
        yield opened


@pytest.fixture
def ask(root: Path, memory: Memory) -> Callable[..., tuple[SoarResult, Scripted]]:
    """Ask with a model that plans and writes; returns the result, and the model with its prompts."""

    def answer(
        question: str = QUESTION,
        *,
        cache: AnswerCache | None = None,
        shared: Memory | None = None,
        said: tuple[object, ...] = (json.dumps(PLAN), json.dumps(GOOD)),
        on_event: Callable[[SoarEvent], None] | None = None,
    ) -> tuple[SoarResult, Scripted]:
        coder = CommandBackend("coder", ("sh", "-c", f"cat > /dev/null; echo '{REPORT}'"))
        registry = AgentRegistry.local(root).joined_by(Agent(id="coder", description="codes"), {"coder": coder})
        model = Scripted(*said)  # type: ignore[arg-type]
        orchestrator = SOAROrchestrator(
            project=Project(root=root),
            memory=memory,
            policies=PoliciesEngine.load(None),
            registry=registry,
            model=model,
            cache=cache,
            shared=shared,
        )
        return orchestrator.execute(question, on_event=on_event), model

    return answer


def paid(result: SoarResult) -> tuple[int, int]:
    """Return the calls of models and agents that cost something, and their tokens."""
    agents = [output for output in result.collected.outputs if output.words]
    usage = result.usage
    return len(result.plan_calls) + len(agents) + len(result.answer_calls), usage.input_tokens if usage else 0


def test_a_similar_question_is_answered_with_help_of_the_first_and_costs_less(
    ask: Callable[..., tuple[SoarResult, Scripted]],
) -> None:
    first, _ = ask()
    assert first.recorded.pattern_marked
    second, model = ask(SIMILAR, said=(json.dumps(GOOD),))
    (prompt,) = model.prompts
    assert first.answer.strip() in prompt
    assert "the code that they cite has not changed since" in prompt
    assert (paid(first), paid(second)) == ((3, 200), (1, 100))
    assert second.plan_reused == first.query_id
    assert second.ok
    assert second.to_dict()["session"]["earlier_answers"]["carried"] == [first.query_id]  # type: ignore[index]


def test_after_a_change_of_the_cited_code_the_first_answer_is_not_used(
    ask: Callable[..., tuple[SoarResult, Scripted]], root: Path, memory: Memory
) -> None:
    first, _ = ask()
    (root / "retry.py").write_text(SOURCE.replace("min(30, 2**attempt)", "min(60, 3**attempt)"))
    memory.index()
    second, model = ask(SIMILAR)
    assert len(model.prompts) == 2, "it is planned again"
    assert not any(first.answer.strip() in prompt for prompt in model.prompts)
    assert second.plan_reused == ""
    assert "the code that it cites has changed since" in second.response


def test_a_change_elsewhere_leaves_the_first_answer_in_use(
    ask: Callable[..., tuple[SoarResult, Scripted]], root: Path, memory: Memory
) -> None:
    ask()
    (root / "other.py").write_text("def other():\n    return 2\n")
    memory.index()
    assert paid(ask(SIMILAR, said=(json.dumps(GOOD),))[0])[0] == 1


def test_what_was_only_learnt_is_shown_and_does_not_take_the_place_of_a_plan(
    ask: Callable[..., tuple[SoarResult, Scripted]],
) -> None:
    weak = {**GOOD, "answer": "The retry loop gives up (retry.py:13)."}
    first, _ = ask(said=(json.dumps(PLAN), *[json.dumps(weak)] * 3))
    assert 0.5 <= first.confidence < 0.8, first.confidence
    second, model = ask(SIMILAR)
    assert second.plan_reused == ""
    assert all("The retry loop gives up" in prompt for prompt in model.prompts)


def test_an_answer_of_another_project_is_used_only_while_its_files_stand(
    ask: Callable[..., tuple[SoarResult, Scripted]],
    root: Path,
    memory: Memory,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "retry.py").write_text(SOURCE)
    with Memory.open(tmp_path_factory.mktemp("shared")) as shared:
        _, _ = ask(shared=shared)
        (hit,) = shared.search(QUESTION, kinds=("reas",))
        assert hit.reasoning is not None
        shared.forget(hit.chunk_id)
        (own,) = memory.search(QUESTION, kinds=("reas",))
        memory.forget(own.chunk_id)
        shared.remember(replace(hit.reasoning, project=str(elsewhere)))
        second, model = ask(SIMILAR, said=(json.dumps(GOOD),), shared=shared)
        assert f"in {elsewhere}" in second.response
        assert len(model.prompts) == 1
        (elsewhere / "retry.py").write_text("# gone\n")
        for each in memory.search(SIMILAR, kinds=("reas",)):
            memory.forget(each.chunk_id)
        assert len(ask(SIMILAR, shared=shared)[1].prompts) == 2


def test_the_same_question_is_answered_from_the_cache_until_it_is_asked_afresh(
    ask: Callable[..., tuple[SoarResult, Scripted]], tmp_path: Path
) -> None:
    cache = AnswerCache(tmp_path / "cache")
    first, _ = ask(cache=cache)
    again, model = ask(cache=cache, said=())
    assert model.prompts == []
    assert (again.answer, again.sources, again.confidence) == (first.answer, first.sources, first.confidence)
    assert again.cached_from == first.query_id
    document = again.to_dict()
    assert (document["cached"], document["cache_key"]) == (True, first.cache_key)
    assert again.log_path is not None
    assert "- **Cached**: True" in again.log_path.read_text()
    assert document["phases"]["phase3_decompose"]["cached"] is True  # type: ignore[index]
    fresh, _ = ask(cache=AnswerCache(tmp_path / "cache", fresh=True), said=(json.dumps(GOOD),))
    assert fresh.cached_from == ""
    assert ask(cache=cache, said=())[0].cached_from == fresh.query_id, "the new answer has replaced the old one"


def test_a_plan_is_kept_even_if_no_answer_came_of_it(
    ask: Callable[..., tuple[SoarResult, Scripted]], tmp_path: Path
) -> None:
    cache = AnswerCache(tmp_path / "cache")
    ask(cache=cache, said=(json.dumps(PLAN), replace(FAILED, interrupted=True)))
    second, model = ask(cache=cache, said=(json.dumps(GOOD),))
    assert len(model.prompts) == 1
    assert second.plan_cached
    assert second.to_dict()["phases"]["phase3_decompose"]["cached"] is True  # type: ignore[index]


def test_a_changed_file_is_never_answered_from_the_cache(
    ask: Callable[..., tuple[SoarResult, Scripted]], root: Path, memory: Memory, tmp_path: Path
) -> None:
    cache = AnswerCache(tmp_path / "cache")
    ask(cache=cache)
    notes: list[str] = []
    (root / "retry.py").write_text(SOURCE.replace("min(30, 2**attempt)", "min(60, 3**attempt)"))
    changed, _ = ask(cache=cache, on_event=lambda event: notes.append(event.message))
    assert changed.cached_from == "", "not even before the index knows of the change"
    assert "the cached answer cites code that has changed, and is ignored" in notes
    memory.index()
    assert ask(cache=cache)[0].cached_from == ""


def test_after_a_commit_nothing_is_answered_from_the_cache(
    ask: Callable[..., tuple[SoarResult, Scripted]], root: Path, memory: Memory, tmp_path: Path
) -> None:
    """A model may have looked at the history, and the ranking rests on it, though no file has changed."""
    cache = AnswerCache(tmp_path / "cache")
    git(root, "init", "-q")
    commit(root, "Start")
    memory.index()
    ask(cache=cache)
    assert ask(cache=cache)[0].cached_from != ""
    git(root, "commit", "-q", "--allow-empty", "-m", "Wait longer")
    memory.index()
    assert ask(cache=cache)[0].cached_from == ""


def test_a_broken_entry_is_ignored_with_a_note_and_replaced(
    ask: Callable[..., tuple[SoarResult, Scripted]], tmp_path: Path
) -> None:
    cache = AnswerCache(tmp_path / "cache")
    first, _ = ask(cache=cache)
    (entry,) = (tmp_path / "cache").glob("answer-*")
    whole = entry.read_bytes()
    for content in (b"", b"{", whole[:-40], b'{"query_id": 1}', b"\xff\0", b"[" * 100_000, b"x" * 2_000_000):
        entry.write_bytes(content)
        found, problem = cache.find(CachedAnswer, first.cache_key)
        assert found is None
        assert "cannot be read and is ignored" in problem
    notes: list[str] = []
    assert ask(cache=cache, said=(json.dumps(GOOD),), on_event=lambda event: notes.append(event.message))[0].ok
    assert any("cannot be read and is ignored" in note for note in notes)
    assert cache.find(CachedAnswer, first.cache_key)[0] is not None


def test_the_cache_keeps_the_entries_that_were_used_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aurora_soar.answer_cache, "MOST_ENTRIES", 2)
    cache = AnswerCache(tmp_path / "cache")
    plan = CachedPlan(
        decomposition=Decomposition(goal="g", subgoals=(), execution_order=(), expected_tools=(), query_hash="h"),
        planned_by="coder",
    )
    for at, key in enumerate("abc"):
        cache.put(key, plan)
        os.utime(tmp_path / "cache" / f"plan-{key}.json", (at, at))
        if key == "b":
            assert cache.find(CachedPlan, "a")[0] == plan, "a use makes it the youngest"
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {"plan-a.json", "plan-c.json"}


@pytest.mark.parametrize("linked", ["cache", "cache/answers"])
def test_a_cache_that_leads_elsewhere_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linked: str
) -> None:
    monkeypatch.setattr(aurora_soar.answer_cache, "MOST_ENTRIES", 0)
    theirs = tmp_path / "home" / "answers"
    theirs.mkdir(parents=True)
    (theirs / "my-notes.json").write_text("{}")
    (tmp_path / linked).parent.mkdir(exist_ok=True)
    (tmp_path / linked).symlink_to(theirs if linked.endswith("answers") else theirs.parent)
    planned = Planned(
        decomposition=Decomposition(goal="g", subgoals=(), execution_order=(), expected_tools=(), query_hash="h"),
        planned_by="coder",
    )
    note = keep_plan(AnswerCache(tmp_path / "cache" / "answers"), "a", planned)
    assert note == f"nothing was cached: {tmp_path / linked}: it is a link; put a folder in its place"
    assert [each.name for each in theirs.iterdir()] == ["my-notes.json"]


def test_the_key_changes_with_everything_that_an_answer_rests_on(tmp_path: Path) -> None:
    persona = tmp_path / "coder.md"
    persona.write_text("Work well.")
    policies = PoliciesEngine.load(None)
    agent = Agent(id="coder", description="codes", source_file=str(persona))
    backend = CommandBackend("coder", ("coder",))
    registry = AgentRegistry(agents={"coder": agent}, backends={"coder": backend})
    turn = Turn(session="s", query_id="q", at=0.0, asked="a", question="a", answer="b")
    (tmp_path / "policies.yaml").write_text("caps:\n  max_agents: 2\n")
    base: dict[str, Any] = {"index": "1", "model": "coder", "registry": registry, "policies": policies}
    key = key_of("Why?", **base)
    others: list[tuple[str, dict[str, Any]]] = [
        ("How?", {}),
        ("Why?", {"index": "2"}),
        ("Why?", {"model": None}),
        ("Why?", {"turns": [turn]}),
        ("Why?", {"registry": replace(registry, backends={"coder": replace(backend, command=("coder", "-x"))})}),
        ("Why?", {"registry": replace(registry, agents={"coder": replace(agent, description="plans")})}),
        ("Why?", {"policies": PoliciesEngine.load(tmp_path / "policies.yaml")}),
    ]
    keys = {key_of(query, **{**base, **more}) for query, more in others}
    assert len(keys | {key}) == len(others) + 1
    assert key_of("Why?", **base) == key
    persona.write_text("Work otherwise.")
    assert key_of("Why?", **base) != key
