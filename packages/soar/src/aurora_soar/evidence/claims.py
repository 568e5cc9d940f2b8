"""Claims of an agent that answers in prose: each line of its answer that names a file and a line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_soar.evidence.evidence import Aspect, Evidence, Finding, FindingKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aurora_soar.question.focus import Focus

__all__ = ["Place", "places_in", "read_claims"]

MAX_CLAIMS: Final = 60
MAX_WORDS: Final = 600
"""Characters of a claim that are kept."""
MAX_LINE: Final = 10_000_000
"""Larger numbers are read as this one; no file has so many lines."""

_NAMED: Final = "Makefile|Dockerfile|Justfile|Procfile|Rakefile|Gemfile|LICENSE|README|CHANGELOG"
_PATH: Final = (
    r"(?P<file>(?:\.{1,2}/)*/?(?:[\w@+.-]+/)+[\w@+.-]*\w"  # with a folder
    rf"|[\w@+-][\w@+.-]*\.[A-Za-z]\w*|\.[A-Za-z]\w+|(?:{_NAMED})\b)"  # with an ending, hidden, or known
)
_LINES: Final = (
    r"(?:(?::|\#)L?(?P<line>\d+)(?:[-\u2013]L?(?P<end>\d+))?"
    r"|,?\s\(?lines?\s(?P<word>\d+)(?:\s?(?:[-\u2013]|to|and)\s?(?P<word_end>\d+))?)"
)
_PLACE: Final = re.compile(rf"(?<![\w/.:@+-]){_PATH}(?:[`*\"']{{0,3}}{_LINES}(?![\d\w]))?")
_ENDING: Final = re.compile(r"/[^/]*\.[a-z][a-z0-9]{0,5}$")
_AROUND: Final = re.compile(r"\s*[(\[]\s*(?:see\s+)?`?$"), re.compile(r"^`?\s*[)\]]")
_MARKER: Final = re.compile(r"^\s*(?:[-*+•>]|\d+[.)]|#+)\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place that a text names.

    Attributes:
        file: path from the project's root; of a file outside the project, the path as written.
        line: as written, so that it may not exist; None if the text names the whole file.
        last: last line of a range; of a single line, that line.
        begin: offset in the text at which the place starts.
        at: offset in the text at which the place ends.
    """

    file: str
    line: int | None
    last: int | None
    begin: int
    at: int


def places_in(text: str, root: Path) -> Iterator[Place]:
    """Yields the places that a text names, in order; a file without a line must have a folder and an extension."""
    for match in _PLACE.finditer(text):
        line = match["line"] or match["word"]
        if line is None and not _ENDING.search(match["file"]):
            continue
        last = match["end"] or match["word_end"] or line
        yield Place(
            file=_from_root(match["file"], root),
            line=_number(line),
            last=_number(last),
            begin=match.start(),
            at=match.end(),
        )


def _number(digits: str | None) -> int | None:
    if digits is None:
        return None
    return int(digits) if len(digits) < 8 else MAX_LINE


def read_claims(text: str, focus: Focus, root: Path) -> Evidence:
    """Returns the lines of an agent's answer that name a place, as findings; the places are checked later."""
    findings = [finding for line in text.splitlines() for finding in _claims(line, focus, root)]
    return Evidence(
        aspect=Aspect.REPORT, focus=" ".join(focus.words), findings=tuple(findings[:MAX_CLAIMS]), searched=0
    )


def _claims(line: str, focus: Focus, root: Path) -> Iterator[Finding]:
    """Yields the claim of one line, once for each place that it names."""
    places = [place for place in places_in(line, root) if place.line]
    covered = focus.coverage(line)
    for file, number in dict.fromkeys((place.file, place.line or 1) for place in places):
        yield Finding(
            kind=FindingKind.CLAIM,
            file=file,
            line=number,
            line_end=number,
            symbol="",
            text=_words(line, places),
            terms=covered.words,
            relevance=covered.share,
        )


def _from_root(file: str, root: Path) -> str:
    path = Path(file)
    if path.is_absolute() and path.is_relative_to(root):
        return path.relative_to(root).as_posix()
    return file.removeprefix("./")


def _words(line: str, places: list[Place]) -> str:
    """Returns the text of a line without its list marker and its places."""
    before, after = _AROUND
    claim = line
    for place in reversed(places):
        claim = before.sub("", claim[: place.begin]) + after.sub("", claim[place.at :])
    claim = _MARKER.sub("", claim)
    return claim.strip(" `*;,")[:MAX_WORDS] or line.strip()[:MAX_WORDS]
