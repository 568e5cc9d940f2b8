"""Direct answers to simple questions: the memory is searched in this process, without a plan."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from aurora_soar.evidence.agent_outputs import AgentOutput
from aurora_soar.evidence.citations import CitationChecker
from aurora_soar.evidence.evidence import Aspect, LocalRequest
from aurora_soar.local_agent.extract import extract
from aurora_soar.phases.synthesize import Synthesis, synthesize
from aurora_soar.question.focus import Focus
from aurora_soar.question.presence import find_presence
from aurora_soar.question.question import read_question
from aurora_soar.registry import LOCAL_AGENT

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_soar.memory_port import SoarMemory
    from aurora_soar.question.question import Question

__all__ = ["answer_directly", "look_up"]

_ASPECTS: Final = (Aspect.DEFINITIONS, Aspect.STATEMENTS, Aspect.FLOW)


def answer_directly(memory: SoarMemory, root: Path, text: str) -> Synthesis:
    """Answers a question in this process.

    Raises:
        EmptyQuestionError: the text has no word to search for.
    """
    question = read_question(text)
    outputs = look_up(memory, question)
    focus = Focus.of(memory, question.terms)
    presence = find_presence(memory, question, focus)
    return synthesize(question, focus, outputs, CitationChecker(root), presence)


def look_up(memory: SoarMemory, question: Question) -> tuple[AgentOutput, ...]:
    """Returns the local agent's findings: definitions, statements, flow, and what the question asks for."""
    aspects = (*_ASPECTS, Aspect.TESTS) if question.about_tests else _ASPECTS
    if question.trouble is not None:
        aspects = (Aspect.DEFINITIONS, Aspect.ERRORS, Aspect.FLOW)
    focus = Focus.of(memory, question.terms)
    return tuple(_output(memory, question, focus, index, aspect) for index, aspect in enumerate(aspects))


def _output(memory: SoarMemory, question: Question, focus: Focus, index: int, aspect: Aspect) -> AgentOutput:
    started = time.perf_counter()
    evidence = extract(memory, LocalRequest(question=question.text, aspect=aspect, focus=question.focus))
    return AgentOutput(
        subgoal_index=index,
        agent_id=LOCAL_AGENT,
        success=True,
        evidence=evidence,
        confidence=round(focus.coverage(" ".join(t for f in evidence.findings for t in f.terms)).share, 4),
        duration_ms=(time.perf_counter() - started) * 1e3,
        exit_code=None,
        termination_reason=None,
        error=None,
    )
