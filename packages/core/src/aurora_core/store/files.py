"""Files and their chunks in the database."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from aurora_core.chunking import ChunkKind, SymbolType
from aurora_core.chunking.chunk import DEFINING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from aurora_core.chunking import Chunk

__all__ = [
    "REASONING_FOLDER",
    "ChunkRow",
    "DescribedChunk",
    "KnownFile",
    "StoredChunk",
    "chunks_by_id",
    "chunks_in",
    "chunks_named",
    "content_digest",
    "counts",
    "defined_names",
    "described_chunks",
    "file_ids",
    "file_note",
    "file_text",
    "indexed_paths",
    "known_file",
    "known_files",
    "noted_paths",
    "packed_text",
    "put_file",
    "remove_chunks",
    "remove_file",
    "symbol_key",
    "touch_file",
    "unindexed_files",
    "unpacked",
]

# Six times the longest file; whatever unpacks to more was not written by Aurora.
MAX_TEXT_BYTES: Final = 4_000_000
# Earlier answers are kept as files of their own under this name, which no walk ever yields.
REASONING_FOLDER: Final = ".aurora/reasoning/"


class KnownFile(NamedTuple):  # there is one for each file of a project: a dataclass takes three times as long to make
    """A file as it was indexed.

    Attributes:
        digest: hash of its bytes.
    """

    id: int
    digest: bytes
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkRow:
    """A chunk as its row stores it; its text is part of its file's text."""

    kind: ChunkKind
    symbol_type: SymbolType
    name: str
    line_start: int
    line_end: int
    signature: str

    @classmethod
    def of(cls, chunk: Chunk) -> ChunkRow:
        """Returns the row of a chunk."""
        return cls(
            kind=chunk.kind,
            symbol_type=chunk.symbol_type,
            name=chunk.name,
            line_start=chunk.line_start,
            line_end=chunk.line_end,
            signature=chunk.signature,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredChunk:
    """A chunk with its file and its text."""

    id: int
    file: str
    kind: ChunkKind
    symbol_type: SymbolType
    name: str
    line_start: int
    line_end: int
    signature: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedChunk:
    """A chunk's position and type, without its text; commits counts the commits that changed its file."""

    file_id: int
    file: str
    name: str
    kind: ChunkKind
    symbol_type: SymbolType
    signature: str
    commits: int


def symbol_key(chunk: StoredChunk | DescribedChunk) -> tuple[str, str, str]:
    """Returns what all chunks of one symbol share; overloads differ in their signatures."""
    return chunk.file, chunk.name, chunk.signature


def known_files(connection: sqlite3.Connection, below: str = "") -> dict[str, KnownFile]:
    """Returns the indexed files of the project by path, or those below a path; without earlier answers."""
    select = "SELECT path, id, digest, size, mtime_ns FROM files WHERE path NOT LIKE ?"
    values = [f"{REASONING_FOLDER}%"]
    if below:
        # "0" is the character after "/".
        select += " AND (path = ? OR path > ? AND path < ?)"
        values += [below, f"{below}/", f"{below}0"]
    rows = connection.execute(select, values)
    return {row[0]: KnownFile(*row[1:]) for row in rows}


def content_digest(connection: sqlite3.Connection) -> str:
    """Returns a digest of the paths and contents of all files."""
    total = hashlib.sha256()
    rows = connection.execute(
        "SELECT path, digest FROM files WHERE path NOT LIKE ? ORDER BY path", (f"{REASONING_FOLDER}%",)
    )
    for path, digest in rows:
        total.update(f"{path}\0{bytes(digest).hex()}\n".encode())
    return total.hexdigest()


def indexed_paths(connection: sqlite3.Connection) -> list[str]:
    """Returns the paths of the project's indexed files; earlier answers and files without chunks are left out."""
    rows = connection.execute("SELECT id, path FROM files WHERE path NOT LIKE ?", (f"{REASONING_FOLDER}%",))
    passed_over = unindexed_files(connection)
    return [path for number, path in rows if number not in passed_over]


def unindexed_files(connection: sqlite3.Connection) -> dict[int, str]:
    """Returns the files that are known and have no chunks for a reason: their paths by id."""
    rows = connection.execute(
        "SELECT id, path FROM files WHERE note != '' AND NOT EXISTS (SELECT 1 FROM chunks WHERE file_id = files.id)"
    )
    return dict(rows)


def noted_paths(connection: sqlite3.Connection, note: str) -> set[str]:
    """Returns the paths of the files with a note."""
    return {path for (path,) in connection.execute("SELECT path FROM files WHERE note = ? AND note != ''", (note,))}


def known_file(connection: sqlite3.Connection, path: str) -> KnownFile | None:
    """Returns an indexed file; None if it is not known."""
    row = connection.execute("SELECT id, digest, size, mtime_ns FROM files WHERE path = ?", (path,)).fetchone()
    return row and KnownFile(id=row[0], digest=row[1], size=row[2], mtime_ns=row[3])


def put_file(
    connection: sqlite3.Connection,
    path: str,
    *,
    digest: bytes,
    size: int,
    mtime_ns: int,
    text: bytes,
    note: str = "",
    chunks: Sequence[ChunkRow],
) -> tuple[int, range]:
    """Adds a file with its chunks; returns its id and the chunks' ids, in order.

    A known file keeps its id; its old chunks must have been removed.

    Args:
        text: see `packed_text`.
        note: why the file has no chunks, or how it was cut.
    """
    (file_id,) = connection.execute(
        """INSERT INTO files (path, digest, size, mtime_ns, text, note) VALUES (?, ?, ?, ?, ?, ?)
           ON CONFLICT (path) DO UPDATE SET digest = excluded.digest, size = excluded.size,
               mtime_ns = excluded.mtime_ns, text = excluded.text, note = excluded.note
           RETURNING id""",
        (path, digest, size, mtime_ns, text, note),
    ).fetchone()
    # No other writer can take an id before the caller's transaction ends.
    last = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'chunks'").fetchone()
    ids = range(last[0] + 1 if last else 1, (last[0] if last else 0) + len(chunks) + 1)
    connection.executemany(
        """INSERT INTO chunks (id, file_id, kind, symbol_type, name, short_name, line_start, line_end, signature)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [
            (
                number,
                file_id,
                chunk.kind,
                chunk.symbol_type,
                chunk.name,
                chunk.name.rpartition(".")[2],
                chunk.line_start,
                chunk.line_end,
                chunk.signature,
            )
            for number, chunk in zip(ids, chunks, strict=True)
        ],
    )
    return file_id, ids


def packed_text(text: str) -> bytes:
    """Returns a text compressed, as `put_file` takes it."""
    return zlib.compress(text.encode(), 6)


def unpacked(packed: bytes, limit: int = MAX_TEXT_BYTES) -> bytes:
    """Returns the content that `packed_text` and its like have compressed.

    Raises:
        zlib.error: it is damaged, or longer than anything that is kept.
    """
    decompressor = zlib.decompressobj()
    content = decompressor.decompress(packed, limit)
    if decompressor.unconsumed_tail:
        raise zlib.error(f"a compressed value is longer than {limit} bytes")
    if not decompressor.eof:
        raise zlib.error("a compressed value is cut short")
    return content


def touch_file(connection: sqlite3.Connection, path: str, size: int, mtime_ns: int) -> None:
    """Records that a file was written again with the same content."""
    connection.execute("UPDATE files SET size = ?, mtime_ns = ? WHERE path = ?", (size, mtime_ns, path))


def remove_chunks(connection: sqlite3.Connection, file_id: int) -> list[int]:
    """Removes a file's chunks; returns their ids, which the index must remove too."""
    ids = [row[0] for row in connection.execute("SELECT id FROM chunks WHERE file_id = ?", (file_id,))]
    connection.execute("DELETE FROM chunks WHERE file_id = ?", (file_id,))
    return ids


def remove_file(connection: sqlite3.Connection, file_id: int) -> list[int]:
    """Removes a file and its chunks; returns the chunks' ids, which the index must remove too."""
    ids = remove_chunks(connection, file_id)
    connection.execute("DELETE FROM files WHERE id = ?", (file_id,))
    return ids


def file_text(connection: sqlite3.Connection, path: str) -> str | None:
    """Returns a file's text as indexed; None if the file is not known."""
    row = connection.execute("SELECT text FROM files WHERE path = ?", (path,)).fetchone()
    return unpacked(row[0]).decode() if row else None


def file_note(connection: sqlite3.Connection, path: str) -> str | None:
    """Returns the note that `put_file` was given; None if the file is not known."""
    row = connection.execute("SELECT note FROM files WHERE path = ?", (path,)).fetchone()
    return str(row[0]) if row else None


def chunks_by_id(connection: sqlite3.Connection, ids: Sequence[int]) -> dict[int, StoredChunk]:
    """Returns chunks with their text; ids that no longer exist are left out."""
    marks = ",".join("?" * len(ids))
    return _stored(connection, f"chunks.id IN ({marks})", ids)


def described_chunks(connection: sqlite3.Connection, ids: Sequence[int]) -> dict[int, DescribedChunk]:
    """Returns chunks without the cost of their text; ids that no longer exist are left out."""
    marks = ",".join("?" * len(ids))
    rows = connection.execute(
        f"""SELECT chunks.id, file_id, files.path, name, kind, symbol_type, signature, coalesce(commits, 0)
            FROM chunks JOIN files ON files.id = file_id
            LEFT JOIN history_changes ON history_changes.path = files.path
            WHERE chunks.id IN ({marks})""",  # noqa: S608 - marks only
        tuple(ids),
    )
    return {
        number: DescribedChunk(
            file_id=file_id,
            file=path,
            name=name,
            kind=ChunkKind(kind),
            symbol_type=SymbolType(symbol_type),
            signature=signature,
            commits=commits,
        )
        for number, file_id, path, name, kind, symbol_type, signature, commits in rows
    }


def file_ids(connection: sqlite3.Connection, paths: Collection[str]) -> list[int]:
    """Returns the ids of files, ascending; unknown paths are left out."""
    marks = ",".join("?" * len(paths))
    rows = connection.execute(
        f"SELECT id FROM files WHERE path IN ({marks}) ORDER BY id",  # noqa: S608 - marks only
        tuple(paths),
    )
    return [number for (number,) in rows]


def chunks_named(connection: sqlite3.Connection, short_name: str) -> dict[int, StoredChunk]:
    """Returns the chunks whose name ends in a component, in the order of their ids."""
    return _stored(connection, "chunks.short_name = ?", (short_name,))


def defined_names(connection: sqlite3.Connection) -> list[str]:
    """Returns the last component of the name of every definition, each once, in alphabetical order."""
    kinds = tuple(sorted(DEFINING))
    marks = ",".join("?" * len(kinds))
    rows = connection.execute(
        f"SELECT DISTINCT short_name FROM chunks WHERE symbol_type IN ({marks}) ORDER BY short_name",  # noqa: S608 - marks only
        kinds,
    )
    return [name for (name,) in rows]


def chunks_in(connection: sqlite3.Connection, path: str, lines: tuple[int, int] | None = None) -> list[StoredChunk]:
    """Returns the chunks of a file, in the order of its lines.

    Args:
        lines: only chunks with a line of these, from a first to a last one.
    """
    if lines is None:
        found = _stored(connection, "files.path = ?", (path,))
    else:
        found = _stored(connection, "files.path = ? AND line_end >= ? AND line_start <= ?", (path, *lines))
    return sorted(found.values(), key=lambda chunk: chunk.line_start)


def _stored(connection: sqlite3.Connection, where: str, values: Iterable[object]) -> dict[int, StoredChunk]:
    rows = connection.execute(
        f"""SELECT chunks.id, file_id, path, kind, symbol_type, name, line_start, line_end, signature
            FROM chunks JOIN files ON files.id = file_id WHERE {where} ORDER BY chunks.id""",  # noqa: S608 - fixed text
        tuple(values),
    )
    lines: dict[int, list[str]] = {}
    found: dict[int, StoredChunk] = {}
    for number, file_id, path, kind, symbol_type, name, start, end, signature in rows:
        if file_id not in lines:  # the text once, and not with each of a file's thousands of chunks
            (text,) = connection.execute("SELECT text FROM files WHERE id = ?", (file_id,)).fetchone()
            lines[file_id] = unpacked(text).decode().split("\n")
        found[number] = StoredChunk(
            id=number,
            file=path,
            kind=ChunkKind(kind),
            symbol_type=SymbolType(symbol_type),
            name=name,
            line_start=start,
            line_end=end,
            signature=signature,
            content="\n".join(lines[file_id][start - 1 : end]),
        )
    return found


def counts(connection: sqlite3.Connection) -> Mapping[str, int]:
    """Returns the number of chunks of each kind."""
    return dict(connection.execute("SELECT kind, count(*) FROM chunks GROUP BY kind ORDER BY kind"))
