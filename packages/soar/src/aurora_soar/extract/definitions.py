"""The definitions that answer a question, and the lines in them that do what it asks about."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_soar.evidence import Finding, FindingKind
from aurora_soar.prose import docstring

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aurora_core import Hit
    from aurora_soar.extract.focus import Focus

__all__ = ["NAMED_SYMBOLS", "definition_line", "find_definitions", "find_steps"]

NAMED_SYMBOLS: Final = frozenset({"function", "method", "class"})
STEPS_EACH: Final = 3
# A line that speaks of less than this share of the question's weight is there by chance.
STEP_THRESHOLD: Final = 0.15
MAX_SIGNATURE: Final = 200

_NOT_CODE: Final = re.compile(r"""^\s*(?:#|//|/\*|\*|@|"{3}|'{3}|import\b|from\b|use\b|package\b|$)""")


def find_definitions(hits: Iterable[Hit], focus: Focus, limit: int) -> list[Finding]:
    """Definitions among the hits, in the memory's order, those that share no word with the question left out."""
    found = [_definition(hit, focus) for hit in hits if hit.symbol_type in NAMED_SYMBOLS]
    distinct = {(f.file, f.symbol): f for f in reversed(found) if f.terms}
    kept = [f for f in found if distinct.get((f.file, f.symbol)) is f]
    return kept[:limit]


def _definition(hit: Hit, focus: Focus) -> Finding:
    coverage = focus.coverage(f"{hit.file}\n{hit.name}\n{hit.content}")
    line = definition_line(hit)
    return Finding(
        kind=FindingKind.DEFINITION,
        file=hit.file,
        line=line,
        line_end=max(line, hit.line_end),
        symbol=hit.name,
        text=signature(hit),
        detail=docstring(hit.content, hit.file),
        terms=coverage.words,
        relevance=coverage.share,
        chunk_id=hit.chunk_id,
    )


def signature(hit: Hit) -> str:
    """The definition's own first line, in one line and without what follows it."""
    text = " ".join((hit.signature or _line_of(hit)).split())
    return text[:MAX_SIGNATURE].rstrip(" {:")


def definition_line(hit: Hit) -> int:
    """The line where the name is defined; a chunk may begin with decorators or comments."""
    return hit.line_start + _offset(hit)


def _line_of(hit: Hit) -> str:
    lines = hit.content.split("\n")
    return lines[_offset(hit)] if lines else hit.name


def _offset(hit: Hit) -> int:
    name = re.compile(rf"(?<![\w.]){re.escape(re.split(r'[.:#]+', hit.name)[-1])}(?!\w)")
    for number, line in enumerate(hit.content.split("\n")):
        if not _NOT_CODE.match(line) and name.search(line):
            return number
    return 0


def find_steps(hits: Sequence[Hit], focus: Focus) -> list[Finding]:
    """For each definition, the few lines of its body that speak most of what the question asks, in file order."""
    return [step for hit in hits for step in _steps(hit, focus)]


def _steps(hit: Hit, focus: Focus) -> list[Finding]:
    first = _offset(hit) + 1
    candidates = []
    for number, line in enumerate(hit.content.split("\n")):
        if (
            number < first
            or _NOT_CODE.match(line)
            or not re.search(r"[(=\[]|\breturn\b|\bif\b|\bfor\b|\bwhile\b", line)
        ):
            continue
        coverage = focus.coverage(line)
        if coverage.share >= STEP_THRESHOLD:
            candidates.append(_step(hit, number, line.strip(), coverage.words, coverage.share))
    best = sorted(candidates, key=lambda f: (-f.relevance, f.line))[:STEPS_EACH]
    return sorted(best, key=lambda f: f.line)


def _step(hit: Hit, number: int, text: str, words: tuple[str, ...], share: float) -> Finding:
    line = hit.line_start + number
    return Finding(
        kind=FindingKind.STEP,
        file=hit.file,
        line=line,
        line_end=line,
        symbol=hit.name,
        text=text,
        terms=words,
        relevance=share,
        chunk_id=hit.chunk_id,
    )
