"""Aspect `errors`: the lines that raise, reject or report an error in the code that the question is about."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_soar.evidence.evidence import Finding, FindingKind
from aurora_soar.local_agent.releases import find_unreleased

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_core import Hit
    from aurora_soar.question.focus import Focus

__all__ = ["find_errors"]

_FAILS: Final = re.compile(
    r"^\s*(?:raise\b|throw\b|except\b|catch\b|panic!?\(|return\s+(?:nil,\s*)?(?:errors\.|fmt\.Errorf|Err\()|abort\(|assert\b)"
    r"|\blog(?:ger|ging)?\.(?:error|exception|critical|fatal)\(|\.unwrap\(\)|\.expect\("
)
PER_DEFINITION: Final = 2
# The definition around a raising line shows its subject; the line itself shows it more exactly.
AROUND_WEIGHT: Final = 0.5


def find_errors(hits: Sequence[Hit], focus: Focus, limit: int) -> list[Finding]:
    """Returns the lines that fail in definitions that mention the question, and what is not released, best first."""
    found = [finding for hit in hits for finding in _failures(hit, focus)]
    found += find_unreleased(hits, focus)
    return sorted(found, key=lambda f: -f.relevance)[:limit]


def _failures(hit: Hit, focus: Focus) -> list[Finding]:
    around = focus.coverage(f"{hit.file}\n{hit.name}\n{hit.content}")
    if not around.words:
        return []
    lines = _failing_lines(hit)
    found = []
    for number, text in lines:
        own = focus.coverage(text)
        found.append(
            Finding(
                kind=FindingKind.RAISE,
                file=hit.file,
                line=hit.line_start + number,
                line_end=hit.line_start + number,
                symbol=hit.name,
                text=text,
                terms=tuple(dict.fromkeys((*own.words, *around.words))),
                relevance=(1 - AROUND_WEIGHT) * own.share + AROUND_WEIGHT * around.share,
                chunk_id=hit.chunk_id,
            )
        )
    return sorted(found, key=lambda f: -f.relevance)[:PER_DEFINITION]


def _failing_lines(hit: Hit) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(hit.content.split("\n")):
        if _FAILS.search(line):
            yield number, line.strip()
