"""Aspect `statements`: the sentences of docstrings, comments and documents that mention the question."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_core import SymbolType
from aurora_core.file_kinds import is_document
from aurora_soar.evidence.code_prose import Sentence, sentences
from aurora_soar.evidence.evidence import Finding, FindingKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_core import Hit
    from aurora_soar.question.focus import Focus

__all__ = ["find_statements"]

# A sentence with a smaller share of the question's weight only shares a common word with it.
THRESHOLD: Final = 0.3
PER_FILE: Final = 3
# Documents that tell how things were, or what one may do, not how things are.
_RECORDS: Final = re.compile(
    r"^(?:change|history|news|release|licen[cs]e|copying|notice|authors|contribut|governance|security|sponsors|pkg-info"
    r"|code_of_conduct|.*charter|.*migration|.*upgrad)",
    re.IGNORECASE,
)
# The weight of the chunk's rank beside the sentence's own words.
RANK_WEIGHT: Final = 0.4


def find_statements(hits: Sequence[Hit], focus: Focus, limit: int) -> list[Finding]:
    """Returns the sentences that mention most of the question, best first, at most three per file."""
    found: dict[str, Finding] = {}
    for rank, hit in enumerate(hits):
        if is_document(hit.file) and _RECORDS.search(hit.file.rpartition("/")[2]):
            continue
        for sentence in sentences(hit.content, hit.file):
            finding = _statement(hit, sentence, focus, rank / len(hits))
            if finding.relevance and finding.text.lower() not in found:
                found[finding.text.lower()] = finding
    ordered = sorted(found.values(), key=lambda f: -f.relevance)
    return _spread(ordered, limit)


def _statement(hit: Hit, sentence: Sentence, focus: Focus, rank: float) -> Finding:
    line = hit.line_start + sentence.line
    coverage = focus.coverage(sentence.text)
    share = coverage.share * (1 - RANK_WEIGHT * rank) if coverage.share >= THRESHOLD else 0.0
    return Finding(
        kind=FindingKind.STATEMENT,
        file=hit.file,
        line=line,
        line_end=line,
        # A paragraph has no name of its own, only its first words.
        symbol="" if hit.symbol_type is SymbolType.PARAGRAPH else hit.name,
        text=sentence.text,
        terms=coverage.words,
        relevance=share,
        chunk_id=hit.chunk_id,
    )


def _spread(ordered: list[Finding], limit: int) -> list[Finding]:
    taken: dict[str, int] = {}
    kept = []
    for finding in ordered:
        if taken.get(finding.file, 0) < PER_FILE:
            taken[finding.file] = taken.get(finding.file, 0) + 1
            kept.append(finding)
    return kept[:limit]
