"""The conversation log and the response say what happened: costs that are unknown, files that exist, recoveries."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from aurora_core import ChunkKind, Hit, Reasoning, SymbolType
from aurora_soar import Completion, Phase, Source, Verbosity, assess, read_question, render
from aurora_soar.evidence.agent_outputs import AgentOutput
from aurora_soar.evidence.evidence import Aspect, Evidence, Finding, FindingKind
from aurora_soar.phases.collect import Collected
from aurora_soar.phases.record import Recorded
from aurora_soar.phases.retrieve import RetrievedContext
from aurora_soar.phases.synthesize import Synthesis
from aurora_soar.report.conversation_log import MAX_CONTENT, log_document, write_log
from aurora_soar.report.execution import Execution, PhaseTiming, usage_of
from aurora_spawner.tasks.usage import Usage

if TYPE_CHECKING:
    from pathlib import Path

QUESTION = read_question("How is a voucher redeemed?")
FINDING = Finding(
    kind=FindingKind.DEFINITION,
    file="vouchers.py",
    line=1,
    line_end=2,
    symbol="redeem_voucher",
    text="def redeem_voucher(code)",
)
USED = Usage(input_tokens=10, output_tokens=5, cache_read_tokens=100, cost_usd=0.25)


def output(*, error: str | None = None, words: str = "", usage: Usage | None = None) -> AgentOutput:
    evidence = Evidence(aspect=Aspect.DEFINITIONS, focus="voucher", findings=(FINDING,), searched=3)
    return AgentOutput(
        subgoal_index=0,
        agent_id="local",
        success=error is None,
        evidence=None if error else evidence,
        confidence=1.0,
        duration_ms=1500.0,
        exit_code=None if error else 0,
        termination_reason=None,
        error=error,
        words=words,
        usage=usage,
    )


def execution(question: str = QUESTION.text, **changes: Any) -> Execution:
    asked = read_question(question)
    made = Execution(
        query_id="soar-1",
        question=asked,
        started_at=datetime(2026, 3, 1, 12, 0, tzinfo=UTC),
        duration_ms=12.0,
        budget=None,
        verbosity=Verbosity.NORMAL,
        assessment=assess(asked),
        context=RetrievedContext(code=(), reasoning=(), budget=5, high_quality=0),
        decomposition=None,
        verification=None,
        collected=Collected(outputs=(output(),), run_id=None, duration_ms=0.0, interrupted=False),
        synthesis=Synthesis(
            answer="By `redeem_voucher` (`vouchers.py:1`).\n",
            details="By `redeem_voucher` (`vouchers.py:1`).\n",
            written_by="claude",
            sources=(Source(file="vouchers.py", line=1, text="def redeem_voucher(code):"),),
            chunk_ids=(),
            coherence=1.0,
            completeness=0.5,
            factuality=0.75,
            subgoals_completed=1,
            subgoals_partial=0,
            subgoals_failed=0,
        ),
        recorded=Recorded(reasoning_chunk_id=None, pattern_marked=False, activation_update=0.0),
        timings={Phase.RETRIEVE: PhaseTiming(duration_ms=3.0, started_at=1000.0)},
    )
    return replace(made, **changes)


def call(usage: Usage | None = USED) -> Completion:
    return Completion(text="{}", agent="coder", usage=usage, error=None)


def hit(content: str = "def redeem_voucher(code):", reasoning: Reasoning | None = None) -> Hit:
    return Hit(
        chunk_id="7",
        file="vouchers.py",
        line_start=1,
        line_end=2,
        name="redeem_voucher",
        kind=ChunkKind.CODE,
        symbol_type=SymbolType.FUNCTION,
        content=content,
        signature=None,
        bm25_score=1.0,
        activation_score=0.0,
        semantic_score=0.0,
        hybrid_score=1.0,
        reasoning=reasoning,
    )


class TestCost:
    @pytest.mark.parametrize(
        ("changes", "cost", "shown"),
        [
            ({}, 0.0, "no model, $0.00"),
            ({"plan_calls": (call(),)}, 0.25, "110 + 5 tokens, $0.2500"),
            ({"plan_calls": (call(),), "answer_calls": (call(),)}, 0.5, "220 + 10 tokens, $0.5000"),
            ({"plan_calls": (call(None),)}, None, "tokens and cost unknown"),
            ({"plan_calls": (call(replace(USED, cost_usd=None)),)}, None, "110 + 5 tokens, cost unknown"),
        ],
    )
    def test_it_is_summed_and_an_unknown_one_is_never_nothing(
        self, changes: dict[str, Any], cost: float | None, shown: str
    ) -> None:
        made = execution(**changes)
        assert log_document(made)["total_cost_usd"] == cost
        assert shown in render(made, Verbosity.NORMAL)

    def test_an_agent_that_answered_in_prose_may_have_cost_something(self) -> None:
        collected = Collected(outputs=(output(words="It is there."),), run_id="r", duration_ms=1.0, interrupted=False)
        assert log_document(execution(collected=collected))["total_cost_usd"] is None

    def test_usage_of_some_is_the_sum_of_those_that_are_known(self) -> None:
        assert usage_of() is None
        assert usage_of(call(None), output()) is None
        assert usage_of(call(None), output(usage=USED)) == USED

    def test_each_phase_has_its_own_tokens(self) -> None:
        phases: Any = log_document(execution(answer_calls=(call(),)))["phases"]
        timing = phases["phase6_synthesize"]["timing"]
        assert (timing["input_tokens"], timing["output_tokens"]) == (110, 5)


class TestFile:
    def test_it_lies_in_year_and_month_and_is_named_by_two_words(self, tmp_path: Path) -> None:
        path = write_log(execution(), tmp_path)
        assert path == tmp_path / "2026" / "03" / "voucher-redeemed-2026-03-01.md"
        assert path.stat().st_mode & 0o077 == 0

    @pytest.mark.parametrize(
        ("question", "name"),
        [
            ("What does `../../etc/passwd` hold?", "etc-passwd"),
            ("What is `änderung`?", "nderung"),
            ("Wo ist `日本`?", "question"),
            ("Explain " + "x" * 300, "x" * 24),
        ],
    )
    def test_no_question_leads_out_of_the_folder(self, tmp_path: Path, question: str, name: str) -> None:
        path = write_log(execution(question), tmp_path)
        assert path.parent == tmp_path / "2026" / "03"
        assert path.name == f"{name}-2026-03-01.md"

    def test_many_at_once_get_files_of_their_own(self, tmp_path: Path) -> None:
        with ThreadPoolExecutor(8) as pool:
            paths = list(pool.map(lambda n: write_log(execution(query_id=f"soar-{n}"), tmp_path), range(24)))
        assert len(set(paths)) == 24
        ids = {re.findall(r"Query ID\*\*: (\S+)", path.read_text())[0] for path in paths}
        assert ids == {f"soar-{n}" for n in range(24)}

    def test_its_block_is_the_whole_document(self, tmp_path: Path) -> None:
        made = execution("Is `a\n```json\n{}` a fence?")
        text = write_log(made, tmp_path).read_text(encoding="utf-8")
        block = text.rpartition("```json\n")[2].rpartition("\n```")[0]
        assert json.loads(block) == json.loads(json.dumps(log_document(made)))
        assert len([line for line in text.splitlines() if line.startswith("**User Query**")]) == 1


class TestDocument:
    def test_phases_that_did_not_run_are_there_with_nothing(self) -> None:
        phases: Any = log_document(execution())["phases"]
        assert list(phases) == [phase.value for phase in Phase]
        assert phases["phase3_decompose"]["decomposition"] is None
        assert phases["phase4_verify"]["final_verdict"] is None
        assert phases["phase2_retrieve"]["_timing_ms"] == 3.0
        assert phases["phase7_record"]["timing"]["started_at"] is None

    def test_long_chunks_are_cut_and_say_so(self) -> None:
        context = RetrievedContext(
            code=(hit("x" * (MAX_CONTENT + 1)), hit("y" * MAX_CONTENT)), reasoning=(), budget=5, high_quality=1
        )
        phases: Any = log_document(execution(context=context))["phases"]
        long, short = phases["phase2_retrieve"]["code_chunks"]
        assert long["content"].startswith("x" * MAX_CONTENT + "\n")
        assert "truncated" in long["content"]
        assert short["content"] == "y" * MAX_CONTENT

    def test_without_a_ledger_its_fields_are_null(self) -> None:
        status: Any = log_document(execution())["budget_status"]
        assert status
        assert set(status.values()) == {None}

    def test_traces_name_the_question_where_there_was_no_plan(self) -> None:
        phases: Any = log_document(execution())["phases"]
        (trace,) = phases["phase6_synthesize"]["traceability"]
        assert trace["subgoal_description"] == QUESTION.text


class TestResponse:
    def test_quiet_is_the_answer_alone(self) -> None:
        made = execution()
        assert render(made, Verbosity.QUIET) == made.answer

    def test_earlier_answers_are_named_with_day_and_project(self) -> None:
        earlier = [
            Reasoning(
                query="q", answer="a", score=0.9, sources=(), run_id=f"soar-{n}", project=project, created_at=at
            )
            for n, project, at in ((1, "", 86_400.0), (2, "/other", 86_400.0), (3, "", None), (4, "", 0.0))
        ]
        context = RetrievedContext(
            code=(), reasoning=tuple(hit(reasoning=each) for each in earlier), budget=5, high_quality=0
        )
        lines = [
            line for line in render(execution(context=context), Verbosity.NORMAL).splitlines() if "before" in line
        ]
        assert lines == [
            "Answered before: redeem_voucher (soar-1, 1970-01-02)",
            "Answered before: redeem_voucher (soar-2, 1970-01-02, in /other)",
        ]

    def test_verbose_gives_a_line_for_each_agent_conflict_and_phase(self) -> None:
        failed = Collected(
            outputs=(output(), output(error="timeout after 120 s")), run_id="r", duration_ms=1.0, interrupted=False
        )
        made = execution(collected=failed)
        made = replace(made, synthesis=replace(made.synthesis, conflicts=("The limit is 3 or 5.",)))
        lines = render(made, Verbosity.VERBOSE).splitlines()
        assert "agent 1: 1 findings (1.50 s)" in lines
        assert "agent 1: timeout after 120 s (1.50 s)" in lines
        assert "conflict: The limit is 3 or 5." in lines
        assert "phase2_retrieve: 3.0 ms" in lines


@pytest.mark.parametrize(
    ("changes", "ok"),
    [
        ({}, True),
        ({"synthesis": replace(execution().synthesis, sources=())}, False),
        ({"collected": Collected(outputs=(), run_id="r", duration_ms=1.0, interrupted=True)}, False),
        (
            {"collected": Collected(outputs=(output(error="x"),), run_id="r", duration_ms=1.0, interrupted=False)},
            True,  # no plan called it critical
        ),
    ],
)
def test_an_execution_is_ok_with_a_source_and_without_interruption(changes: dict[str, Any], *, ok: bool) -> None:
    assert execution(**changes).ok is ok
