"""Earlier answers in the database: each is stored as a virtual file with one chunk, which is not on disk."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_core.chunking import Chunk, ChunkKind, SymbolType
from aurora_core.store.files import REASONING_FOLDER, ChunkRow, packed_text, put_file, remove_file, unpacked

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

__all__ = ["Reasoning", "put_reasoning", "read_reasonings", "reasonings_by_id", "remove_reasoning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasoning:
    """An earlier answer.

    Attributes:
        score: quality when it was given, 0 to 1.
        sources: places that support it, as `file:line`.
        run_id: the execution that gave it.
        project: the folder that it is about; "" for the memory's own project.
        created_at: Unix seconds; None for the current time.
        evidence: the cited lines as they were, as `file:first-last:digest`; () of an answer that was stored without.
    """

    query: str
    answer: str
    score: float
    sources: tuple[str, ...]
    run_id: str
    project: str = ""
    created_at: float | None = None
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PutReasoning:
    """A stored answer, for the index.

    Attributes:
        number: id of its chunk.
        replaced: ids of the earlier answer's chunks, which the index must remove.
    """

    path: str
    file_id: int
    number: int
    chunk: Chunk
    replaced: tuple[int, ...]


def put_reasoning(connection: sqlite3.Connection, reasoning: Reasoning) -> PutReasoning:
    """Stores an answer in place of an earlier one to the same question; the caller indexes its chunk."""
    asked = f"{reasoning.project}\0{reasoning.query}" if reasoning.project else reasoning.query
    path = REASONING_FOLDER + hashlib.sha256(asked.encode()).hexdigest()[:16]
    text = f"{reasoning.query}\n\n{reasoning.answer}"
    chunk = Chunk(
        kind=ChunkKind.REAS,
        symbol_type=SymbolType.REASONING,
        name=reasoning.query.split("\n")[0][:120],
        line_start=1,
        line_end=text.count("\n") + 1,
        content=text,
    )
    earlier = connection.execute("SELECT id FROM files WHERE path = ?", (path,)).fetchone()
    replaced = remove_file(connection, earlier[0]) if earlier else []
    file_id, (number,) = put_file(
        connection,
        path,
        digest=b"",
        size=0,
        mtime_ns=time.time_ns(),
        text=packed_text(text),
        chunks=[ChunkRow.of(chunk)],
    )
    connection.execute(
        """INSERT INTO reasoning (file_id, query, score, sources, run_id, created_at, project, evidence)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            file_id,
            reasoning.query,
            reasoning.score,
            json.dumps(reasoning.sources),
            reasoning.run_id,
            time.time() if reasoning.created_at is None else reasoning.created_at,
            reasoning.project,
            json.dumps(reasoning.evidence),
        ),
    )
    return PutReasoning(path=path, file_id=file_id, number=number, chunk=chunk, replaced=tuple(replaced))


def remove_reasoning(connection: sqlite3.Connection, number: int) -> list[int]:
    """Removes an answer by its chunk's id; returns the ids that the index must remove, if any."""
    row = connection.execute(
        """SELECT reasoning.file_id FROM reasoning JOIN chunks ON chunks.file_id = reasoning.file_id
           WHERE chunks.id = ?""",
        (number,),
    ).fetchone()
    return remove_file(connection, row[0]) if row else []


def read_reasonings(connection: sqlite3.Connection) -> list[Reasoning]:
    """Returns every answer, oldest first; reads databases of earlier schemas too."""
    return list(_read(connection, "1 ORDER BY created_at, reasoning.file_id", ()).values())


def reasonings_by_id(connection: sqlite3.Connection, ids: Sequence[int]) -> dict[int, Reasoning]:
    """Returns answers by their chunks' ids; ids of other chunks are left out."""
    return _read(connection, f"chunks.id IN ({','.join('?' * len(ids))})", ids)


def _read(connection: sqlite3.Connection, where: str, values: Sequence[int]) -> dict[int, Reasoning]:
    columns = {row[1] for row in connection.execute("PRAGMA table_info(reasoning)")}
    project = "project" if "project" in columns else "''"
    evidence = "evidence" if "evidence" in columns else "'[]'"
    rows = connection.execute(
        f"""SELECT chunks.id, query, text, score, sources, run_id, {project}, created_at, {evidence}
            FROM reasoning JOIN files ON files.id = reasoning.file_id
            JOIN chunks ON chunks.file_id = reasoning.file_id
            WHERE {where}""",  # noqa: S608 - own words and marks only
        tuple(values),
    )
    return {
        number: Reasoning(
            query=query,
            answer=unpacked(text).decode().removeprefix(f"{query}\n\n"),
            score=score,
            sources=tuple(json.loads(sources)),
            run_id=run_id,
            project=of,
            created_at=created_at,
            evidence=tuple(json.loads(seen)),
        )
        for number, query, text, score, sources, run_id, of, created_at, seen in rows
    }
