"""Suspects of a question about what goes wrong in a definition: its own lines first, then those of what it calls."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_core import SymbolType
from aurora_soar.evidence.code_prose import code_rows
from aurora_soar.evidence.evidence import Finding, FindingKind
from aurora_soar.local_agent.call_path import called_by
from aurora_soar.local_agent.definitions import definition_finding
from aurora_soar.local_agent.releases import is_for_its_caller, unreleased
from aurora_soar.local_agent.subject import defined_as, find_subjects

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_core import Hit
    from aurora_soar.memory_port import SoarMemory
    from aurora_soar.question.focus import Coverage, Focus
    from aurora_soar.question.question import Question

__all__ = ["find_suspects", "trouble_subjects"]

MAX_CALLED: Final = 12
"""With so many definitions called, what these call is not looked at."""

_RAISES: Final = re.compile(
    r"(?:^|[;{}):]|=>|->|\belse)\s*(?:raise\b|throw\b|panic!?\(|bail!\(|abort\()"
    r"|^\s*(?:\}\s*)?(?:except|catch|rescue)\b"
    r"|^\s*assert\b|\breturn\s+(?:.*,\s*)?(?:errors\.\w+\(|fmt\.Errorf\(|err\s*$|Err\()"
    r"|\.unwrap\(\)|\.expect\(\""
)
_CONDITION: Final = re.compile(
    r"^\s*(?:\}\s*)?(?:if|elif|else|elsif|unless|except|catch|rescue|case|when|while|for|guard|switch|match|default)\b"
)


def trouble_subjects(memory: SoarMemory, question: Question) -> list[Hit]:
    """Returns the definitions that a trouble question names, in its order; none for any other question."""
    if question.trouble is None:
        return []
    subjects = find_subjects(memory, question.text)
    named = [subject.hits[0] for subject in subjects if subject.hits]
    if not subjects and question.trouble.name:
        named = list(defined_as(memory, question.trouble.name)[:1])
    return [hit for hit in named if hit.symbol_type in (SymbolType.CLASS, SymbolType.FUNCTION, SymbolType.METHOD)]


def find_suspects(memory: SoarMemory, named: Sequence[Hit], focus: Focus) -> list[Finding]:
    """Returns what may go wrong in definitions and in what they call; of one without any, that it is sound."""
    found: dict[tuple[str, int, FindingKind], Finding] = {}
    for subject in named:
        bodies = _bodies(memory, subject)
        suspects = [
            f for body in (*bodies, *_called(memory, bodies)) for f in _suspects(memory, body, subject, focus)
        ]
        if not suspects:
            suspects = [definition_finding(subject, FindingKind.SOUND, _covered(focus, subject), about=subject.name)]
        for each in suspects:
            found.setdefault((each.file, each.line, each.kind), each)
    return list(found.values())


def _bodies(memory: SoarMemory, subject: Hit) -> list[Hit]:
    """Returns a function itself, or the methods of a class."""
    if subject.symbol_type != SymbolType.CLASS:
        return [subject]
    inside = [h for h in memory.chunks_of(subject.file) if h.name.rpartition(".")[0] == subject.name]
    return [h for h in inside if h.symbol_type == SymbolType.METHOD] or [subject]


def _called(memory: SoarMemory, bodies: Sequence[Hit]) -> list[Hit]:
    """Returns all that definitions call, then, if that is little, what is called from there."""
    known = {(h.file, h.name) for h in bodies}
    direct = [h for h in called_by(memory, bodies) if (h.file, h.name) not in known]
    if len(direct) >= MAX_CALLED:
        return direct
    known.update((h.file, h.name) for h in direct)
    further = [h for h in called_by(memory, direct) if (h.file, h.name) not in known]
    return [*direct, *further][:MAX_CALLED]


def _suspects(memory: SoarMemory, body: Hit, subject: Hit, focus: Focus) -> list[Finding]:
    content = _content(memory, body)
    covered = _covered(focus, body)
    return [
        Finding(
            kind=kind,
            file=body.file,
            line=body.line_start + row,
            line_end=body.line_start + row,
            symbol=body.name,
            text=text,
            about=subject.name,
            detail=when,
            terms=covered.words,
            relevance=covered.share,
            chunk_id=body.chunk_id,
        )
        for kind, row, text, when in (*_kept(content, body), *_raised(content, body))
    ]


def _covered(focus: Focus, hit: Hit) -> Coverage:
    return focus.coverage(f"{hit.file}\n{hit.name}\n{hit.content}")


def _content(memory: SoarMemory, body: Hit) -> str:
    """Returns the whole text of a definition, of which a chunk may be a part."""
    same = [h for h in memory.chunks_of(body.file) if h.name == body.name and h.line_start >= body.line_start]
    last = max((h.line_end for h in same), default=body.line_end) if len(same) > 1 else body.line_end
    lines = (memory.text(body.file) or "").split("\n")[body.line_start - 1 : last]
    return "\n".join(lines) or body.content


def _kept(content: str, body: Hit) -> Iterator[tuple[FindingKind, int, str, str]]:
    if not is_for_its_caller(body.name):
        for row, text, when in unreleased(content):
            yield FindingKind.UNRELEASED, row, text, when


def _raised(content: str, body: Hit) -> Iterator[tuple[FindingKind, int, str, str]]:
    lines = content.split("\n")
    for row, line in code_rows(content, body.file):
        if _RAISES.search(line):
            yield FindingKind.RAISE, row, line.strip(), _condition(lines, row)


def _condition(lines: Sequence[str], row: int) -> str:
    """Returns the line that decides whether a line is reached: the next one above it with less indentation."""
    depth = _depth(lines[row])
    above = (line for line in reversed(lines[:row]) if line.strip() and _depth(line) < depth)
    deciding = next(above, "")
    return deciding.strip().lstrip("} ").rstrip("{: ") if _CONDITION.match(deciding) else ""


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())
