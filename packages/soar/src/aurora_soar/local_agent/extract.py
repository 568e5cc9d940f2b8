"""The local agent's work apart from its process: evidence for one aspect of a question, from the memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_core import ChunkKind, SymbolType
from aurora_core.file_kinds import is_test_file
from aurora_soar.errors import AgentOutputError, EmptyQuestionError
from aurora_soar.evidence.evidence import Aspect, Evidence, Finding, FindingKind, parse_evidence
from aurora_soar.local_agent.call_path import find_path
from aurora_soar.local_agent.changes import find_changes
from aurora_soar.local_agent.definitions import find_definitions, find_steps
from aurora_soar.local_agent.errors import find_errors
from aurora_soar.local_agent.flow import find_flow
from aurora_soar.local_agent.releases import asks_for_leak, find_releases
from aurora_soar.local_agent.statements import find_statements
from aurora_soar.local_agent.subject import MEMBERS_SHOWN, Subject, find_examples, find_subjects, summary_of
from aurora_soar.local_agent.tests import find_tests
from aurora_soar.local_agent.trouble import find_suspects, trouble_subjects
from aurora_soar.question.focus import Focus
from aurora_soar.question.names import NameSort
from aurora_soar.question.question import Intent, read_question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_core import Hit
    from aurora_soar.evidence.evidence import LocalRequest
    from aurora_soar.memory_port import SoarMemory
    from aurora_soar.question.question import Question

__all__ = ["extract"]

POOL: Final = 40
FLOW_DEFINITIONS: Final = 3
NEAR_SUBJECT: Final = 0.5
NEAR_SHOWN: Final = 3
# What only one of two classes has can be told only if all members of both are known.
MEMBERS_COMPARED: Final = 60
_WRITTEN: Final = (ChunkKind.CODE, ChunkKind.KB, ChunkKind.DOC)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A request, read once.

    Attributes:
        question: the user's question.
        words: the user's words about the focus: of one side of a comparison, these; else the whole question.
    """

    request: LocalRequest
    question: Question
    focus: Focus

    @property
    def words(self) -> str:
        whole = self.request.focus not in self.question.sides
        return self.request.question if whole else self.request.focus


def extract(memory: SoarMemory, request: LocalRequest) -> Evidence:
    """Searches the memory for the request's focus and returns the findings of its aspect."""
    about = read_question(request.focus)
    focus = Focus.of(memory, about.terms)
    asked = _Asked(request=request, question=_question(request, about), focus=focus)
    kinds = _WRITTEN if request.aspect is Aspect.STATEMENTS else (ChunkKind.CODE,)
    hits = memory.search(focus.query, limit=POOL, kinds=kinds, record=False)
    if not about.about_tests:
        hits = [hit for hit in hits if not is_test_file(hit.file)]
    return Evidence(
        aspect=request.aspect,
        focus=request.focus,
        findings=tuple(_findings(memory, asked, hits)),
        missing=focus.unknown,
        searched=len(hits),
    )


def _findings(memory: SoarMemory, asked: _Asked, hits: Sequence[Hit]) -> list[Finding]:
    focus, limit = asked.focus, asked.request.limit
    match asked.request.aspect:
        case Aspect.DEFINITIONS | Aspect.REPORT:
            return _definitions(memory, asked, hits)
        case Aspect.STATEMENTS:
            return find_statements(hits, focus, limit)
        case Aspect.FLOW:
            path = find_path(memory, asked.question.text, focus)
            return [*path, *find_flow(memory, _subject_hits(memory, asked, hits), focus)]
        case Aspect.ERRORS:
            if named := trouble_subjects(memory, asked.question):
                found = find_suspects(memory, named, focus)
                sound = all(each.kind is FindingKind.SOUND for each in found)
                return found if sound else [*found, *find_changes(memory.root, named)]
            suspects = _once([*_subject_hits(memory, asked, hits), *hits])
            return [*find_errors(suspects, focus, limit), *find_changes(memory.root, suspects)]
        case Aspect.TESTS:
            return find_tests(memory, _subject_hits(memory, asked, hits), focus, asked.question, limit)


def _definitions(memory: SoarMemory, asked: _Asked, hits: Sequence[Hit]) -> list[Finding]:
    """Returns what the words name with its summary, then the definitions that mention most of them."""
    question, focus, limit = asked.question, asked.focus, asked.request.limit
    # What a change goes to comes before what else the request names.
    subjects = sorted(find_subjects(memory, asked.words), key=lambda each: each.name not in question.goes_to)
    named = trouble_subjects(memory, question)
    if named and not subjects:
        subjects = [Subject(name=named[0].name, sort=NameSort.SYMBOL, hits=tuple(named))]
    members = MEMBERS_COMPARED if question.sides else MEMBERS_SHOWN
    summary = [finding for subject in subjects for finding in summary_of(memory, subject, focus, members=members)]
    # What a file or a folder holds answers the question; of a symbol, only its near relations may help.
    whole = any(subject.files for subject in subjects)
    definitions = [] if whole else find_definitions(hits, focus, limit, about_values=question.about_values)
    if subjects:
        definitions = [f for f in definitions if f.relevance >= NEAR_SUBJECT][:NEAR_SHOWN]
    leak = question.intent is Intent.DEBUG and asks_for_leak(question.text)
    leak = leak and not any(hit.symbol_type != SymbolType.CLASS for hit in named)
    # Who asks why something leaks looks for where it should be released.
    summary = [*(find_releases(memory, focus) if leak else ()), *summary]
    shown = {(f.file, f.symbol) for f in summary}
    chunks = {f.chunk_id for f in (*summary, *definitions) if f.kind is FindingKind.DEFINITION}
    examples = find_examples(memory, [*summary, *definitions][:1]) if question.intent is Intent.IMPLEMENT else []
    return [
        *summary,
        *examples,
        *(f for f in definitions if (f.file, f.symbol) not in shown),
        *find_steps([hit for hit in hits if hit.chunk_id in chunks], focus),
    ]


def _question(request: LocalRequest, about: Question) -> Question:
    """Reads the user's question; a program that asks for a focus alone may send one without words."""
    try:
        return read_question(request.question)
    except EmptyQuestionError:
        return about


def _once(hits: Sequence[Hit]) -> list[Hit]:
    return list({hit.chunk_id: hit for hit in hits}.values())


def _subject_hits(memory: SoarMemory, asked: _Asked, hits: Sequence[Hit]) -> list[Hit]:
    """Returns the definitions that earlier subgoals found or the question names, or else this search's best."""
    found = [f for result in asked.request.dependency_results for f in _found(result.output)]
    named = [h for f in found[:FLOW_DEFINITIONS] for h in memory.definitions(f.symbol) if h.file == f.file]
    if not named:
        subjects = find_subjects(memory, asked.words)
        named = [hit for subject in subjects for hit in subject.hits[:1]]
        if not named and any(subject.files for subject in subjects):
            return []  # who uses a file or a folder is part of its summary
    return named or [
        h for f in find_definitions(hits, asked.focus, FLOW_DEFINITIONS) for h in hits if h.chunk_id == f.chunk_id
    ]


def _found(output: str) -> list[Finding]:
    try:
        evidence = parse_evidence("dependency", output)
    except AgentOutputError:
        return []  # another kind of agent answered in prose; this search's own hits are used
    return [f for f in evidence.findings if f.kind is FindingKind.DEFINITION]
