"""What indexing tells while it runs and when it is done."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["IndexProgress", "IndexReport", "LeftOut", "LeftOutGroup", "SkippedFile"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedFile:
    """A file that looked worth reading and was left out, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A file or folder (with a slash at its end) that is no source, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOutGroup:
    """Files and folders that are left out of the index for one reason, a few of them by name."""

    reason: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexProgress:
    """How far indexing is.

    Attributes:
        phase: "scan", then "index".
        done: files looked at in this phase.
        total: files in this phase; 0 while it is not known.
        file: the file at hand.
    """

    phase: str
    done: int
    total: int
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexReport:
    """What indexing did."""

    files_seen: int
    files_indexed: int
    files_unchanged: int
    files_removed: int
    files_skipped: tuple[SkippedFile, ...]
    chunks_added: int
    chunks_removed: int
    chunks_total: int
    duration_s: float
