"""Cuts files into chunks: code by definition, documents by section, text by paragraph.

`split` is not imported here, because a search needs the kinds of chunks but no parsers.
"""

from aurora_core.chunking.chunk import Chunk, ChunkKind, SymbolType

__all__ = ["Chunk", "ChunkKind", "SymbolType"]
