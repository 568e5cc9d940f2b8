"""Libraries that search text, on the same pieces of the same trees: SQLite's FTS5 and rank-bm25."""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING

import numpy as np
from context import PIECES, Answer, Piece
from rank_bm25 import BM25Okapi

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aurora_core import Memory

_WORD = re.compile(r"\w+")
# FTS5 reads every row that has any word; more words than this take seconds.
MAX_WORDS = 40


def all_chunks(memory: Memory) -> list[Piece]:
    """Returns every chunk of a memory."""
    return [
        Piece(hit.file, hit.name, hit.line_start, hit.content)
        for file in memory.files()
        for hit in memory.chunks_of(file)
    ]


def peers(chunks: Sequence[Piece]) -> dict[str, Callable[[str], Answer]]:
    """Returns a search function for each library."""
    return {"FTS5": fts5(chunks), "rank-bm25": rank_bm25(chunks)}


def fts5(chunks: Sequence[Piece]) -> Callable[[str], Answer]:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE pieces USING fts5(path, name, text, tokenize = 'porter unicode61')")
    connection.executemany("INSERT INTO pieces VALUES (?, ?, ?)", [(c.file, c.name, c.text) for c in chunks])

    def ask(query: str) -> Answer:
        words = list(dict.fromkeys(_WORD.findall(query)))[:MAX_WORDS]
        rows = connection.execute(
            "SELECT rowid FROM pieces WHERE pieces MATCH ? ORDER BY bm25(pieces, 5, 5, 1) LIMIT ?",
            (" OR ".join(f'"{word}"' for word in words), PIECES),
        )
        return Answer([chunks[number - 1] for (number,) in rows], [])

    return ask


def rank_bm25(chunks: Sequence[Piece]) -> Callable[[str], Answer]:
    index = BM25Okapi([_WORD.findall(f"{c.file} {c.name} {c.text}".lower()) for c in chunks])

    def ask(query: str) -> Answer:
        scores = index.get_scores(_WORD.findall(query.lower())[:MAX_WORDS])
        return Answer([chunks[at] for at in np.argsort(-scores, kind="stable")[:PIECES]], [])

    return ask
