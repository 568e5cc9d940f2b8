"""Files → chunks: code by definition, documents by section, text by paragraph."""

from aurora_core.chunking.chunk import Chunk, ChunkKind, SymbolType
from aurora_core.chunking.split import chunk_file

__all__ = ["Chunk", "ChunkKind", "SymbolType", "chunk_file"]
