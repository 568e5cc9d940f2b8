"""Reads the newest commits of the repository around a project: with one `git log`, only if HEAD has moved.

A search needs only what `history` stored of them, and loads none of this.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_core.git import run_git
from aurora_core.index.history_head import stored_head

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from aurora_core.git import GitOutput

__all__ = ["Commit", "NewHistory", "new_history", "read_commits"]

MAX_COMMITS: Final = 6000
MAX_LOG_BYTES: Final = 24_000_000
# Clocks of several machines differ; what is dated later than this was dated by no clock.
CLOCK_SKEW_S: Final = 86_400.0
_LONGEST_STAMP: Final = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit.

    Attributes:
        at: time of the commit, Unix seconds; 0 if its date is impossible.
        files: paths from the project's root, where the files are now: later renames are followed.
    """

    at: int
    message: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """A file that a commit changed, and the path that it had before; the same path unless it was renamed."""

    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHistory:
    """Commits that git names where HEAD has moved since the stored history.

    Attributes:
        head: the id of HEAD; "" without a commit.
    """

    head: str
    commits: Sequence[Commit]


def new_history(connection: sqlite3.Connection, root: Path) -> NewHistory | None:
    """Reads the history if HEAD has moved; None if not. Git may take seconds: no transaction should wait for it."""
    asked = run_git(root, "rev-parse", "HEAD")
    head = asked.data.decode("ascii", "replace").strip() if asked else ""
    if stored_head(connection) == head:
        return None
    return NewHistory(head=head, commits=read_commits(root) if head else ())


def read_commits(root: Path) -> list[Commit]:
    """Returns the newest commits that touch the project, newest first; none without a repository.

    If git fails to look for renames, as for objects that a partial clone does not have, files keep their old paths.
    """
    # Messages and names may contain anything but NUL: only a random mark cannot be in either.
    mark = secrets.token_hex(8)
    # A swap of two files is told by --break-rewrites only, which takes eight times as long.
    log = _log(root, mark, "--find-renames") or _log(root, mark, "--no-renames")
    if log is None:
        return []
    records = log.data.decode("utf-8", errors="replace").split(f"\0{mark}")[1:]
    latest = time.time() + CLOCK_SKEW_S
    # The last record of a log that was cut may be cut as well.
    return list(_commits(records if log.complete else records[:-1], latest))


def _log(root: Path, mark: str, renames: str) -> GitOutput | None:
    return run_git(
        root,
        "log",
        f"-n{MAX_COMMITS}",
        "--no-merges",
        "--no-ext-diff",
        "--no-textconv",
        "--name-status",
        renames,
        "-z",
        "--relative",
        f"--format=%x00{mark}%ct%n%B%x00",
        max_bytes=MAX_LOG_BYTES,
    )


def _commits(records: Sequence[str], latest: float) -> Iterator[Commit]:
    """Yields commits from the newest to the oldest, with the paths that their files have now."""
    now: dict[str, str] = {}
    for record in records:
        head, _, names = record.partition("\0")
        stamp, _, message = head.partition("\n")
        changes = list(_changes(names.lstrip("\0\n").split("\0")))
        files = tuple(dict.fromkeys(now.get(change.after, change.after) for change in changes))
        yield Commit(at=_sane_time(stamp, latest), message=message.strip(), files=files)
        now |= {each.before: now.get(each.after, each.after) for each in changes if each.before != each.after}


def _changes(fields: Sequence[str]) -> Iterator[_Change]:
    """Yields the changes in git's list of a status and a path for each file, two paths for a renamed one."""
    at = 0
    while at + 1 < len(fields):
        status, path = fields[at].strip("\n"), fields[at + 1]
        moved = status[:1] in ("R", "C") and at + 2 < len(fields)
        after = fields[at + 2] if moved else path
        if path:
            yield _Change(before=path if status[:1] == "R" else after, after=after)
        at += 3 if moved else 2


def _sane_time(stamp: str, latest: float) -> int:
    """Returns a commit's time; 0 if it is impossible, because a date may be any number."""
    at = int(stamp) if len(stamp) <= _LONGEST_STAMP and stamp.isascii() and stamp.isdigit() else 0
    return at if at <= latest else 0
