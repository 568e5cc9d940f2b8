"""What an agent says in its own words, as claims about places: each line of it that names one as path:line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_soar.evidence import Aspect, Evidence, Finding, FindingKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aurora_soar.extract.focus import Focus

__all__ = ["places_in", "read_claims"]

MAX_CLAIMS: Final = 60
MAX_WORDS: Final = 600
"""Characters of a claim that are kept."""

_PLACE: Final = re.compile(
    r"(?<![\w/.:-])(?:\./)?(?P<file>/?(?:[\w.@+-]+/)*[\w.@+-]*\w\.\w+):(?P<line>\d{1,7})(?!\d)"
)
_WRAPPED: Final = re.compile(r"\s*[(\[]?`?\s*(?:see\s+)?`?" + _PLACE.pattern + r"(?:[-\u2013]\d+)?`?\s*[)\]]?")
_MARKER: Final = re.compile(r"^\s*(?:[-*+•>]|\d+[.)]|#+)\s+")


def places_in(text: str, root: Path) -> Iterator[tuple[str, int]]:
    """The places that a text names, as file from the project's root and line; in order, each as often as named."""
    for match in _PLACE.finditer(text):
        if int(match["line"]) > 0:
            yield _from_root(match["file"], root), int(match["line"])


def read_claims(text: str, focus: Focus, root: Path) -> Evidence:
    """The lines of an agent's words that name a place, as findings; whether the place exists is seen later."""
    findings = []
    for line in text.splitlines():
        for file, number in dict.fromkeys(places_in(line, root)):
            covered = focus.coverage(line)
            findings.append(
                Finding(
                    kind=FindingKind.CLAIM,
                    file=file,
                    line=number,
                    line_end=number,
                    symbol="",
                    text=_words(line),
                    terms=covered.words,
                    relevance=covered.share,
                )
            )
    return Evidence(
        aspect=Aspect.REPORT, focus=" ".join(focus.words), findings=tuple(findings[:MAX_CLAIMS]), searched=0
    )


def _from_root(file: str, root: Path) -> str:
    path = Path(file)
    return path.relative_to(root).as_posix() if path.is_absolute() and path.is_relative_to(root) else file


def _words(line: str) -> str:
    """What the line says, without its mark and its places."""
    return _WRAPPED.sub("", _MARKER.sub("", line)).strip(" `*;,")[:MAX_WORDS] or line.strip()[:MAX_WORDS]
