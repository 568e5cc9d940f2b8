"""A file's text → its chunks, by the kind of file its name tells."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from aurora_core.chunking.code import chunk_code
from aurora_core.chunking.grammars import grammar_for, parser_for
from aurora_core.chunking.links import NO_LINKS, Links, links_in
from aurora_core.chunking.text import chunk_markdown, chunk_text

if TYPE_CHECKING:
    from aurora_core.chunking.chunk import Chunk

__all__ = ["CutFile", "cut_file"]

_MARKDOWN: Final = frozenset({".md", ".markdown"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CutFile:
    """A file's chunks in file order, and what it names of other files."""

    chunks: list[Chunk]
    links: Links


def cut_file(path: str, text: str) -> CutFile:
    """Cut a file; an empty one has no chunks."""
    file = PurePosixPath(path)
    grammar = grammar_for(file.suffix)
    if not text.strip():
        return CutFile(chunks=[], links=NO_LINKS)
    if grammar is not None:
        # The tree must outlive its nodes.
        tree = parser_for(grammar).parse(text.encode())
        chunks = chunk_code(text, tree.root_node, file.stem, grammar)
        return CutFile(chunks=chunks, links=links_in(tree.root_node, grammar))
    if file.suffix.lower() in _MARKDOWN:
        return CutFile(chunks=chunk_markdown(text, file.stem), links=NO_LINKS)
    return CutFile(chunks=chunk_text(text, file.stem), links=NO_LINKS)
