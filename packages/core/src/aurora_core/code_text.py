"""Blanks comments and strings out of source text, so that what is left is code alone.

A name in a docstring calls nothing, and a name in a message sets nothing. The code inside of a formatted string
stays. Lines and columns stay as they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from aurora_core.chunking.detect import grammar_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["code_lines"]

_TRIPLE: Final = r'"{3}(?:\\.|[^\\])*?"{3}|' + r"'{3}(?:\\.|[^\\])*?'{3}"
# An escaped quote begins nothing: else each one of a string that is not closed would be tried to the line's end.
_DOUBLE: Final = r'(?<!\\)"(?:\\.|[^"\\\n])*"'
_SINGLE: Final = r"(?<!\\)'(?:\\.|[^'\\\n])*'"
# In these languages an apostrophe may also begin a lifetime or a type variable.
_CHARACTER: Final = r"'(?:\\[^\n']{1,10}|[^'\\\n])'"
# With one level of templates inside of it. What is not closed is read once, not in every division.
_TEMPLATE: Final = r"(?<!\\)`(?:\\.|\$\{(?:[^{}`]|`[^`]*`|\{[^{}]*\})*+\}|[^`\\])*+`"
_SLASHES: Final = r"/\*.*?(?:\*/|\Z)|//[^\n]*"
_LONG: Final = r"\[(?P<level>=*)\[.*?(?:\](?P=level)\]|\Z)"
_VISIBLE: Final = re.compile(r"[^\n]")
_STRING: Final = re.compile(rf"{_TRIPLE}|{_DOUBLE}|{_SINGLE}|{_TEMPLATE}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Style:
    """The comments and strings of a language.

    Attributes:
        opening: the beginning of code inside of a string; "" if no string has code.
        formats: the first characters of a string that may have code.
    """

    pattern: re.Pattern[str]
    opening: str = ""
    formats: re.Pattern[str] = re.compile(r"(?!)")

    def blanked(self, text: str) -> str:
        """Returns a text with spaces in place of comments and strings."""
        return self.pattern.sub(self._blank, text)

    def _blank(self, match: re.Match[str]) -> str:
        token = match.group()
        if not self.formats.match(token):
            return _VISIBLE.sub(" ", token)
        parts: list[str] = []
        done = 0
        for start, end in _code_inside(token, self.opening):
            parts += [_VISIBLE.sub(" ", token[done:start]), self.blanked(token[start:end])]
            done = end
        return "".join((*parts, _VISIBLE.sub(" ", token[done:])))


def _style(*alternatives: str) -> _Style:
    return _Style(re.compile("|".join(alternatives), re.DOTALL))


_PREFIXED: Final = r"(?:(?<!\w)[rRbBuUfF]{1,2})?"
_PYTHON: Final = _Style(
    re.compile(f"{_PREFIXED}(?:{_TRIPLE}|{_DOUBLE}|{_SINGLE})|#[^\n]*", re.DOTALL),
    opening="{",
    formats=re.compile(r"[rR]?[fF]"),
)
_SCRIPT: Final = _Style(
    re.compile(f"{_SLASHES}|{_DOUBLE}|{_SINGLE}|{_TEMPLATE}", re.DOTALL), opening="${", formats=re.compile("`")
)
_HASHED: Final = _style(_TRIPLE, r"#[^\n]*", _DOUBLE, _SINGLE)
# In the middle of a word it is an operator: `${name#prefix}`, `$#`.
_SHELL: Final = _style(r"(?:^|(?<=[\s;(]))#[^\n]*", _DOUBLE, _SINGLE)
_POWERSHELL: Final = _style(r"<#.*?(?:#>|\Z)", r"#[^\n]*", _DOUBLE, _SINGLE)
_SLASHED: Final = _style(_SLASHES, _DOUBLE, _CHARACTER)
_QUOTED: Final = _style(_SLASHES, _TRIPLE, _DOUBLE, _SINGLE)
_PHP: Final = _style(_SLASHES, r"#(?!\[)[^\n]*", _DOUBLE, _SINGLE)
_HCL: Final = _style(_SLASHES, r"#[^\n]*", _DOUBLE)
_SQL: Final = _style(r"/\*.*?(?:\*/|\Z)", r"--[^\n]*", r"'[^']*'", r'"[^"\n]*"')
_LUA: Final = _style(rf"(?:--)?{_LONG}", r"--[^\n]*", _DOUBLE, _SINGLE)
# `-->` is an operator.
_HASKELL: Final = _style(r"\{-.*?(?:-\}|\Z)", r"--+(?![!#$%&*+./<=>?@\\^|~-])[^\n]*", _DOUBLE, _CHARACTER)
_BY_LANGUAGE: Final[Mapping[str, _Style]] = {
    "python": _PYTHON,
    **dict.fromkeys(("javascript", "typescript", "tsx"), _SCRIPT),
    **dict.fromkeys(("ruby", "elixir", "julia"), _HASHED),
    "bash": _SHELL,
    "powershell": _POWERSHELL,
    **dict.fromkeys(("dart", "groovy"), _QUOTED),
    "php": _PHP,
    "hcl": _HCL,
    "sql": _SQL,
    "lua": _LUA,
    "haskell": _HASKELL,
}
"""The styles of the languages with a grammar, by their names; the others have the style of C."""
# Of files without a grammar.
_BY_SUFFIX: Final[Mapping[str, _Style]] = {
    **dict.fromkeys(".pyx .pxd .nim".split(), _PYTHON),  # noqa: SIM905
    **dict.fromkeys(".vue .svelte .astro".split(), _SCRIPT),  # noqa: SIM905
    **dict.fromkeys(".pl .pm .r .tcl .yaml .yml .toml .cmake .mk".split(), _HASHED),  # noqa: SIM905
}
_BY_NAME: Final[Mapping[str, _Style]] = dict.fromkeys(("Makefile", "Dockerfile", "CMakeLists.txt"), _HASHED)


@lru_cache(maxsize=64)
def code_lines(text: str, path: str) -> tuple[str, ...]:
    """Returns the lines of a file with spaces in place of comments, docstrings and strings."""
    return tuple(_style_of(path, text).blanked(text).split("\n"))


def _style_of(path: str, text: str) -> _Style:
    grammar = grammar_of(path, text)
    if grammar is not None:
        return _BY_LANGUAGE.get(grammar.name, _SLASHED)
    file = PurePosixPath(path)
    return _BY_SUFFIX.get(file.suffix.lower()) or _BY_NAME.get(file.name, _SLASHED)


def _code_inside(token: str, opening: str) -> Iterator[tuple[int, int]]:
    """Yields start and end of each piece of code in a string, without the braces around it."""
    at = token.find(opening)
    while at >= 0:
        if token.startswith("{{", at) or token[at - 1] == "\\":
            at = token.find(opening, at + 2)
            continue
        start = at + len(opening)
        end = _closing(token, start)
        if end is None:
            return
        # Of `{value=}`, the sign is no assignment.
        yield start, start + len(token[start:end].rstrip("= "))
        at = token.find(opening, end + 1)


def _closing(token: str, at: int) -> int | None:
    """Returns the place of the brace that closes the one before a place; None if there is none."""
    depth = 1
    while at < len(token):
        string = _STRING.match(token, at) if token[at] in "\"'`" else None
        if string is not None:
            at = string.end()
            continue
        depth += (token[at] == "{") - (token[at] == "}")
        if depth == 0:
            return at
        at += 1
    return None
