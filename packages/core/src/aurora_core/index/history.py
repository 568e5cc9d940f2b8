"""Past commits as neighbours: a query similar to an old commit's message points at the files it changed.

The newest commits of the repository around the project are read with one `git log`, only if HEAD has moved. Without
git, a repository or a commit there is no history, and nothing else changes.
"""

from __future__ import annotations

import secrets
import time
import zlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from aurora_core.git import run_git
from aurora_core.index.bm25 import idf, saturated
from aurora_core.store.database import bump_generation
from aurora_core.store.files import unpacked
from aurora_core.tokens import terms

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from aurora_core.git import GitOutput

__all__ = [
    "Commit",
    "CommitIndex",
    "NewHistory",
    "neighbours",
    "new_history",
    "put_history",
    "read_commits",
    "read_history",
]

MAX_COMMITS: Final = 6000
# A commit that touches more files than this says nothing about any of them.
MAX_FILES: Final = 12
NEIGHBOURS: Final = 30
MAX_NAMES_BYTES: Final = 64_000_000
MAX_LOG_BYTES: Final = 24_000_000
# Clocks of several machines differ; what is dated later than this was dated by no clock.
CLOCK_SKEW_S: Final = 86_400.0
HALF_LIFE_S: Final = 90 * 86_400.0
# Of what an old commit says about a file, half is outdated after so long.
NEIGHBOUR_HALF_LIFE_S: Final = 8 * 365.25 * 86_400.0
_TITLE_WEIGHT: Final = 2
_LENGTH_B: Final = 0.5
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
    known = connection.execute("SELECT value FROM meta WHERE key = 'history_head'").fetchone()
    if (known[0] if known else "") == head:
        return None
    return NewHistory(head=head, commits=read_commits(root) if head else ())


def put_history(connection: sqlite3.Connection, history: NewHistory) -> None:
    """Replaces the stored history, inside the caller's transaction."""
    _write(connection, history.commits)
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('history_head', ?)", (history.head,))
    bump_generation(connection)


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


def _write(connection: sqlite3.Connection, commits: Sequence[Commit]) -> None:
    """Replaces the history: one blob of postings for each term of the messages, and the last change of each file."""
    connection.execute("DELETE FROM history_postings")
    connection.execute("DELETE FROM history_files")
    connection.execute("DELETE FROM history_changes")
    telling = [commit for commit in commits if 1 <= len(commit.files) <= MAX_FILES]
    gathered: dict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    lengths = []
    for place, commit in enumerate(telling):
        frequencies = _frequencies(commit.message)
        lengths.append(frequencies.total())
        for term, count in frequencies.items():
            gathered[term][0].append(place)
            gathered[term][1].append(min(count, 255))
    connection.executemany(
        "INSERT INTO history_postings VALUES (?, ?)",
        ((term, _packed(places, counts)) for term, (places, counts) in gathered.items()),
    )
    files = "\x01".join("\0".join(commit.files) for commit in telling)
    connection.execute(
        "INSERT INTO history_files VALUES (1, ?, ?, ?)",
        (
            np.array(lengths, dtype="<i4").tobytes(),
            zlib.compress(files.encode()),
            np.array([commit.at for commit in telling], dtype="<i8").tobytes(),
        ),
    )
    changed: dict[str, int] = {}
    times: Counter[str] = Counter()
    for commit in commits:
        times.update(set(commit.files))
        for file in commit.files:
            changed[file] = max(changed.get(file, 0), commit.at)
    connection.executemany(
        "INSERT INTO history_changes (path, at, commits) VALUES (?, ?, ?)",
        ((path, at, times[path]) for path, at in changed.items()),
    )


def _frequencies(message: str) -> Counter[str]:
    title, _, body = message.partition("\n")
    counts = Counter(terms(body))
    for term in terms(title):
        counts[term] += _TITLE_WEIGHT
    return counts


def _packed(places: Sequence[int], counts: Sequence[int]) -> bytes:
    return np.array(places, dtype="<i4").tobytes() + np.array(counts, dtype=np.uint8).tobytes()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitIndex:
    """The history without its postings.

    Attributes:
        lengths: (n,) float32, number of terms in each informative commit's message.
        files: the files that each of them changed.
        times: (n,) int64, time of each of them, Unix seconds; 0 if it is unknown.
        changed: time of each file's last change, Unix seconds.
        newest: time of the newest change.
    """

    lengths: NDArray[np.float32]
    files: Sequence[Sequence[str]]
    times: NDArray[np.int64]
    changed: Mapping[str, int]
    newest: int

    def recency(self, path: str) -> float:
        """Returns 1 for a file of the newest commit, halved for every 90 days before it, 0 without a commit.

        It counts from the newest commit and not from today, so that an inactive project keeps its order.
        """
        at = self.changed.get(path)
        return 0.0 if at is None else 0.5 ** ((self.newest - at) / HALF_LIFE_S)

    def standing(self, place: int) -> float:
        """Returns the weight of a commit by its age: 1 for the newest."""
        at = int(self.times[place]) if place < len(self.times) else 0
        return 1.0 if at == 0 else 0.5 ** (max(self.newest - at, 0) / NEIGHBOUR_HALF_LIFE_S)


def read_history(connection: sqlite3.Connection) -> CommitIndex:
    """Returns the stored history."""
    row = connection.execute("SELECT lengths, files, times FROM history_files").fetchone() or (b"", b"", b"")
    files = unpacked(row[1], MAX_NAMES_BYTES).decode().split("\x01") if row[0] else []
    changed = dict(connection.execute("SELECT path, at FROM history_changes"))
    return CommitIndex(
        lengths=np.frombuffer(row[0], dtype="<i4").astype(np.float32),
        times=np.frombuffer(row[2], dtype="<i8"),
        files=tuple(names.split("\0") for names in files),
        changed=changed,
        newest=max(changed.values(), default=0),
    )


def neighbours(
    connection: sqlite3.Connection, weights: Mapping[str, float], commits: CommitIndex
) -> Mapping[str, float]:
    """Returns for each file the sum of w · s² / √(files in the commit) over the commits most similar to a query.

    s is the commit's BM25 score as a share of the best commit's, w is halved for every eight years before the newest
    commit; only the nearest commits count.

    Args:
        weights: of the query's terms.
    """
    total = np.zeros(len(commits.lengths), dtype=np.float32)
    mean = float(commits.lengths.mean()) if len(total) else 1.0
    for term, weight in weights.items():
        found = connection.execute("SELECT entries FROM history_postings WHERE term = ?", (term,)).fetchone()
        if found is None:
            continue
        count = len(found[0]) // 5
        places = np.frombuffer(found[0], dtype="<i4", count=count)
        frequencies = np.frombuffer(found[0], dtype=np.uint8, offset=4 * count).astype(np.float32)
        gain = saturated(frequencies, commits.lengths[places], mean, _LENGTH_B)
        total[places] += np.float32(weight * idf(len(total), count)) * gain
    nearest = np.argsort(-total, kind="stable")[:NEIGHBOURS]
    scores: dict[str, float] = defaultdict(float)
    for place in nearest[total[nearest] > 0]:
        share = float(total[place] / total[nearest[0]])
        weight = commits.standing(int(place)) * share**2 / len(commits.files[place]) ** 0.5
        for name in commits.files[place]:
            scores[name] += weight
    return scores
