"""The progress of indexing, and its report at the end."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["IndexProgress", "IndexReport", "LeftOut", "LeftOutGroup", "SkippedFile"]


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
    """Files and folders that are not indexed for the same reason, with a few examples."""

    reason: str
    count: int
    examples: tuple[str, ...]


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
    """The result of indexing."""

    files_seen: int
    files_indexed: int
    files_unchanged: int
    files_removed: int
    files_skipped: tuple[SkippedFile, ...]
    chunks_added: int
    chunks_removed: int
    chunks_total: int
    duration_s: float
