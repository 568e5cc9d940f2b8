"""The local agent's work apart from its process: evidence for one aspect of a question, from the memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_core import ChunkKind
from aurora_core.file_kinds import is_test_file
from aurora_soar.errors import AgentOutputError
from aurora_soar.evidence.evidence import Aspect, Evidence, Finding, FindingKind, parse_evidence
from aurora_soar.local_agent.definitions import NAMED_SYMBOLS, find_definitions, find_steps
from aurora_soar.local_agent.errors import find_errors
from aurora_soar.local_agent.flow import find_flow
from aurora_soar.local_agent.statements import find_statements
from aurora_soar.local_agent.tests import find_tests
from aurora_soar.question.focus import Focus
from aurora_soar.question.question import read_question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_core import Hit, Memory
    from aurora_soar.evidence.evidence import LocalRequest

__all__ = ["extract"]

POOL: Final = 40
FLOW_DEFINITIONS: Final = 3
_WRITTEN: Final = (ChunkKind.CODE, ChunkKind.KB, ChunkKind.DOC)


def extract(memory: Memory, request: LocalRequest) -> Evidence:
    """Searches the memory for the request's focus and returns the findings of its aspect."""
    question = read_question(request.focus)
    focus = Focus.of(memory, question.terms)
    query = f"tests for {request.focus}" if request.aspect is Aspect.TESTS else request.focus
    kinds = _WRITTEN if request.aspect is Aspect.STATEMENTS else (ChunkKind.CODE,)
    hits = memory.search(query, limit=POOL, kinds=kinds)
    if request.aspect is not Aspect.TESTS and not question.about_tests:
        hits = [hit for hit in hits if not is_test_file(hit.file)]
    return Evidence(
        aspect=request.aspect,
        focus=request.focus,
        findings=tuple(_findings(memory, request, focus, hits)),
        missing=focus.unknown,
        searched=len(hits),
    )


def _findings(memory: Memory, request: LocalRequest, focus: Focus, hits: Sequence[Hit]) -> list[Finding]:
    match request.aspect:
        case Aspect.DEFINITIONS | Aspect.REPORT:
            return _definitions(hits, focus, request.limit)
        case Aspect.STATEMENTS:
            return find_statements(hits, focus, request.limit)
        case Aspect.FLOW:
            return find_flow(memory, _flow_starts(memory, request, hits), focus)
        case Aspect.ERRORS:
            return find_errors(hits, focus, request.limit)
        case Aspect.TESTS:
            return find_tests(hits, focus, request.limit)


def _definitions(hits: Sequence[Hit], focus: Focus, limit: int) -> list[Finding]:
    definitions = find_definitions(hits, focus, limit)
    shown = {d.chunk_id for d in definitions}
    return [*definitions, *find_steps([hit for hit in hits if hit.chunk_id in shown], focus)]


def _flow_starts(memory: Memory, request: LocalRequest, hits: Sequence[Hit]) -> list[Hit]:
    """Returns the definitions that earlier subgoals found, best first; without any, the best hits of this search."""
    found = [f for result in request.dependency_results for f in _found(result.output)]
    hits_found = [h for f in found[:FLOW_DEFINITIONS] for h in memory.definitions(f.symbol) if h.file == f.file]
    return hits_found or [hit for hit in hits if hit.symbol_type in NAMED_SYMBOLS][:FLOW_DEFINITIONS]


def _found(output: str) -> list[Finding]:
    try:
        evidence = parse_evidence("dependency", output)
    except AgentOutputError:
        return []  # another kind of agent answered in prose; this search's own hits are used
    return [f for f in evidence.findings if f.kind is FindingKind.DEFINITION]
