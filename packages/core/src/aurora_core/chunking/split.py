"""A file's text → its chunks, by the kind of file its name tells."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from aurora_core.chunking.code import chunk_code
from aurora_core.chunking.grammars import grammar_for
from aurora_core.chunking.text import chunk_markdown, chunk_text

if TYPE_CHECKING:
    from aurora_core.chunking.chunk import Chunk

__all__ = ["chunk_file"]

_MARKDOWN: Final = frozenset({".md", ".markdown"})


def chunk_file(path: str, text: str) -> list[Chunk]:
    """The chunks of a file in file order; an empty file has none."""
    file = PurePosixPath(path)
    grammar = grammar_for(file.suffix)
    if not text.strip():
        return []
    if grammar is not None:
        return chunk_code(text, file.stem, grammar)
    if file.suffix.lower() in _MARKDOWN:
        return chunk_markdown(text, file.stem)
    return chunk_text(text, file.stem)
