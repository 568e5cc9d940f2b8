"""Finds the scripts in files that hold markup, script and style together: Vue, Svelte, Astro."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["COMPONENT_SUFFIXES", "Part", "parts_of"]

COMPONENT_SUFFIXES: Final = frozenset({".vue", ".svelte", ".astro"})
_OPENING: Final = re.compile(r"^\s*<script\b([^>]*)>\s*$", re.IGNORECASE)
_CLOSING: Final = re.compile(r"^\s*</script\s*>", re.IGNORECASE)
_LANGUAGE: Final = re.compile(r"""\blang\s*=\s*["']?(\w+)""")
_FENCE: Final = "---"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A run of lines of one kind.

    Attributes:
        suffix: suffix of a file with the same kind of text; "" for markup and style.
        first_row: counted from 0.
    """

    suffix: str
    first_row: int
    lines: tuple[str, ...]


def parts_of(text: str, suffix: str) -> Iterator[Part]:
    """Yields the parts of a component in order; together they hold every line once.

    The lines with the tags of a script belong to the parts around it. A script that is not closed, or not on lines of
    its own, is markup.
    """
    lines = text.split("\n")
    at = 0
    for first, last, kind in _scripts(lines, suffix):
        yield Part(suffix="", first_row=at, lines=tuple(lines[at:first]))
        yield Part(suffix=kind, first_row=first, lines=tuple(lines[first:last]))
        at = last
    yield Part(suffix="", first_row=at, lines=tuple(lines[at:]))


def _scripts(lines: Sequence[str], suffix: str) -> Iterator[tuple[int, int, str]]:
    """Yields the rows of each script, the last not included, and the suffix of its language."""
    row = 0
    if suffix == ".astro" and lines[0].strip() == _FENCE:
        end = next((at for at in range(1, len(lines)) if lines[at].strip() == _FENCE), 0)
        if end:
            yield 1, end, ".ts"
            row = end
    while row < len(lines):
        opened = _OPENING.match(lines[row])
        row += 1
        if opened is None:
            continue
        end = next((at for at in range(row, len(lines)) if _CLOSING.match(lines[at])), -1)
        if end < 0:
            return
        language = _LANGUAGE.search(opened[1])
        yield row, end, {"ts": ".ts", "tsx": ".tsx", "typescript": ".ts"}.get(language[1] if language else "", ".js")
        row = end
