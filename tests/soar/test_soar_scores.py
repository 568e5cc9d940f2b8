"""Scores of an answer and of a plan are measured on the findings, not asserted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aurora_core import Memory
from aurora_soar import Intent, read_question
from aurora_soar.evidence.agent_outputs import AgentOutput
from aurora_soar.evidence.citations import CitationChecker
from aurora_soar.evidence.evidence import Aspect, Evidence, Finding, FindingKind
from aurora_soar.phases.decompose import ExecutionStep, MatchQuality, Subgoal, layers
from aurora_soar.phases.decompose_rules import rules_for
from aurora_soar.phases.synthesize import Synthesis, synthesize
from aurora_soar.question.focus import Focus

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "till.py": "from stock import take\n\n\ndef sell(basket):\n    take(basket)\n    return basket\n",
    "stock.py": "def take(item):\n    return item\n",
    "mail.py": "def send(letter):\n    return letter\n",
}
SELL = Finding(
    kind=FindingKind.DEFINITION,
    file="till.py",
    line=4,
    line_end=6,
    symbol="sell",
    text="def sell(basket)",
    terms=("sell",),
    chunk_id="1",
)
CALL = Finding(
    kind=FindingKind.CALLEE,
    file="stock.py",
    line=1,
    line_end=2,
    symbol="take",
    text="def take(item)",
    about="sell",
    terms=("basket",),
    chunk_id="2",
)
STRANGER = Finding(
    kind=FindingKind.DEFINITION,
    file="mail.py",
    line=1,
    line_end=2,
    symbol="send",
    text="def send(letter)",
    terms=("sell",),
    chunk_id="3",
)
FOCUS = Focus(
    weights={"sell": 0.75, "basket": 0.25},
    stems={"sell": frozenset({"sell"}), "basket": frozenset({"basket"})},
    unknown=(),
)


def output(index: int, *findings: Finding, error: str | None = None) -> AgentOutput:
    evidence = Evidence(aspect=Aspect.DEFINITIONS, focus="sell basket", findings=findings, searched=3)
    return AgentOutput(
        subgoal_index=index,
        agent_id="local",
        success=error is None,
        evidence=None if error else evidence,
        confidence=1.0,
        duration_ms=1.0,
        exit_code=0,
        termination_reason=None,
        error=error,
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def answer(root: Path, *outputs: AgentOutput) -> Synthesis:
    return synthesize(read_question("How does sell empty a basket?"), FOCUS, outputs, CitationChecker(root))


def test_findings_joined_by_calls_are_coherent(root: Path) -> None:
    found = answer(root, output(0, SELL, CALL))
    assert (found.coherence, found.completeness, found.factuality) == (1.0, 1.0, 1.0)
    assert found.score == 1.0
    assert found.chunk_ids == ("1", "2")


def test_a_finding_in_a_file_that_no_call_joins_lowers_coherence(root: Path) -> None:
    assert answer(root, output(0, SELL, CALL, STRANGER)).coherence == pytest.approx(2 / 3)


def test_calls_join_files_over_several_steps(root: Path) -> None:
    take = replace_finding(SELL, file="stock.py", line=1, line_end=2, symbol="take", text="def take(item)")
    further = replace_finding(CALL, file="mail.py", symbol="send", text="def send(letter)", about="take")
    assert answer(root, output(0, SELL, CALL, take, further)).coherence == 1.0


def replace_finding(finding: Finding, **changes: object) -> Finding:
    return finding.model_copy(update=changes)


def test_an_invented_finding_lowers_factuality_and_is_not_cited(root: Path) -> None:
    invented = replace_finding(SELL, line=1)
    found = answer(root, output(0, SELL, invented, CALL))
    assert found.factuality == pytest.approx(2 / 3)
    assert "till.py:1`" not in found.answer
    assert all(source.line != 1 or source.file != "till.py" for source in found.sources)


def test_what_no_finding_speaks_of_is_missing_in_completeness(root: Path) -> None:
    assert answer(root, output(0, SELL)).completeness == 0.75


def test_words_of_invented_findings_do_not_count(root: Path) -> None:
    assert answer(root, output(0, SELL, replace_finding(CALL, line=2))).completeness == 0.75


def test_subgoals_are_counted_by_what_came_of_them(root: Path) -> None:
    found = answer(root, output(0, SELL), output(1), output(2, error="timeout"))
    assert (found.subgoals_completed, found.subgoals_partial, found.subgoals_failed) == (1, 1, 1)


def test_without_a_finding_every_score_is_nothing(root: Path) -> None:
    found = answer(root, output(0), output(1, error="timeout"))
    assert (found.coherence, found.completeness, found.factuality, found.score) == (0.0, 0.0, 0.0, 0.0)
    assert found.sources == ()
    assert "timeout" in found.answer


def test_a_place_that_is_cited_twice_is_one_source(root: Path) -> None:
    found = answer(root, output(0, SELL), output(1, SELL))
    assert len(found.sources) == 1


def subgoal(*depends_on: int) -> Subgoal:
    return Subgoal(
        description="d",
        focus="f",
        aspect=Aspect.FLOW,
        ideal_agent="local",
        ideal_agent_desc="",
        assigned_agent="local",
        match_quality=MatchQuality.EXCELLENT,
        source_file=None,
        is_critical=True,
        depends_on=depends_on,
    )


@pytest.mark.parametrize(
    ("depends", "order"),
    [
        ([()], [((), (0,))]),
        ([(), ()], [((0, 1), ())]),
        ([(), (0,), (1,)], [((), (0,)), ((), (1,)), ((), (2,))]),
        ([(), (), (0, 1), ()], [((0, 1, 3), ()), ((), (2,))]),
        ([(), (0,), (0,), (1, 2), ()], [((0, 4), ()), ((1, 2), ()), ((), (3,))]),
    ],
)
def test_a_layer_holds_what_needs_only_earlier_layers(
    depends: list[tuple[int, ...]], order: list[tuple[tuple[int, ...], tuple[int, ...]]]
) -> None:
    expected = tuple(
        ExecutionStep(phase=phase, parallelizable=side_by_side, sequential=alone)
        for phase, (side_by_side, alone) in enumerate(order, start=1)
    )
    assert layers(tuple(subgoal(*each) for each in depends)) == expected


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("Explain the till", Intent.EXPLAIN),
        ("Why does the till crash?", Intent.DEBUG),
        ("Add a discount to the till", Intent.IMPLEMENT),
        ("Review the till", Intent.REVIEW),
        ("Plan the new till", Intent.PLAN),
        ("Compare till and stock", Intent.COMPARE),
    ],
)
def test_each_intent_starts_with_the_code_and_traces_it_afterwards(text: str, intent: Intent) -> None:
    question = read_question(text)
    assert question.intent is intent
    rules = rules_for(question)
    assert rules[0].aspect is Aspect.DEFINITIONS
    assert rules[0].is_critical
    flows = [rule for rule in rules if rule.aspect is Aspect.FLOW]
    assert flows, "every plan follows the calls"
    assert all(rules[index].aspect is Aspect.DEFINITIONS for flow in flows for index in flow.depends_on)
    assert all("{" not in rule.description for rule in rules)


def test_a_rare_word_outweighs_common_ones_and_unknown_ones_are_named(root: Path) -> None:
    for number in range(20):
        (root / f"m{number}.py").write_text(f"def basket_{number}(item):\n    return item\n")
    with Memory.open(root) as memory:
        memory.index()
        focus = Focus.of(memory, ("sell", "basket", "item", "zebra"))
    assert focus.weights["sell"] > focus.weights["basket"]
    assert focus.weights["sell"] > focus.weights["item"]
    assert sum(focus.weights.values()) == pytest.approx(1.0)
    assert focus.unknown == ("zebra",)
    assert focus.coverage("selling baskets").words == ("sell", "basket")
    assert focus.coverage("").share == 0.0


def test_a_focus_without_a_known_stem_covers_nothing(root: Path) -> None:
    with Memory.open(root) as memory:
        memory.index()
        focus = Focus.of(memory, ())
    assert focus.words == ()
    assert focus.coverage("anything").share == 0.0


def test_an_output_s_summary_holds_its_best_findings_only() -> None:
    many = [replace_finding(SELL, line=number) for number in range(1, 9)]
    lines = output(0, *many).summary.splitlines()
    assert lines[0] == "definition: def sell(basket) (till.py:1)"
    assert len(lines) == 5
    assert replace(output(0), evidence=None).summary == ""
