"""Sentences in source code: docstrings, comments and Markdown, with line numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Sentence", "code_rows", "docstring", "sentences"]

MAX_SENTENCE: Final = 400
MIN_WORDS: Final = 3


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence and the line on which it starts.

    Attributes:
        line: line in the content that was read, counted from 0.
        text: the sentence on one line.
    """

    line: int
    text: str


_HASH: Final = re.compile(r"^\s*#+[!:]?\s?(?P<text>.*)$")
_SLASHES: Final = re.compile(r"^\s*//[/!]*\s?(?P<text>.*)$")
_TRIPLE: Final = re.compile(r"""^\s*[rRbBuU]{0,2}("{3}|'{3})""")
_STARS: Final = re.compile(r"^[*!]*\s?")
_END: Final = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[A-Z`\"'(\[])")
_FENCE: Final = re.compile(r"^\s*(?:```|~~~)")
_NOISE: Final = re.compile(
    r"^(?:noqa|type:|pylint|pragma|eslint|nolint|fmt:|-\*-|copyright|license|spdx"
    r"|\.\.\s|:param|:type|:return|:rtype|@param|@return|>>>|[=\-~^*#+_]{3,})",
    re.IGNORECASE,
)
_LIST: Final = re.compile(r"^\s*(?:[-*+•]|\d+[.)])\s+")
_OPEN_BOX: Final = re.compile(r"^(?P<indent>\s*)(?:[-*+•]|\d+[.)])\s+\[[^\w\]]?\](?:\s|\*|$)")
HASH_SUFFIXES: Final = (".py", ".pyi", ".sh", ".rb", ".yaml", ".yml", ".toml")
PROSE_SUFFIXES: Final = (".md", ".markdown", ".rst", ".txt")


def sentences(content: str, file: str) -> list[Sentence]:
    """Returns every sentence of prose in a part of a file, in order; code is not prose."""
    lines = content.split("\n")
    if file.endswith(PROSE_SUFFIXES):
        prose = _markdown_lines(lines)
    elif file.endswith(HASH_SUFFIXES):
        prose = _python_lines(lines)
    else:
        prose = _c_like_lines(lines)
    return [sentence for block in _blocks(prose) for sentence in _split(block)]


def docstring(content: str, file: str) -> str:
    """Returns the first sentence that documents a definition, or "".

    In Python it is that of the docstring; elsewhere that of the comment before the definition.
    """
    lines = content.split("\n")
    if file.endswith(HASH_SUFFIXES):
        prose = [(number, text) for number, text, inside in _python_prose(lines) if inside]
        if prose and not _follows_its_head(lines[: prose[0][0]]):
            return ""
    else:
        prose = _leading_comment(lines)
    first = next((s for block in _blocks(iter(prose)) for s in _split(block)), None)
    return first.text if first else ""


def _follows_its_head(before: list[str]) -> bool:
    """Returns True if a string is the first statement of its definition; a later one documents something else."""
    code = [line for line in before if line.strip() and not _HASH.match(line)]
    return not code or code[-1].partition(" #")[0].rstrip().endswith(":")


def code_rows(content: str, file: str) -> list[tuple[int, str]]:
    """Returns the lines that are neither blank nor prose, with their rows from 0."""
    lines = content.split("\n")
    if file.endswith(HASH_SUFFIXES):
        prose = {row for row, _, _ in _python_prose(lines)}
    else:
        prose = {row for row, _ in _c_like_lines(lines)}
    return [(row, line) for row, line in enumerate(lines) if line.strip() and row not in prose]


def _leading_comment(lines: list[str]) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for number, text in _c_like_lines(lines):
        if number > len(found):
            break
        found.append((number, text))
    return found


def _markdown_lines(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Yields the lines of prose; a task that is not done, and what is indented below it, says nothing of what is."""
    fenced = False
    task_indent: int | None = None
    for number, line in enumerate(lines):
        if task_indent is not None and line.strip() and len(line) - len(line.lstrip()) <= task_indent:
            task_indent = None
        if task_indent is None and not fenced and (box := _OPEN_BOX.match(line)):
            task_indent = len(box["indent"])
        if task_indent is not None:
            yield number, ""
        elif _FENCE.match(line):
            fenced = not fenced
            yield number, ""
        elif fenced or line.startswith(("    ", "\t")) or line.lstrip().startswith(("|", "#", "<", "..")):
            yield number, ""
        elif _LIST.match(line):
            yield number, ""
            yield number, _LIST.sub("", line)
        else:
            yield number, line


def _python_lines(lines: list[str]) -> Iterator[tuple[int, str]]:
    return ((number, text) for number, text, _ in _python_prose(lines))


def _python_prose(lines: list[str]) -> Iterator[tuple[int, str, bool]]:
    """Yields line, text and True inside a docstring, for the lines of docstrings and comments."""
    quote = ""
    for number, line in enumerate(lines):
        if quote:
            text, closed = _until(line, quote)
            yield number, text.strip(), True
            quote = "" if closed else quote
        elif opened := _TRIPLE.match(line):
            text, closed = _until(line[opened.end() :], opened.group(1))
            yield number, text.strip(), True
            quote = "" if closed else opened.group(1)
        elif comment := _HASH.match(line):
            yield number, comment.group("text"), False


def _c_like_lines(lines: list[str]) -> Iterator[tuple[int, str]]:
    inside = False
    for number, line in enumerate(lines):
        stripped = line.strip()
        if inside or stripped.startswith("/*"):
            text, closed = _until(stripped.removeprefix("/*"), "*/")
            inside = not closed
            yield number, _STARS.sub("", text)
        elif comment := _SLASHES.match(line):
            yield number, comment.group("text")


def _until(text: str, end: str) -> tuple[str, bool]:
    before, found, _ = text.partition(end)
    return before, bool(found)


def _blocks(prose: Iterator[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    """Yields runs of neighbouring lines without a blank line between them."""
    block: list[tuple[int, str]] = []
    for number, text in prose:
        ends = not text.strip() or (block and number > block[-1][0] + 1) or _NOISE.match(text.strip())
        if ends and block:
            yield block
            block = []
        if text.strip() and not _NOISE.match(text.strip()):
            block.append((number, text.strip()))
    if block:
        yield block


def _split(block: list[tuple[int, str]]) -> Iterator[Sentence]:
    """Yields the sentences of one block, each with the line of its first word."""
    joined = " ".join(text for _, text in block)
    starts: list[tuple[int, int]] = []
    offset = 0
    for number, text in block:
        starts.append((offset, number))
        offset += len(text) + 1
    position = 0
    for part in _END.split(joined):
        at = joined.index(part, position)
        position = at + len(part)
        text = part.strip()
        if len(text.split()) >= MIN_WORDS and len(text) <= MAX_SENTENCE:
            yield Sentence(max(n for o, n in starts if o <= at), text)
