"""Phases 2 and 7: a question gets chunks by its complexity, and a good answer is stored with its origin."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aurora_core import ChunkKind, Memory, Reasoning
from aurora_soar import Complexity, Source, read_question
from aurora_soar.phases.record import record
from aurora_soar.phases.retrieve import CHUNKS_BY_COMPLEXITY, RetrievedContext, retrieve
from aurora_soar.phases.synthesize import Synthesis
from aurora_soar.question.focus import Focus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUESTION = read_question("How is a voucher redeemed?")
GOOD = Synthesis(
    answer="By `redeem_voucher` (`vouchers.py:1`).\n",
    details="By `redeem_voucher` (`vouchers.py:1`).\n",
    written_by="claude",
    sources=(Source(file="vouchers.py", line=1, text="def redeem_voucher(code):"),),
    chunk_ids=(),
    coherence=1.0,
    completeness=1.0,
    factuality=1.0,
    subgoals_completed=1,
    subgoals_partial=0,
    subgoals_failed=0,
)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    root = tmp_path / "shop"
    root.mkdir()
    many = "".join(f"def redeem_voucher_{n}(code):\n    return code\n\n\n" for n in range(30))
    (root / "vouchers.py").write_text(f"def redeem_voucher(code):\n    return code\n\n\n{many}")
    (root / "guide.md").write_text(
        "# Vouchers\n\nA voucher is redeemed once.\n\n## Limits\n\nOne voucher an order.\n"
    )
    with Memory.open(root) as memory:
        memory.index()
        yield memory


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Memory]:
    (tmp_path / "shared").mkdir()
    with Memory.open(tmp_path / "shared") as memory:
        yield memory


def retrieved(
    memory: Memory, complexity: Complexity = Complexity.SIMPLE, *, shared: Memory | None = None
) -> RetrievedContext:
    return retrieve(memory, QUESTION, Focus.of(memory, QUESTION.terms), complexity, shared=shared)


@pytest.mark.parametrize("complexity", list(Complexity))
def test_the_budget_of_chunks_grows_with_complexity_and_holds(memory: Memory, complexity: Complexity) -> None:
    found = retrieved(memory, complexity)
    assert found.budget == CHUNKS_BY_COMPLEXITY[complexity]
    assert len(found.code) == found.budget, "there is more than fits"
    assert found.total == len(found.code) + len(found.reasoning)


def test_documents_get_their_share_and_code_comes_first(memory: Memory) -> None:
    kinds = [hit.kind for hit in retrieved(memory, Complexity.MEDIUM).code]
    assert kinds.count(ChunkKind.KB) == 2
    assert kinds[: kinds.index(ChunkKind.KB)] == [ChunkKind.CODE] * 8


def test_without_documents_code_gets_the_whole_budget(memory: Memory) -> None:
    (memory.root / "guide.md").unlink()
    memory.index()
    found = retrieved(memory)
    assert [hit.kind for hit in found.code] == [ChunkKind.CODE] * found.budget


def test_an_answer_is_found_again_by_a_similar_question_only(memory: Memory) -> None:
    record(memory, QUESTION, GOOD, "soar-1")
    assert [hit.reasoning.run_id for hit in retrieved(memory).reasoning if hit.reasoning] == ["soar-1"]
    other = read_question("How is an order shipped abroad?")
    context = retrieve(memory, other, Focus.of(memory, other.terms), Complexity.SIMPLE)
    assert context.reasoning == ()


@pytest.mark.parametrize(
    ("score", "stored", "pattern", "activation"),
    [(0.49, False, False, 0.0), (0.5, True, False, 0.05), (0.79, True, False, 0.05), (0.8, True, True, 0.2)],
)
def test_the_score_decides_what_is_stored(
    memory: Memory, score: float, activation: float, *, stored: bool, pattern: bool
) -> None:
    recorded = record(
        memory, QUESTION, replace(GOOD, coherence=score, completeness=score, factuality=score), "soar-1"
    )
    assert recorded.cached is stored
    assert recorded.pattern_marked is pattern
    assert recorded.activation_update == activation
    assert bool(retrieved(memory).reasoning) is stored


def test_an_answer_that_found_nothing_is_not_remembered_whatever_its_score(memory: Memory) -> None:
    assert not record(memory, QUESTION, replace(GOOD, absent=True), "soar-1").cached
    assert retrieved(memory).reasoning == ()


def test_an_earlier_answer_to_no_question_is_passed_over(memory: Memory) -> None:
    record(memory, QUESTION, GOOD, "soar-1")
    memory.remember(Reasoning(query="?!", answer="A voucher is redeemed.", score=1.0, sources=(), run_id="soar-2"))
    assert [hit.reasoning.run_id for hit in retrieved(memory).reasoning if hit.reasoning] == ["soar-1"]


def test_an_answer_without_a_source_is_not_stored_whatever_its_score(memory: Memory) -> None:
    assert not record(memory, QUESTION, replace(GOOD, sources=()), "soar-1").cached


def test_the_use_of_cited_chunks_is_recorded_for_a_stored_answer_only(memory: Memory) -> None:
    hit = memory.search("redeem_voucher", limit=1, record=False)[0]
    before = hit.activation_score
    record(memory, QUESTION, replace(GOOD, coherence=0.0, factuality=0.0, chunk_ids=(hit.chunk_id,)), "soar-1")
    assert memory.search("redeem_voucher", limit=1, record=False)[0].activation_score == before
    record(memory, QUESTION, replace(GOOD, chunk_ids=(hit.chunk_id,)), "soar-2")
    assert memory.search("redeem_voucher", limit=1, record=False)[0].activation_score > before


def test_a_shared_answer_names_its_project_and_is_not_told_twice(memory: Memory, shared: Memory) -> None:
    record(memory, QUESTION, GOOD, "soar-1", shared=shared)
    (elsewhere,) = shared.search(QUESTION.text, limit=5, kinds=(ChunkKind.REAS,), record=False)
    assert elsewhere.reasoning is not None
    assert elsewhere.reasoning.project == str(memory.root)
    found = retrieved(memory, shared=shared)
    assert len(found.reasoning) == 1, "its own answer is in both memories"


def test_an_answer_of_another_project_is_found_with_its_name(memory: Memory, shared: Memory) -> None:
    shared.remember(
        Reasoning(
            query=QUESTION.text,
            answer="A voucher is redeemed once.",
            score=0.9,
            sources=("a.py:1",),
            run_id="soar-7",
            project="/other",
        )
    )
    (hit,) = retrieved(memory, shared=shared).reasoning
    assert hit.reasoning is not None
    assert hit.reasoning.project == "/other"
