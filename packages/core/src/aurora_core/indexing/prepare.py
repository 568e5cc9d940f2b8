"""Prepares files for the memory, except for their ids; a worker process can do it."""

from __future__ import annotations

import codecs
import os
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_core.bounded import open_regular
from aurora_core.chunking.chunk import DEFINING, KINDS, SymbolType
from aurora_core.chunking.split import cut_file
from aurora_core.file_kinds import is_test_file
from aurora_core.index.bm25 import path_frequencies
from aurora_core.index.graph import PackedLinks, packed_links
from aurora_core.index.segments import BuiltSegment, IndexedChunk, Part, built_segment
from aurora_core.indexing.content import (
    LOOKED_AT,
    MAX_FILE_BYTES,
    content_digest,
    holds_private_key,
    is_generated,
    is_minified,
    is_text,
)
from aurora_core.indexing.walk import FoundFile
from aurora_core.report import BINARY, CONFIDENTIAL, GENERATED, MINIFIED, TOO_LARGE, SkippedFile
from aurora_core.store.files import ChunkRow, packed_text
from aurora_core.tokens import terms

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from aurora_core.chunking import Chunk

__all__ = ["PreparedBatch", "PreparedFile", "Request", "indexed_chunks", "prepare"]

# Two writes within one tick of the file system's clock leave the same time behind. A file that was last changed so
# shortly before it was read is read again next time, as git does with its index.
RACY_NS: Final = 50_000_000
UNSURE: Final = -1
READ_ATTEMPTS: Final = 3
# The longer marks come first, as one of them begins with a shorter one.
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Files to prepare.

    Attributes:
        root: the project's folder.
        files: each with the digest that the memory has of it, None for a new file.
    """

    root: str
    files: Sequence[tuple[FoundFile, bytes | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedFile:
    """A file that was read and cut into chunks.

    Attributes:
        found: size and time when it was read; the time is `UNSURE` if the file may change without a new time.
        text: compressed, see `packed_text`.
        note: why it has no chunks, or how it was cut; "" for an ordinary file.
    """

    found: FoundFile
    digest: bytes
    text: bytes
    note: str
    chunks: tuple[ChunkRow, ...]
    links: PackedLinks


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedBatch:
    """The result of a request.

    Attributes:
        same: files whose content the memory already has.
        segment: the index of the changed files' chunks, in order.
    """

    changed: tuple[PreparedFile, ...]
    same: tuple[FoundFile, ...]
    skipped: tuple[SkippedFile, ...]
    segment: BuiltSegment


def prepare(request: Request) -> PreparedBatch:
    """Reads and cuts files. A file that cannot be indexed counts as changed, without chunks: its old ones go."""
    changed: list[PreparedFile] = []
    same: list[FoundFile] = []
    skipped: list[SkippedFile] = []
    indexed: list[IndexedChunk] = []
    for file, known in request.files:
        try:
            found, content = _read(request.root, file)
        except OSError as error:
            skipped.append(SkippedFile(path=file.path, reason=f"cannot be read: {error.strerror}"))
            continue
        digest = content_digest(content)
        reason = _skip_reason(file.path, content)
        if reason == TOO_LARGE:
            skipped.append(SkippedFile(path=file.path, reason=reason))
        if digest == known:
            same.append(found)
            continue
        text = "" if reason else _decoded(content).replace("\r\n", "\n").replace("\r", "\n")
        cut = cut_file(file.path, text)
        indexed += indexed_chunks(file.path, cut.chunks)
        defined = [chunk.name.rpartition(".")[2] for chunk in cut.chunks if chunk.symbol_type in DEFINING]
        changed.append(
            PreparedFile(
                found=found,
                digest=digest,
                text=packed_text(cut.text),
                note=reason or cut.note,
                chunks=tuple(ChunkRow.of(chunk) for chunk in cut.chunks),
                links=packed_links(file.path, cut.links, defined),
            )
        )
    return PreparedBatch(
        changed=tuple(changed), same=tuple(same), skipped=tuple(skipped), segment=built_segment(indexed)
    )


def _read(root: str, file: FoundFile) -> tuple[FoundFile, bytes]:
    """Returns a file's content with the size and time that belong to it, even while another process writes it.

    Of a binary file, the content is its start.
    """
    for _ in range(READ_ATTEMPTS):
        with open(open_regular(f"{root}/{file.path}", follow=False), "rb") as opened:  # noqa: PTH123 - ten times as fast as by Path
            before, at = os.fstat(opened.fileno()), time.time_ns()
            content = opened.read(LOOKED_AT)
            if is_text(content):
                content += opened.read(MAX_FILE_BYTES + 1 - len(content))
            after = os.fstat(opened.fileno())
        if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
            sure = after.st_mtime_ns < at - RACY_NS
            return FoundFile(
                path=file.path, size=after.st_size, mtime_ns=after.st_mtime_ns if sure else UNSURE
            ), content
    return FoundFile(path=file.path, size=after.st_size, mtime_ns=UNSURE), content


def _skip_reason(path: str, content: bytes) -> str:
    """Returns why a file is not indexed; "" if it is."""
    if not is_text(content):
        return BINARY
    if len(content) > MAX_FILE_BYTES:
        return TOO_LARGE
    if holds_private_key(content):
        return CONFIDENTIAL
    if is_minified(path, content):
        return MINIFIED
    return GENERATED if is_generated(path, content) else ""


def _decoded(content: bytes) -> str:
    """Returns a file's text: UTF-8, unless a byte order mark says UTF-16 or UTF-32."""
    encodings = (name for mark, name in _MARKS if content.startswith(mark))
    return content.decode(next(encodings, "utf-8"), errors="replace")


def indexed_chunks(path: str, chunks: Sequence[Chunk]) -> list[IndexedChunk]:
    """Returns the input of the index for the chunks of a file."""
    holders = {chunk.name.rpartition(".")[0] for chunk in chunks if chunk.symbol_type in DEFINING}
    return [
        IndexedChunk(
            body=Counter(terms(chunk.content)),
            path=path_frequencies(path),
            # A chunk's own name says more than the name of what contains it.
            name=Counter([*terms(chunk.name), *terms(chunk.name.rpartition(".")[2])]),
            kind=KINDS[chunk.kind],
            part=_part(chunk, holders),
            test=is_test_file(path),
        )
        for chunk in chunks
    ]


def _part(chunk: Chunk, holders: Collection[str]) -> Part:
    if chunk.symbol_type is SymbolType.MODULE and holders:
        return Part.MODULE_REST
    return Part.CLASS_REST if chunk.symbol_type is SymbolType.CLASS and chunk.name in holders else Part.WHOLE
