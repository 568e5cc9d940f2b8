"""Finds chunks without a query: the definitions of a symbol, and all chunks of a file."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from aurora_core.chunking.chunk import DEFINING
from aurora_core.hits import Hit, hit_of
from aurora_core.ranking import HitScores
from aurora_core.store.files import chunks_in, chunks_named, described_chunks, symbol_key

if TYPE_CHECKING:
    import sqlite3

    from aurora_core.access_log import AccessLog
    from aurora_core.store.files import StoredChunk

__all__ = ["defined", "of_file"]


def defined(connection: sqlite3.Connection, log: AccessLog, name: str, limit: int) -> list[Hit]:
    """Returns the chunks that define a symbol, given by its last component or its qualified name."""
    chunks = chunks_named(connection, name.rpartition(".")[2])
    named = [c for c in chunks.values() if c.name == name or c.name.endswith(f".{name}")]
    first = {symbol_key(c): c for c in reversed(named) if c.symbol_type in DEFINING}
    chosen = [c for c in named if first.get(symbol_key(c)) is c][:limit]
    described = described_chunks(connection, [c.id for c in chosen])
    activations = log.activations(described, name, time.time())
    return [_exact(chunk, activations[chunk.id]) for chunk in chosen]


def of_file(connection: sqlite3.Connection, log: AccessLog, file: str) -> list[Hit]:
    """Returns the chunks of a file, by its path from the root, in file order; none if it is not in the memory."""
    chunks = chunks_in(connection, file)
    activations = log.activations(described_chunks(connection, [c.id for c in chunks]), "", time.time())
    return [_exact(chunk, activations[chunk.id]) for chunk in chunks]


def _exact(chunk: StoredChunk, activation: float) -> Hit:
    """Returns a chunk that was asked for by its name or its place as a hit of full score."""
    return hit_of(
        chunk, HitScores(chunk=chunk.id, bm25=1.0, activation=activation, name=1.0, semantic=0.0, hybrid=1.0)
    )
