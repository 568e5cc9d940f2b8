"""Phase 6: one answer from the agents' findings, each sentence with its source.

Each finding is checked in its file first. A finding that its file does not confirm is left out and lowers the score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_soar.evidence.evidence import Finding, FindingKind
from aurora_soar.phases.compose_answer import compose
from aurora_soar.phases.confidence import HIGH_FROM, NO_SIGNALS, Signals, confidence_of, signals_of
from aurora_soar.question.presence import ALL_PRESENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aurora_soar.evidence.agent_outputs import AgentOutput
    from aurora_soar.evidence.citations import CitationChecker
    from aurora_soar.question.focus import Focus
    from aurora_soar.question.presence import Presence
    from aurora_soar.question.question import Question

__all__ = ["Source", "Synthesis", "synthesize"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A place that the answer cites.

    Attributes:
        line: counted from 1.
        text: the text of that line.
    """

    file: str
    line: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Synthesis:
    """The answer and its scores.

    Attributes:
        answer: Markdown with `file:line` sources, as short as it can be.
        details: the answer with every finding.
        sources: each cited place once, in order of appearance.
        chunk_ids: ids of the chunks that the answer cites.
        coherence: share of the findings whose files are connected to the main definition's file by calls, 0 to 1.
        completeness: share of the question's weight that the findings mention, 0 to 1.
        factuality: share of the collected findings that their files confirm, 0 to 1.
        subgoals_completed: agents that found something.
        subgoals_partial: agents that succeeded and found nothing.
        subgoals_failed: agents that did not succeed.
        written_by: the agent that wrote it as a model; None if it was composed from the findings.
        retries: number of times that the model was asked again.
        conflicts: contradictions between findings, as the model reported them.
        signals: the evidence that the confidence rests on.
        absent: True if the answer begins with what is not in the project.
        sound: True if it says that nothing was found that goes wrong, which no search can be sure of.
    """

    answer: str
    details: str
    sources: tuple[Source, ...]
    chunk_ids: tuple[str, ...]
    coherence: float
    completeness: float
    factuality: float
    subgoals_completed: int
    subgoals_partial: int
    subgoals_failed: int
    written_by: str | None = None
    retries: int = 0
    conflicts: tuple[str, ...] = ()
    signals: Signals = NO_SIGNALS
    absent: bool = False
    sound: bool = False

    @property
    def confidence(self) -> float:
        """The estimated share of right answers among those with such evidence, 0 to 1.

        A model's answer has its score; if words of the question are missing, at most a medium one.
        """
        if not self.sources:
            return 0.0
        if self.written_by is None:
            estimate = confidence_of(self.signals)
            return min(estimate, HIGH_FROM - 0.01) if self.sound else estimate
        return min(self.score, HIGH_FROM - 0.01) if self.signals.missing else self.score

    @property
    def score(self) -> float:
        """The mean of coherence, completeness and factuality."""
        return round((self.coherence + self.completeness + self.factuality) / 3, 4)


def synthesize(
    question: Question,
    focus: Focus,
    outputs: Sequence[AgentOutput],
    citations: CitationChecker,
    presence: Presence = ALL_PRESENT,
) -> Synthesis:
    """Composes the answer from the confirmed findings; without any, the answer says that nothing was found."""
    claimed = [f for o in outputs if o.evidence for f in o.evidence.findings]
    sound = citations.sound(claimed)
    answer = compose(question, focus, outputs, frozenset(sound), presence)
    return Synthesis(
        answer=answer.text,
        details=answer.full,
        sources=_sources(answer.used, citations),
        chunk_ids=tuple(dict.fromkeys(f.chunk_id for f in answer.used if f.chunk_id)),
        coherence=_coherence(sound),
        completeness=focus.coverage(" ".join(term for f in sound for term in f.terms)).share,
        factuality=len(sound) / len(claimed) if claimed else 0.0,
        subgoals_completed=sum(o.success and bool(o.evidence and o.evidence.findings) for o in outputs),
        subgoals_partial=sum(o.success and not (o.evidence and o.evidence.findings) for o in outputs),
        subgoals_failed=sum(not o.success for o in outputs),
        signals=signals_of(question, focus, presence, answer.lead, answer.used),
        absent=answer.absent,
        sound=any(f.kind is FindingKind.SOUND for f in sound),
    )


def _sources(used: Sequence[Finding], citations: CitationChecker) -> tuple[Source, ...]:
    """Returns each cited place once, with the text of its line."""
    places = dict.fromkeys((f.file, f.line) for f in used)
    return tuple(Source(file=f, line=n, text=citations.line(f, n) or "") for f, n in places)


def _coherence(findings: Sequence[Finding]) -> float:
    """Returns the share of the findings in the main definition's file or in a file connected to it by calls."""
    if not findings:
        return 0.0
    lead = next((f for f in findings if f.kind is FindingKind.DEFINITION), findings[0])
    joined = _joined_files(lead.file, findings)
    return sum(f.file in joined for f in findings) / len(findings)


def _joined_files(start: str, findings: Iterable[Finding]) -> set[str]:
    home = {f.symbol: f.file for f in findings if f.kind is FindingKind.DEFINITION}
    edges = [(f.about_file or home[f.about], f.file) for f in findings if f.about in home]
    joined = {start}
    while grown := {b for pair in edges for a, b in (pair, pair[::-1]) if a in joined} - joined:
        joined |= grown
    return joined
