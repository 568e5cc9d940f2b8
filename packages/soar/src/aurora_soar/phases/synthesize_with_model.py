"""Phase 6 with a model: it writes the answer from what agents found; what it cites is held against the files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from aurora_soar.errors import ModelAnswerError
from aurora_soar.evidence.claims import places_in
from aurora_soar.models.structured import WrittenAnswer, read_document
from aurora_soar.phases.prompts import again, answer_request
from aurora_soar.phases.synthesize import Source, Synthesis

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aurora_soar.evidence.agent_outputs import AgentOutput
    from aurora_soar.evidence.citations import CitationChecker
    from aurora_soar.evidence.claims import Place
    from aurora_soar.models.language_model import LanguageModel, Said
    from aurora_soar.phases.retrieve import RetrievedContext
    from aurora_soar.question.focus import Focus
    from aurora_soar.question.question import Question

__all__ = ["Desk", "Written", "write"]

TRIES: Final = 3
GOOD_FROM: Final = 0.6
"""A score below this is worth another try, and so is any place that does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What a writer has before it.

    Attributes:
        extracted: the answer that needs no writer; what a written one falls back to.
    """

    question: Question
    focus: Focus
    outputs: tuple[AgentOutput, ...]
    context: RetrievedContext
    citations: CitationChecker
    root: Path
    extracted: Synthesis


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What came of asking a model for the answer.

    Attributes:
        synthesis: the best that was written, else what was extracted from the findings.
        calls: every answer, the failed ones too.
        complaints: what was wrong with answers, in order.
    """

    synthesis: Synthesis
    calls: tuple[Said, ...]
    complaints: tuple[str, ...]


async def write(desk: Desk, model: LanguageModel) -> Written:
    """Asks for the answer; one that is not good enough is asked for again, and the best of them stands.

    What agents found is never lost: where no answer can be used, it is told as it is.
    """
    request = prompt = answer_request(desk.question, desk.outputs, desk.context.code)
    best, calls, complaints = None, [], []
    for _ in range(TRIES):
        said = await model.ask(prompt, title="answer")
        calls.append(said)
        if said.error is not None:
            complaints.append(said.error)
            break
        try:
            written = _synthesis(desk, read_document(said.text, WrittenAnswer), said.by)
            complaint = _weakness(desk, written)
            best = written if best is None or written.score > best.score else best
        except ModelAnswerError as error:
            complaint = str(error)
        if complaint is None:
            break
        complaints.append(complaint)
        prompt = again(request, complaint)
    synthesis = _marked(desk, best) if best else desk.extracted
    return Written(
        synthesis=replace(synthesis, retries=len(calls) - 1), calls=tuple(calls), complaints=tuple(complaints)
    )


def _marked(desk: Desk, written: Synthesis) -> Synthesis:
    """The same with every place that there is not called so: a reader must not take it for a source."""
    answer = written.answer
    for place in reversed(list(places_in(answer, desk.root))):
        if not _exists(desk, place):
            answer = f"{answer[: place.at]} [there is no such place]{answer[place.at :]}"
    return replace(written, answer=answer)


def _synthesis(desk: Desk, written: WrittenAnswer, by: str) -> Synthesis:
    """The answer with what it is worth by its citations; nothing in it is taken on the model's word."""
    cited = list(places_in(written.answer, desk.root))
    sources = _sources(desk, [place for place in cited if _exists(desk, place)])
    return replace(
        desk.extracted,
        answer=f"{written.answer.strip()}\n",
        sources=tuple(sources.values()),
        chunk_ids=_chunks(desk, list(sources)),
        coherence=_coherence(desk, list(sources)),
        completeness=desk.focus.coverage(written.answer).share,
        factuality=sum(_exists(desk, place) for place in cited) / len(cited) if sources else 0.0,
        written_by=by,
        conflicts=tuple(written.conflicts),
    )


def _sources(desk: Desk, sound: Sequence[Place]) -> dict[tuple[str, int], Source]:
    """Each line that is cited and exists, once."""
    lines = {(place.file, place.line): place.line for place in sound if place.line is not None}
    texts = {(file, line): desk.citations.line(file, line) for (file, _), line in lines.items()}
    return {
        (file, line): Source(file=file, line=line, text=text)
        for (file, line), text in texts.items()
        if text is not None
    }


def _coherence(desk: Desk, sound: Sequence[tuple[str, int]]) -> float:
    """Share of the cited places in files that an agent's findings or the memory name: it builds on what was found."""
    known = {f.file for output in desk.outputs if output.evidence for f in output.evidence.findings}
    known |= {hit.file for hit in desk.context.code}
    return sum(file in known for file, _line in sound) / len(sound) if sound else 0.0


def _chunks(desk: Desk, sound: Sequence[tuple[str, int]]) -> tuple[str, ...]:
    """The memory's chunks that the cited places lie in, for the record of their use."""
    return tuple(
        hit.chunk_id
        for hit in desk.context.code
        if any(file == hit.file and hit.line_start <= line <= hit.line_end for file, line in sound)
    )


def _exists(desk: Desk, place: Place) -> bool:
    return desk.citations.exists(place.file, place.line, place.last)


def _missing(desk: Desk, answer: str) -> list[str]:
    """The places that an answer names and that there are not, or that begin with an empty line, as it spells them."""
    missing = (place for place in places_in(answer, desk.root) if not _exists(desk, place))
    return list(dict.fromkeys(answer[place.begin : place.at] for place in missing))


def _weakness(desk: Desk, written: Synthesis) -> str | None:
    """What is wrong with an answer, for its writer; None where it is good enough."""
    missing = _missing(desk, written.answer)
    if not missing and written.score >= GOOD_FROM:
        return None
    faults = []
    if not any(places_in(written.answer, desk.root)):
        faults.append("it names no place as path:line")
    if missing:
        faults.append(f"there is nothing at these places: {', '.join(missing[:10])}")
    unspoken = [word for word in desk.focus.words if word not in desk.focus.coverage(written.answer).words]
    if unspoken:
        faults.append(f"it does not speak of: {', '.join(unspoken[:10])}")
    return "; ".join(faults) or "what it cites lies in files that no finding names"
