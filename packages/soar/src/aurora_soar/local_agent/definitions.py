"""Aspect `definitions`: the definitions that answer a question, and the lines in them that do what it asks about."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_core import SymbolType
from aurora_soar.evidence.code_prose import code_rows, docstring, sentences
from aurora_soar.evidence.evidence import Finding, FindingKind, short_name
from aurora_soar.local_agent.bindings import bindings_in
from aurora_soar.question.focus import NOTHING_COVERED, Coverage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aurora_core import Hit, Reference
    from aurora_soar.question.focus import Focus

__all__ = ["NAMED_SYMBOLS", "definition_finding", "find_definitions", "find_steps", "reference_finding"]

NAMED_SYMBOLS: Final = frozenset({"function", "method", "class"})
STEPS_EACH: Final = 3
# A line that mentions less than this share of the question's weight is a chance hit.
STEP_THRESHOLD: Final = 0.25
MAX_SIGNATURE: Final = 200
# The rank of a definition: the memory's score, scaled by the share of the question that the definition mentions
# anywhere, plus the shares that its name and its best sentence mention.
COVERAGE_WEIGHT: Final = 0.6
NAME_WEIGHT: Final = 0.5
SENTENCE_WEIGHT: Final = 0.5
# Files that only declare types say nothing of how things are done.
DECLARATIONS: Final = (".d.ts", ".d.mts", ".d.cts", ".pyi")
DECLARATION_SHARE: Final = 0.75
VALUE_WEIGHT: Final = 1.0
# A constructor names everything that its class works with but does none of the work: it counts for less, unless the
# question names it.
CONSTRUCTORS: Final = frozenset({"__init__", "__new__", "__post_init__", "constructor"})
CONSTRUCTOR_SHARE: Final = 0.6

# A line that does something: calls, assigns, decides, repeats or returns.
_DOES: Final = re.compile(r"[(=\[]|\b(?:return|if|for|while|match|yield)\b")
# A line outside of definitions that does something when its file is loaded: it calls, decides or repeats.
_RUNS: Final = re.compile(r"(?:[\w$.]+\s*\(|if\b|for\b|while\b|try\b|with\b)")
# What is left of line breaks inside of brackets.
_BRACKET_SPACE: Final = re.compile(r"(?<=[(\[]) | (?=[)\]])")
_NOT_CODE: Final = re.compile(r"""^\s*(?:#|//|/\*|\*|@|"{3}|'{3}|import\b|from\b|use\b|package\b|$)""")


def find_definitions(hits: Iterable[Hit], focus: Focus, limit: int, *, about_values: bool = False) -> list[Finding]:
    """Returns the definitions among the hits, best first; those that share no word with the question are left out.

    A long definition that repeats one word of the question can score high in the memory. A definition with all the
    words, best in its name or in one sentence of its documentation, is the likelier answer.

    Args:
        about_values: the question asks for values: what binds them counts for more.
    """
    named = [each for hit in hits for each in _candidates(hit)]
    distinct: dict[tuple[str, str], Finding] = {}
    for hit in sorted(named, key=lambda hit: -_place(hit, focus, about_values=about_values)):
        finding = definition_finding(hit, FindingKind.DEFINITION, _coverage(hit, focus))
        if finding.terms:
            distinct.setdefault((finding.file, finding.symbol), finding)
    return list(distinct.values())[:limit]


def _candidates(hit: Hit) -> list[Hit]:
    """Returns a definition itself; of lines outside of definitions, what they bind to names, or else the lines."""
    if hit.symbol_type in NAMED_SYMBOLS:
        return [hit, *(bindings_in(hit) if hit.symbol_type is SymbolType.CLASS else ())]
    if hit.symbol_type not in (SymbolType.MODULE, SymbolType.CONSTANT):
        return []
    return bindings_in(hit) or ([hit] if any(_RUNS.match(line) for line in hit.content.split("\n")) else [])


def _place(hit: Hit, focus: Focus, *, about_values: bool) -> float:
    best_sentence = max((focus.coverage(s.text).share for s in sentences(hit.content, hit.file)), default=0.0)
    coverage = _coverage(hit, focus)
    name = short_name(hit.name)
    share = CONSTRUCTOR_SHARE if name in CONSTRUCTORS and name not in focus.words else 1.0
    if hit.file.endswith(DECLARATIONS):
        share *= DECLARATION_SHARE
    bonus = VALUE_WEIGHT if about_values and hit.symbol_type is SymbolType.CONSTANT else 0.0
    return share * (
        bonus * focus.coverage(hit.name).share
        + hit.hybrid_score * (1 - COVERAGE_WEIGHT + COVERAGE_WEIGHT * coverage.share)
        + NAME_WEIGHT * focus.coverage(hit.name).share
        + SENTENCE_WEIGHT * best_sentence
    )


def _coverage(hit: Hit, focus: Focus) -> Coverage:
    return focus.coverage(f"{hit.file}\n{hit.name}\n{hit.content}")


def definition_finding(
    hit: Hit, kind: FindingKind, coverage: Coverage = NOTHING_COVERED, *, about: str = "", total: int = 0
) -> Finding:
    """Returns a finding about a whole definition; its place is the line that names the definition."""
    line = definition_line(hit)
    return Finding(
        kind=kind,
        file=hit.file,
        line=line,
        line_end=max(line, hit.line_end),
        symbol=hit.name,
        text=signature(hit),
        about=about,
        detail=_documented(hit),
        terms=coverage.words,
        relevance=coverage.share,
        chunk_id=hit.chunk_id,
        total=total,
    )


def reference_finding(reference: Reference, kind: FindingKind, about: str, focus: Focus | None = None) -> Finding:
    """Returns a finding about a line that uses `about`; with a focus, what of it the line mentions."""
    text = f"{reference.file} {reference.name} {reference.text}"
    coverage = focus.coverage(text) if focus is not None else NOTHING_COVERED
    return Finding(
        kind=kind,
        file=reference.file,
        line=reference.line,
        line_end=reference.line,
        symbol=reference.name,
        text=reference.text,
        about=about,
        terms=coverage.words,
        relevance=coverage.share,
    )


def _documented(hit: Hit) -> str:
    if hit.symbol_type is not SymbolType.CONSTANT:
        return docstring(hit.content, hit.file)
    comment = next(iter(sentences(hit.content, hit.file)), None)
    return comment.text if comment is not None and comment.line < _offset(hit) else ""


def signature(hit: Hit) -> str:
    """Returns the definition's signature on one line, without its body."""
    text = _BRACKET_SPACE.sub("", " ".join((hit.signature or _line_of(hit)).split())).replace(",)", ")")
    return text[:MAX_SIGNATURE].rstrip(" {:")


def definition_line(hit: Hit) -> int:
    """Returns the line that defines the name; a chunk may start with decorators or comments."""
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
    """Returns, for each definition, the few lines of its body that mention most of the question, in file order."""
    return [step for hit in hits for step in _steps(hit, focus)]


def _steps(hit: Hit, focus: Focus) -> list[Finding]:
    first = _offset(hit) + 1
    candidates = []
    for number, line in code_rows(hit.content, hit.file):
        coverage = focus.coverage(line)
        if number >= first and _DOES.search(line) and coverage.share >= STEP_THRESHOLD:
            candidates.append(_step(hit, number, line.strip(), coverage))
    best = sorted(candidates, key=lambda f: (-f.relevance, f.line))[:STEPS_EACH]
    return sorted(best, key=lambda f: f.line)


def _step(hit: Hit, number: int, text: str, coverage: Coverage) -> Finding:
    line = hit.line_start + number
    return Finding(
        kind=FindingKind.STEP,
        file=hit.file,
        line=line,
        line_end=line,
        symbol=hit.name,
        text=text,
        terms=coverage.words,
        relevance=coverage.share,
        chunk_id=hit.chunk_id,
    )
