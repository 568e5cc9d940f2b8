"""Files → chunks: code by definition, documents by section, text by paragraph.

`split` does it; it is not imported here, because searching needs the kinds of chunks and no parsers.
"""

from aurora_core.chunking.chunk import Chunk, ChunkKind, SymbolType

__all__ = ["Chunk", "ChunkKind", "SymbolType"]
