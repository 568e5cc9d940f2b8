"""The progress of indexing, and its report at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = [
    "BINARY",
    "CONFIDENTIAL",
    "GENERATED",
    "JUDGED",
    "LARGE_DATA",
    "MINIFIED",
    "NAMED_GENERATED",
    "TOO_LARGE",
    "IndexProgress",
    "IndexReport",
    "LeftOut",
    "LeftOutGroup",
    "SkippedFile",
]

BINARY: Final = "is binary"
MINIFIED: Final = "is minified"
GENERATED: Final = "is generated"
NAMED_GENERATED: Final = "has the name of a generated or minified file"
CONFIDENTIAL: Final = "may hold secrets"
LARGE_DATA: Final = "is data larger than 100 kB"
TOO_LARGE: Final = "larger than 600 kB"
JUDGED: Final = frozenset({BINARY, MINIFIED, GENERATED, NAMED_GENERATED, CONFIDENTIAL, LARGE_DATA})
"""The reasons that a file itself gives for not being indexed; files that are too large are named one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedFile:
    """A file that should have been indexed but could not be, with the reason."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A file or folder (with a slash at its end) that is not indexed on purpose, with the reason."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOutGroup:
    """Files and folders that are not indexed for the same reason, with a few examples.

    Attributes:
        kinds: number of files by suffix (by name without one), most frequent first.
    """

    reason: str
    count: int
    examples: tuple[str, ...]
    kinds: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexProgress:
    """The progress of indexing.

    Attributes:
        phase: "scan", then "index".
        done: number of files finished in this phase.
        total: number of files in this phase; 0 while it is unknown.
        file: path of the current file.
    """

    phase: str
    done: int
    total: int
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexReport:
    """The result of indexing.

    Attributes:
        files_seen: files found that are indexed.
        left_out: files of the project that are not indexed, by reason, most frequent first; none after an update of a
            few files, which would have to count all.
    """

    files_seen: int
    files_indexed: int
    files_unchanged: int
    files_removed: int
    files_skipped: tuple[SkippedFile, ...]
    chunks_added: int
    chunks_removed: int
    chunks_total: int
    duration_s: float
    left_out: tuple[LeftOutGroup, ...] = ()
