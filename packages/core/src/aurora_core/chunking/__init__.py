"""Files → chunks: code by definition, documents by section, text by paragraph."""

from aurora_core.chunking.chunk import Chunk, ChunkKind, SymbolType
from aurora_core.chunking.links import Links
from aurora_core.chunking.split import CutFile, cut_file

__all__ = ["Chunk", "ChunkKind", "CutFile", "Links", "SymbolType", "cut_file"]
