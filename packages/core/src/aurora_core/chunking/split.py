"""Cuts a file's text into chunks, according to the kind of file that its name indicates."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from aurora_core.chunking.code import chunk_code
from aurora_core.chunking.components import COMPONENT_SUFFIXES, parts_of
from aurora_core.chunking.detect import grammar_for, grammar_of
from aurora_core.chunking.grammars import parsed
from aurora_core.chunking.limits import SECONDS, TooComplexError, WorkLimit
from aurora_core.chunking.links import NO_LINKS, Links, joined_links, links_in
from aurora_core.chunking.notebook import read_notebook
from aurora_core.chunking.text import chunk_markdown, chunk_source, chunk_text
from aurora_core.file_kinds import is_source

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aurora_core.chunking.chunk import Chunk
    from aurora_core.chunking.components import Part
    from aurora_core.chunking.grammars import Grammar
    from aurora_core.chunking.notebook import Cell

__all__ = ["CutFile", "cut_file"]

NO_NOTEBOOK: Final = "is not a readable notebook"
AS_TEXT: Final = "is indexed as plain text: too complex to parse"
_MARKDOWN: Final = frozenset({".md", ".markdown", ".mdx"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CutFile:
    """The chunks of a file in order, and its links to other files.

    Attributes:
        text: the text that the chunks are runs of lines of; for a notebook, its cells.
        note: a remark on how the file was cut, "" for none.
    """

    chunks: list[Chunk]
    links: Links
    text: str
    note: str = ""


def cut_file(path: str, text: str) -> CutFile:
    """Cuts a file into chunks; an empty file has none."""
    file = PurePosixPath(path)
    suffix = file.suffix.lower()
    if not text.strip():
        return CutFile(chunks=[], links=NO_LINKS, text=text)
    if suffix == ".ipynb":
        return _cut_notebook(text, file.stem)
    if suffix in COMPONENT_SUFFIXES:
        return replace(_cut_parts(parts_of(text, suffix), file.stem, source=True), text=text)
    return _cut(text, suffix, file.stem, grammar_of(path, text), source=is_source(path))


def _cut(text: str, suffix: str, stem: str, grammar: Grammar | None, *, source: bool) -> CutFile:
    if grammar is not None:
        try:
            return _cut_code(text, stem, grammar)
        except TooComplexError:
            return CutFile(chunks=chunk_text(text, stem), links=NO_LINKS, text=text, note=AS_TEXT)
    if suffix in _MARKDOWN:
        chunks = chunk_markdown(text, stem)
    else:
        chunks = chunk_source(text, stem) if source else chunk_text(text, stem)
    return CutFile(chunks=chunks, links=NO_LINKS, text=text)


def _cut_code(text: str, stem: str, grammar: Grammar) -> CutFile:
    limit = WorkLimit()
    source = text.encode()
    # The tree must outlive its nodes.
    tree = parsed(source, grammar, limit)
    chunks = chunk_code(text, tree.root_node, stem, grammar, limit)
    return CutFile(chunks=chunks, links=links_in(tree.root_node, grammar, source, limit), text=text)


def _cut_notebook(text: str, stem: str) -> CutFile:
    """Cuts each cell by its own kind; outputs are not source."""
    notebook = read_notebook(text)
    if notebook is None:
        return CutFile(chunks=[], links=NO_LINKS, text="", note=NO_NOTEBOOK)
    return replace(_cut_parts(notebook.cells, stem, source=False), text=notebook.text)


def _cut_parts(parts: Iterable[Cell | Part], stem: str, *, source: bool) -> CutFile:
    """Cuts parts of a file that are each of a kind of their own."""
    chunks: list[Chunk] = []
    links: list[Links] = []
    notes: list[str] = []
    spent = time.thread_time()
    for part in parts:
        late = time.thread_time() - spent > SECONDS
        suffix = "" if late else part.suffix
        cut = _cut("\n".join(part.lines), suffix, stem, grammar_for(suffix), source=source)
        chunks += [
            replace(chunk, line_start=chunk.line_start + part.first_row, line_end=chunk.line_end + part.first_row)
            for chunk in cut.chunks
        ]
        links.append(cut.links)
        notes += [AS_TEXT] if late or cut.note else []
    return CutFile(chunks=chunks, links=joined_links(links), text="", note=notes[0] if notes else "")
