"""Phase 6 with a model: the model writes the answer from the findings; its citations are checked in the files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from aurora_soar.errors import ModelAnswerError
from aurora_soar.evidence.claims import places_in
from aurora_soar.models.structured import WrittenAnswer, ask_until_valid, read_document
from aurora_soar.phases.prompts import answer_request
from aurora_soar.phases.synthesize import Source, Synthesis

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aurora_soar.evidence.agent_outputs import AgentOutput
    from aurora_soar.evidence.citations import CitationChecker
    from aurora_soar.evidence.claims import Place
    from aurora_soar.models.language_model import Completion, LanguageModel
    from aurora_soar.phases.retrieve import RetrievedContext
    from aurora_soar.question.focus import Focus
    from aurora_soar.question.question import Question

__all__ = ["AnswerContext", "ModelAnswer", "answer_with_model"]

GOOD_FROM: Final = 0.6
"""An answer with a lower score, or with a citation that does not exist, is asked for again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerContext:
    """The material for an answer.

    Attributes:
        extracted: the answer made of the findings without a model; the fallback.
        background: earlier turns and answers, for the prompt.
    """

    question: Question
    focus: Focus
    outputs: tuple[AgentOutput, ...]
    retrieved: RetrievedContext
    citations: CitationChecker
    root: Path
    extracted: Synthesis
    background: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAnswer:
    """The result of asking a model for the answer.

    Attributes:
        synthesis: the model's best answer; the extracted answer if no answer of the model was valid.
        calls: every completion in order, the failed ones included.
        errors: what was wrong with each rejected completion, in order.
    """

    synthesis: Synthesis
    calls: tuple[Completion, ...]
    errors: tuple[str, ...]


async def answer_with_model(context: AnswerContext, model: LanguageModel) -> ModelAnswer:
    """Asks the model for the answer until one is good enough, and returns the best of its answers.

    No finding is lost: if no answer of the model is valid, the extracted answer is returned.
    """
    valid: list[Synthesis] = []

    def read(completion: Completion) -> Synthesis:
        written = _synthesis(context, read_document(completion.text, WrittenAnswer), completion.agent)
        valid.append(written)
        if weakness := _weakness(context, written):
            raise ModelAnswerError(weakness)
        return written

    request = answer_request(context.question, context.outputs, context.retrieved.code, context.background)
    replies = await ask_until_valid(model, request, read, title="answer")
    best = max(valid, key=lambda each: each.score, default=None)
    synthesis = _marked(context, best) if best else context.extracted
    return ModelAnswer(
        synthesis=replace(synthesis, retries=len(replies.calls) - 1), calls=replies.calls, errors=replies.errors
    )


def _marked(context: AnswerContext, written: Synthesis) -> Synthesis:
    """Marks each cited place that does not exist: a reader must not take it for a source."""
    answer = written.answer
    for place in reversed(list(places_in(answer, context.root))):
        if not _exists(context, place):
            answer = f"{answer[: place.at]} [there is no such place]{answer[place.at :]}"
    return replace(written, answer=answer, details=answer)


def _synthesis(context: AnswerContext, written: WrittenAnswer, by: str) -> Synthesis:
    """Returns the answer with its scores, which rest on its citations alone, never on the model's word."""
    cited = list(places_in(written.answer, context.root))
    sources = _sources(context, [place for place in cited if _exists(context, place)])
    return replace(
        context.extracted,
        answer=f"{written.answer.strip()}\n",
        details=f"{written.answer.strip()}\n",
        sources=tuple(sources.values()),
        chunk_ids=_chunks(context, list(sources)),
        coherence=_coherence(context, list(sources)),
        completeness=context.focus.coverage(written.answer).share,
        factuality=sum(_exists(context, place) for place in cited) / len(cited) if sources else 0.0,
        written_by=by,
        conflicts=tuple(written.conflicts),
    )


def _sources(context: AnswerContext, sound: Sequence[Place]) -> dict[tuple[str, int], Source]:
    """Returns each cited line that exists, once."""
    lines = {(place.file, place.line): place.line for place in sound if place.line is not None}
    texts = {(file, line): context.citations.line(file, line) for (file, _), line in lines.items()}
    return {
        (file, line): Source(file=file, line=line, text=text)
        for (file, line), text in texts.items()
        if text is not None
    }


def _coherence(context: AnswerContext, sound: Sequence[tuple[str, int]]) -> float:
    """Returns the share of the cited places that lie in files named by a finding or by the memory."""
    known = {f.file for output in context.outputs if output.evidence for f in output.evidence.findings}
    known |= {hit.file for hit in context.retrieved.code}
    return sum(file in known for file, _line in sound) / len(sound) if sound else 0.0


def _chunks(context: AnswerContext, sound: Sequence[tuple[str, int]]) -> tuple[str, ...]:
    """Returns the chunks that contain the cited places, to record their use."""
    return tuple(
        hit.chunk_id
        for hit in context.retrieved.code
        if any(file == hit.file and hit.line_start <= line <= hit.line_end for file, line in sound)
    )


def _exists(context: AnswerContext, place: Place) -> bool:
    return context.citations.exists(place.file, place.line, place.last)


def _missing(context: AnswerContext, answer: str) -> list[str]:
    """Returns the cited places that do not exist or start on an empty line, as the answer spells them."""
    missing = (place for place in places_in(answer, context.root) if not _exists(context, place))
    return list(dict.fromkeys(answer[place.begin : place.at] for place in missing))


def _weakness(context: AnswerContext, written: Synthesis) -> str | None:
    """Returns what is wrong with an answer, as a prompt for its writer; None if it is good enough."""
    missing = _missing(context, written.answer)
    if not missing and written.score >= GOOD_FROM:
        return None
    faults = []
    if not any(places_in(written.answer, context.root)):
        faults.append("it names no place as path:line")
    if missing:
        faults.append(f"there is nothing at these places: {', '.join(missing[:10])}")
    unspoken = [word for word in context.focus.words if word not in context.focus.coverage(written.answer).words]
    if unspoken:
        faults.append(f"it does not speak of: {', '.join(unspoken[:10])}")
    return "; ".join(faults) or "what it cites lies in files that no finding names"
