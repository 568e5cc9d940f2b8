"""The vectors of chunks in the database, all of one model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["encoded", "put_vectors", "read_vectors", "use_model", "vectors_model", "without_vector"]


def use_model(connection: sqlite3.Connection, name: str) -> None:
    """Deletes the vectors of any other model, inside the caller's transaction."""
    if vectors_model(connection) != name:
        connection.execute("DELETE FROM vectors")
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('vectors_model', ?)", (name,))
        _note_change(connection)


def encoded(connection: sqlite3.Connection) -> tuple[int, str]:
    """Returns the number of chunks with a vector, and the name of the model; "" without vectors."""
    (count,) = connection.execute("SELECT count(*) FROM vectors").fetchone()
    return count, vectors_model(connection) or ""


def vectors_model(connection: sqlite3.Connection) -> str | None:
    """Returns the name of the model that the vectors are of; None before the first."""
    known = connection.execute("SELECT value FROM meta WHERE key = 'vectors_model'").fetchone()
    return str(known[0]) if known else None


def without_vector(connection: sqlite3.Connection) -> list[int]:
    """Returns the ids of chunks without a vector, ascending."""
    rows = connection.execute(
        "SELECT id FROM chunks LEFT JOIN vectors ON chunk_id = id WHERE chunk_id IS NULL ORDER BY id"
    )
    return [number for (number,) in rows]


def put_vectors(connection: sqlite3.Connection, ids: Sequence[int], unit: NDArray[np.float32]) -> None:
    """Stores vectors of length 1, inside the caller's transaction; chunks removed meanwhile are skipped."""
    connection.executemany(
        "INSERT OR REPLACE INTO vectors SELECT id, ?2 FROM chunks WHERE id = ?1",
        [(number, row.astype("<f2").tobytes()) for number, row in zip(ids, unit, strict=True)],
    )
    _note_change(connection)


def _note_change(connection: sqlite3.Connection) -> None:
    connection.execute(
        """INSERT INTO meta VALUES ('vectors_version', '1')
           ON CONFLICT DO UPDATE SET value = CAST(value AS INTEGER) + 1"""
    )


def read_vectors(connection: sqlite3.Connection) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
    """Returns ids (n,) and vectors (n, dimension) of all encoded chunks."""
    rows = connection.execute("SELECT chunk_id, vector FROM vectors ORDER BY chunk_id").fetchall()
    ids = np.array([number for number, _ in rows], dtype=np.int64)
    flat = np.frombuffer(b"".join(vector for _, vector in rows), dtype="<f2")
    return ids, flat.reshape(len(rows), -1) if rows else flat.reshape(0, 0)
