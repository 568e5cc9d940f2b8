"""Patterns of `.gitignore`, for projects without git.

Each pattern becomes a regular expression whose stars never backtrack, so that the longest line takes no more time
than in proportion to the paths that it is matched with.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = ["IgnoreRules", "read_rules"]

_IN_SEGMENT: Final = "[^/]"
_FOLDERS: Final = "(?:[^/]+/)*"
_WILD: Final = re.compile(r"[*?\[\\]")
_MAX_PATTERN: Final = 1_000
# As POSIX has them for ASCII; written to stand inside brackets.
_CLASSES: Final = {
    "alpha": "a-zA-Z",
    "digit": "0-9",
    "alnum": "a-zA-Z0-9",
    "upper": "A-Z",
    "lower": "a-z",
    "space": r"\s",
    "blank": r" \t",
    "punct": r"!-.:-@\[-`{-~",
    "xdigit": "0-9a-fA-F",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pattern:
    """A line of an ignore file.

    Attributes:
        fullmatch: of the line's expression.
        anchored: True if it is matched with the whole path below its folder, False for the last name.
        includes: True if it re-includes what an earlier line ignores.
        folders_only: True if it never matches files.
    """

    fullmatch: Callable[[str], re.Match[str] | None]
    anchored: bool
    includes: bool
    folders_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoreRules:
    """The patterns of one ignore file; they apply to paths below its folder.

    Attributes:
        base: the folder, from the project's root; "" for the root.
        bad_lines: numbers, counted from 1, of lines that can match nothing.
    """

    base: str
    patterns: Sequence[_Pattern]
    bad_lines: tuple[int, ...]

    def ignored(self, path: str, *, folder: bool) -> bool | None:
        """Returns True or False if a line decides about a path from the project's root; None if no line does."""
        below = path if not self.base else path.removeprefix(f"{self.base}/")
        name = below[below.rfind("/") + 1 :]
        for pattern in self.patterns:
            # Asked for every path of a project and every line above it.
            if (folder or not pattern.folders_only) and pattern.fullmatch(below if pattern.anchored else name):
                return not pattern.includes
        return None


def read_rules(lines: Iterable[str], base: str = "") -> IgnoreRules:
    """Reads the lines of an ignore file; a line that is not a pattern is counted and skipped, as git does."""
    patterns: list[_Pattern] = []
    bad: list[int] = []
    for number, line in enumerate(lines, start=1):
        text = _without_end(line)
        if not text or text.startswith("#"):
            continue
        pattern = _pattern(text)
        if pattern is None:
            bad.append(number)
        else:
            patterns.append(pattern)
    return IgnoreRules(base=base, patterns=tuple(reversed(patterns)), bad_lines=tuple(bad))


def _without_end(line: str) -> str:
    """Returns a line without its end and the unescaped spaces before it."""
    text = line.rstrip("\r\n")
    bare = text.rstrip(" ")
    escapes = len(bare) - len(bare.rstrip("\\"))
    return bare + " " if escapes % 2 and len(bare) < len(text) else bare


def _pattern(text: str) -> _Pattern | None:
    includes = text.startswith("!")
    text = text.removeprefix("!")
    folders_only = text.endswith("/")
    text = text.removesuffix("/")
    anchored = "/" in text
    segments = text.removeprefix("/").split("/")
    if not text or len(text) > _MAX_PATTERN:
        return None
    expression = _path(segments) if anchored else _segment(text)
    if expression is None:
        return None
    return _Pattern(
        fullmatch=re.compile(expression, re.DOTALL).fullmatch,
        anchored=anchored,
        includes=includes,
        folders_only=folders_only,
    )


def _path(segments: Sequence[str]) -> str | None:
    """Returns the expression of a path: runs of segments between `**`, each matched at the first place that fits."""
    runs: list[list[str]] = [[]]
    for segment in segments:
        if len(segment) > 1 and not segment.strip("*"):
            runs.append([])
        else:
            expression = _segment(segment)
            if expression is None:
                return None
            runs[-1].append(expression)
    first, *rest = ("/".join(run) for run in runs)
    if not rest:
        return first
    *middle, last = rest
    found = "".join(f"(?>{_FOLDERS[:-1]}*?{run}/)" for run in middle if run)
    return f"{first}/{found}{_end(last)}" if first else found + _end(last)


def _end(last: str) -> str:
    return f"{_FOLDERS}{last}" if last else ".+"


def _segment(text: str) -> str | None:
    """Returns the expression of one name; None if nothing can match it."""
    parts: list[str] = [""]
    for piece in _pieces(text):
        if piece is None:
            return None
        if piece == "*":
            parts.append("")
        else:
            parts[-1] += piece
    first, *rest = parts
    if not rest:
        return first
    *middle, last = rest
    found = "".join(f"(?>{_IN_SEGMENT}*?{part})" for part in middle if part)
    return f"{first}{found}{_IN_SEGMENT}*{last}"


def _pieces(text: str) -> Iterator[str | None]:
    """Yields expressions of single characters, `*` for any run of stars, and None for an invalid pattern."""
    if not _WILD.search(text):
        yield re.escape(text)
        return
    at = 0
    while at < len(text):
        character = text[at]
        if character == "*":
            while text[at : at + 1] == "*":
                at += 1
            yield "*"
            continue
        if character == "[":
            expression, at = _brackets(text, at + 1)
            yield expression
            continue
        if character == "\\":
            at += 1
            yield re.escape(text[at]) if at < len(text) else None
        else:
            yield _IN_SEGMENT if character == "?" else re.escape(character)
        at += 1


def _brackets(text: str, at: int) -> tuple[str | None, int]:
    """Returns the expression of a set of characters and its end; None if it is not closed or empty."""
    negated = text[at : at + 1] in ("!", "^")
    at += negated
    members: list[str] = []
    first = True
    while at < len(text) and (text[at] != "]" or first):
        first = False
        if text.startswith("[:", at) and (end := text.find(":]", at)) > 0:
            members.append(_CLASSES.get(text[at + 2 : end], ""))
            at = end + 2
            continue
        low, at = _member(text, at)
        high = low
        if text[at : at + 1] == "-" and text[at + 1 : at + 2] not in ("", "]"):
            high, at = _member(text, at + 1)
        if low <= high:
            members.append(f"{re.escape(low)}-{re.escape(high)}")
    if at >= len(text):
        return None, at
    inside = "".join(members)
    if not inside:
        return (_IN_SEGMENT if negated else None), at + 1
    return (f"[^/{inside}]" if negated else f"(?!/)[{inside}]"), at + 1


def _member(text: str, at: int) -> tuple[str, int]:
    at += text[at] == "\\" and at + 1 < len(text)
    return text[at], at + 1
