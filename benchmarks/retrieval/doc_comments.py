"""The comments that say what functions do: read as queries, and taken out of the text that is searched."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_core.chunking import SymbolType
from aurora_core.chunking.split import cut_file

if TYPE_CHECKING:
    from collections.abc import Iterator

MIN_WORDS = 4
MAX_WORDS = 40
# A line that is a comment or in one; `@doc` and what it holds are Elixir's.
_COMMENT = re.compile(r"^\s*(?:///?!?|/\*\*?|\*/?|\#(?!\[|!|include|if|define|end)|--|;+)(.*?)(?:\*/)?\s*$")
_ELIXIR_OPEN = re.compile(r'^\s*@doc\s+(?:~S)?"""\s*$')
_TAG = re.compile(r"^\s*(?:@\w+|:\w+|\\\w+|<|#|```|\* @|Example|rubocop|eslint|noinspection|SPDX|Copyright)")
_OPENING = re.compile(r"^<summary>")
_MARKUP = re.compile(r"</?\w+[^>]*>|\{@\w+ ([^}]*)\}")


@dataclass(frozen=True)
class Documented:
    """A function with the first paragraph of its comment.

    Attributes:
        lines: of the whole comment, from the first to before the last, counted from 0.
    """

    name: str
    line: int
    comment: str
    lines: tuple[int, int]


def documented(path: str, text: str) -> Iterator[Documented]:
    """Yields the functions and methods of a file whose comment says something in words."""
    for function in _all(path, text):
        if MIN_WORDS <= len(function.comment.split()) <= MAX_WORDS:
            yield function


def without_comments(path: str, text: str) -> str:
    """Returns the text with empty lines in the place of the functions' comments; Python keeps a `pass`."""
    lines = text.split("\n")
    for function in _all(path, text):
        first, last = function.lines
        for at in range(first, last):
            lines[at] = ""
        if path.endswith(".py"):
            # The body may be nothing else.
            start = text.split("\n")[first]
            lines[first] = start[: len(start) - len(start.lstrip())] + "pass"
    return "\n".join(lines)


def _all(path: str, text: str) -> Iterator[Documented]:
    text = text.replace("\r\n", "\n")
    if path.endswith((".py", ".pyi")):
        yield from _docstrings(text)
        return
    lines = text.split("\n")
    seen: set[int] = set()
    for chunk in cut_file(path, text).chunks:
        if chunk.symbol_type not in (SymbolType.FUNCTION, SymbolType.METHOD) or chunk.line_start in seen:
            continue
        seen.add(chunk.line_start)
        yield from _above(chunk.name, lines, chunk.line_start - 1, chunk.line_end)


def _above(name: str, lines: list[str], first: int, last: int) -> Iterator[Documented]:
    at, said = first, []
    if at < last and _ELIXIR_OPEN.match(lines[at]):
        at += 1
        while at < last and lines[at].strip() != '"""':
            said.append(lines[at].strip())
            at += 1
        at += 1
    else:
        while at < last and lines[at].strip() and (match := _COMMENT.match(lines[at])):
            said.append(match[1].strip())
            at += 1
    if said:
        yield Documented(name, at + 1, _first_paragraph(said), (first, at))


def _docstrings(text: str) -> Iterator[Documented]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    stack: list[tuple[str, ast.AST]] = [("", tree)]
    while stack:
        prefix, node = stack.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                name = f"{prefix}{child.name}"
                stack.append((f"{name}.", child))
                said = None if isinstance(child, ast.ClassDef) else ast.get_docstring(child)
                if said is not None:
                    string = child.body[0]
                    assert string.end_lineno is not None
                    lines = (string.lineno - 1, string.end_lineno)
                    yield Documented(name, child.lineno, _first_paragraph(said.split("\n")), lines)
            else:
                stack.append((prefix, child))


def _first_paragraph(lines: list[str]) -> str:
    taken: list[str] = []
    for line in (_OPENING.sub("", line) for line in lines):
        if _TAG.match(line) or (not line.strip() and taken):
            break
        if line.strip():
            taken.append(line.strip())
    return _MARKUP.sub(lambda match: match[1] or "", " ".join(taken)).strip()
