"""Blanks comments and strings out of source text, so that what is left is code alone.

A name in a docstring calls nothing, and a name in a message sets nothing. Lines and columns stay as they are.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Final

__all__ = ["code_lines"]

_TRIPLE: Final = r'"{3}(?:\\.|[^\\])*?"{3}|' + r"'{3}(?:\\.|[^\\])*?'{3}"
_DOUBLE: Final = r'"(?:\\.|[^"\\\n])*"'
_SINGLE: Final = r"'(?:\\.|[^'\\\n])*'"
# In these languages an apostrophe may also begin a lifetime or a type variable.
_CHARACTER: Final = r"'(?:\\[^\n']{1,10}|[^'\\\n])'"
_BACKTICK: Final = r"`(?:\\.|[^`\\])*`"
_SLASHES: Final = r"/\*.*?(?:\*/|\Z)|//[^\n]*"

_HASHED: Final = re.compile(f"{_TRIPLE}|#[^\n]*|{_DOUBLE}|{_SINGLE}", re.DOTALL)
_SCRIPT: Final = re.compile(f"{_SLASHES}|{_DOUBLE}|{_SINGLE}|{_BACKTICK}", re.DOTALL)
_SLASHED: Final = re.compile(f"{_SLASHES}|{_DOUBLE}|{_CHARACTER}", re.DOTALL)
_HASH_SUFFIXES: Final = frozenset(
    ".py .pyi .pyw .pyx .rb .sh .bash .zsh .pl .pm .r .jl .ex .exs .nim .tcl .yaml .yml .toml .cmake .mk .ps1".split()  # noqa: SIM905
)
_SCRIPT_SUFFIXES: Final = frozenset(".js .jsx .mjs .cjs .ts .mts .cts .tsx .vue .svelte .php .dart".split())  # noqa: SIM905
_VISIBLE: Final = re.compile(r"[^\n]")


@lru_cache(maxsize=64)
def code_lines(text: str, path: str) -> tuple[str, ...]:
    """Returns the lines of a file with spaces in place of comments, docstrings and strings."""
    suffix = PurePosixPath(path).suffix.lower()
    return tuple(_pattern(suffix).sub(_blank, text).split("\n"))


def _pattern(suffix: str) -> re.Pattern[str]:
    if suffix in _HASH_SUFFIXES:
        return _HASHED
    return _SCRIPT if suffix in _SCRIPT_SUFFIXES else _SLASHED


def _blank(match: re.Match[str]) -> str:
    return _VISIBLE.sub(" ", match.group())
